"""Measures training steps of python/selm_torch: tokens per second, peak memory, and the bits of two runs.

    python measure.py --device cuda --ranks 1 --out results.json [--tiny]

The model has Llama-3.2-1B's shape and random weights, so that nothing is downloaded; --tiny: 22 million parameters. The ranks are
started as engine/torch starts them, and get the same jobs.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

LLAMA_1B = dict(
    vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
    num_attention_heads=32, num_key_value_heads=8, head_dim=64, tie_word_embeddings=True, max_position_embeddings=8192,
)  # fmt: skip
TINY = dict(
    vocab_size=8192, hidden_size=512, intermediate_size=1536, num_hidden_layers=4,
    num_attention_heads=8, num_key_value_heads=8, tie_word_embeddings=False, max_position_embeddings=8192,
)  # fmt: skip
LORA_RANK = 16
STEPS = 4


def make_model(folder: Path, shape: dict, device: str) -> None:
    """A model folder with random weights, in bfloat16."""
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM(LlamaConfig(**shape)).to(torch.bfloat16)
    model.save_pretrained(folder)


def make_adapter(folder: Path, shape: dict) -> None:
    """A PEFT adapter on all linear layers: A random, B zero."""
    hidden, feed_forward = shape["hidden_size"], shape["intermediate_size"]
    head = shape.get("head_dim", hidden // shape["num_attention_heads"])
    queries, keys = shape["num_attention_heads"] * head, shape["num_key_value_heads"] * head
    sizes = {
        "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden), "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries), "mlp.gate_proj": (feed_forward, hidden), "mlp.up_proj": (feed_forward, hidden),
        "mlp.down_proj": (hidden, feed_forward),
    }  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for layer in range(shape["num_hidden_layers"]):
        for name, (rows, columns) in sizes.items():
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{prefix}.lora_A.weight"] = torch.randn(LORA_RANK, columns, generator=generator) / columns**0.5
            tensors[f"{prefix}.lora_B.weight"] = torch.zeros(rows, LORA_RANK)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": LORA_RANK, "lora_alpha": 2 * LORA_RANK, "bias": "none"}
    targets = [name.split(".")[1] for name in sizes]
    (folder / "adapter_config.json").write_text(json.dumps({**config, "target_modules": targets}))


def make_rows(file: Path, rows: int, prompt: int, response: int, vocabulary: int) -> int:
    """Preferences of random tokens, with three responses each. Returns the tokens of a row."""
    draw = random.Random(0)
    with file.open("w") as out:
        for _ in range(rows):
            ids = [[draw.randrange(vocabulary) for _ in range(length)] for length in (prompt, response, response, response)]
            row = {"prompt": ids[0], "responses": ids[1:], "chosen": 0, "rejected": 1, "reference": 2}
            row |= {"lengths": [response] * 3, "referenceLogps": [-10.0 * response] * 3}
            out.write(json.dumps(row) + "\n")
    return prompt + 3 * response


class Peak(threading.Thread):
    """The peak memory of the GPUs in bytes, by nvidia-smi; on the CPU, of the ranks' resident memory."""

    def __init__(self, device: str, processes: list[subprocess.Popen]):
        super().__init__(daemon=True)
        self.device, self.processes = device, processes
        self.start_bytes, self.bytes, self.ended = self.read(), 0, threading.Event()
        self.start()

    def read(self) -> int:
        """The largest use of a GPU, or of a rank."""
        if self.device == "cuda":
            query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
            return max(int(line) for line in subprocess.check_output(query, text=True).split()) * 2**20
        return max(self.resident(process.pid) for process in self.processes)

    @staticmethod
    def resident(pid: int) -> int:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def run(self) -> None:
        while not self.ended.wait(0.05):
            self.bytes = max(self.bytes, self.read())

    def result(self) -> int:
        """Bytes beyond those at the start."""
        self.ended.set()
        self.join()
        return self.bytes - self.start_bytes


