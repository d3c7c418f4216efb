"""LoRA in bfloat16 does not lose small steps: the first ones of a fresh adapter."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig

from selm_torch.lora import LoraLinear
from selm_torch.policy import open_policy
from selm_torch.scoring import read_rows, score
from selm_torch.training import Training
from selm_torch.world import World

from .cases import COMMON, TRAINING, write_rows

CONFIG = LlamaConfig(
    vocab_size=512,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=4,
    num_attention_heads=8,
    num_key_value_heads=4,
    max_position_embeddings=128,
    tie_word_embeddings=True,
    initializer_range=0.06,
)
RANK = 16


def save_policy(folder: Path) -> tuple[str, str]:
    """A random model that is exact in bfloat16, and a fresh adapter as the parent writes it: A uniform, B zero."""
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(CONFIG, dtype=torch.float32).to(torch.bfloat16).save_pretrained(folder / "model")
    tensors = {}
    layers = AutoModelForCausalLM.from_pretrained(folder / "model").model.layers
    for name, module in layers.named_modules(prefix="base_model.model.model.layers"):
        if isinstance(module, torch.nn.Linear):
            tensors[f"{name}.lora_A.weight"] = (torch.rand(RANK, module.in_features) * 2 - 1) / math.sqrt(module.in_features)
            tensors[f"{name}.lora_B.weight"] = torch.zeros(module.out_features, RANK)
    (folder / "adapter").mkdir()
    save_file(tensors, folder / "adapter/adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK}
    (folder / "adapter/adapter_config.json").write_text(json.dumps(config))
    return str(folder / "model"), str(folder / "adapter")


def losses(world: World, folder: Path, policy_files: tuple[str, str], compute: str) -> list[float]:
    """DPO's losses of two steps at 1e-4. The reference policy is the start policy."""
    draw = torch.Generator().manual_seed(2)
    ids = [torch.randint(512, (3, 24), generator=draw).tolist() for _ in range(3)]
    rows = [{"prompt": prompt, "responses": responses} for prompt, *responses in ids]
    job = {**COMMON, "rows": write_rows(folder, rows)}
    logps = score(world, open_policy(world, *policy_files, compute), job)["logps"]
    roles = {"chosen": 0, "rejected": 1, "reference": 0, "lengths": [24, 24]}
    preferences = [{**row, **roles, "referenceLogps": known} for row, known in zip(read_rows(job["rows"]), logps)]
    job |= {
        "objective": {"name": "dpo", "beta": 0.1},
        "steps": [{"rows": [0, 1, 2], "learningRate": 1e-4}] * 2,
        "training": TRAINING,
    }
    training = Training(world, open_policy(world, *policy_files, compute, train="adapter"), preferences, job)
    return [training.step(0)["loss"], training.step(1)["loss"]]


def test_bfloat16_learns_as_much_as_float32(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how much the first step lowers the loss. With rounded terms, as in PEFT, it is about half."""
    files = save_policy(tmp_path)
    start, after = losses(world, tmp_path, files, "float32")
    half_start, half_after = losses(world, tmp_path, files, "bfloat16")
    assert start == pytest.approx(math.log(2), abs=1e-6)
    assert half_start == pytest.approx(math.log(2), abs=1e-6)
    assert half_start - half_after == pytest.approx(start - after, rel=0.1)

    def rounded(self: LoraLinear, x: torch.Tensor) -> torch.Tensor:
        base = torch.nn.functional.linear(x, self.weight)
        return base + ((x.float() @ self.lora_A.T) @ self.lora_B.T * self.scale).to(x.dtype)

    monkeypatch.setattr(LoraLinear, "forward", rounded)
    peft_start, peft_after = losses(world, tmp_path, files, "bfloat16")
    assert peft_start - peft_after < 0.8 * (start - after)
