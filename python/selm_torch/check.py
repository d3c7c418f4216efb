"""Checks that this environment can train: python -m selm_torch.check cpu|cuda trains a tiny random model for one step.

`selm doctor` runs it. Exit code 0, or the reason on stderr's last line.
"""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .channel import Channel


def job_of(folder: Path, device: str) -> dict[str, Any]:
    """One step of DPO on all weights of a model with two layers, whose files are written to the folder."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=128, max_position_embeddings=64, **shape)).save_pretrained(folder / "model")
    pair = {"responses": [[7, 8, 9], [10, 11]], "lengths": [3, 2], "referenceLogps": [-14.0, -10.0]}
    row = {"prompt": [1, 2, 3], **pair, "chosen": 0, "rejected": 1, "reference": 0}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    adamw = {"weightDecay": 0.0, "adamBeta1": 0.9, "adamBeta2": 0.999, "adamEpsilon": 1e-8, "maxGradNorm": 1.0}
    return {
        "method": "optimize",
        "model": str(folder / "model"),
        "adapter": None,
        "compute": "bfloat16" if device == "cuda" else "float32",
        "device": device,
        "threads": 1,
        "microBatchTokens": 64,
        "rows": str(folder / "rows.jsonl"),
        "objective": {"name": "dpo", "beta": 0.1},
        "steps": [{"rows": [0], "learningRate": 1e-3}],
        "outDir": str(folder / "out"),
        "training": {"full": True, "recompute": False, **adamw},
        "checkpoint": None,
    }


def main(device: str) -> None:
    """Trains as a rank does, in one process without a parent."""
    # Not rank 0's: nobody reads messages.
    channel = Channel(1)
    os.environ.update(SELM_DEVICE=device, CUBLAS_WORKSPACE_CONFIG=":4096:8")
    from .training import optimize
    from .world import open_world

    with TemporaryDirectory(prefix="selm-check-") as name:
        os.environ["SELM_RENDEZVOUS"] = (Path(name) / "rendezvous").as_uri()
        result = optimize(open_world(0, 1, channel), job_of(Path(name), device))
    if result["unchanged"]:
        raise RuntimeError("a training step has changed no weight")


main(sys.argv[1])