def train(job: dict, device: str, ranks: int, folder: Path, threads: int) -> dict:
    """Starts ranks, runs a job and ends them."""
    file = folder / "job.json"
    file.write_text(json.dumps(job))
    sources = str(Path(__file__).resolve().parents[2] / "python")
    shared = {
        "WORLD_SIZE": str(ranks), "SELM_DEVICE": device, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
        "SELM_RENDEZVOUS": f"file://{tempfile.mktemp(dir=folder)}",
        "PYTHONPATH": os.pathsep.join([sources, os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "selm_torch"],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if rank == 0 else None,
            text=True,
        )
        for rank in range(ranks)
    ]
    first = processes[0]
    try:
        steps, value = [], None
        for line in first.stdout:
            message = json.loads(line)
            if message["type"] == "ready":
                peak = Peak(device, processes)
                first.stdin.write(json.dumps({"type": "run", "id": 1, "job": str(file)}) + "\n")
                first.stdin.flush()
            elif message["type"] == "step":
                steps.append(message)
            elif message["type"] == "error":
                raise RuntimeError(message["message"])
            elif message["type"] == "result":
                value = message["value"]
                break
        if value is None:
            raise RuntimeError(f"rank 0 ended with {first.wait()}")
        return {"steps": steps, "peakBytes": peak.result(), "value": value}
    finally:
        first.stdin.close()
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def digest(folder: str) -> str:
    """SHA-256 over the weights of a trained policy."""
    total = hashlib.sha256()
    for file in sorted(Path(folder).glob("*.safetensors")):
        total.update(file.read_bytes())
    return total.hexdigest()


def measure(name: str, job: dict, arguments: argparse.Namespace, folder: Path) -> dict:
    """Two runs of one job: speed and memory of the first, and whether both give the same bits."""
    runs = []
    for run in range(2):
        out = str(folder / f"{name}-{run}")
        runs.append(train({**job, "outDir": out}, arguments.device, arguments.ranks, folder, arguments.threads))
        runs[-1]["digest"] = digest(out)
    # The first step allocates memory, and on a GPU loads kernels.
    timed = runs[0]["steps"][1:]
    same = runs[0]["digest"] == runs[1]["digest"]
    losses = [[step["loss"] for step in run["steps"]] for run in runs]
    return {
        "name": name,
        "tokensPerSecond": sum(step["tokens"] for step in timed) / sum(step["seconds"] for step in timed),
        "secondsPerStep": sum(step["seconds"] for step in timed) / len(timed),
        "peakGigabytes": max(run["peakBytes"] for run in runs) / 1e9,
        "losses": losses[0],
        "sameBits": same and losses[0] == losses[1],
    }


def main() -> None:
    """Measures LoRA and all weights, and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--ranks", type=int, default=max(1, torch.cuda.device_count()))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    shape = TINY if arguments.tiny else LLAMA_1B
    batch, prompt, response, budget = (4, 64, 128, 2048) if arguments.tiny else (32, 190, 330, 16384)
    with tempfile.TemporaryDirectory(prefix="selm-gpu-") as name:
        folder = Path(name)
        make_model(folder / "model", shape, arguments.device)
        make_adapter(folder / "adapter", shape)
        row = make_rows(folder / "rows.jsonl", batch * STEPS, prompt, response, shape["vocab_size"])
        job = {
            "method": "optimize", "model": str(folder / "model"), "device": arguments.device, "threads": arguments.threads,
            "compute": "bfloat16" if arguments.device == "cuda" else "float32", "microBatchTokens": budget,
            "objective": {"name": "selm", "beta": 0.01, "alpha": 0.001}, "rows": str(folder / "rows.jsonl"), "checkpoint": None,
            "steps": [
                {"rows": list(range(batch * step, batch * (step + 1))), "learningRate": 1e-5} for step in range(STEPS)
            ],
        }  # fmt: skip
        settings = {
            "weightDecay": 0.0, "adamBeta1": 0.9, "adamBeta2": 0.999, "adamEpsilon": 1e-8, "maxGradNorm": 1.0, "recompute": True,
        }  # fmt: skip
        cases = []
        for full in (False, True):
            of_case = {**job, "adapter": None if full else str(folder / "adapter"), "training": {"full": full, **settings}}
            started = time.monotonic()
            cases.append(measure("all weights" if full else "LoRA", of_case, arguments, folder))
            print(f"{cases[-1]['name']}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    results = {
        "device": device, "ranks": arguments.ranks, "torch": torch.__version__, "shape": shape, "rowTokens": row,
        "microBatchTokens": budget, "recompute": True, "loraRank": LORA_RANK, "cases": cases,
    }  # fmt: skip
    Path(arguments.out).write_text(json.dumps(results, indent=2) + "\n")


main()
