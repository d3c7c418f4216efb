"""LoRA adapters (arXiv 2106.09685) in PEFT's folder format."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import InputRefused
from .precision import FrozenProduct
from .tensor_files import TensorFiles

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
# What changes the model beyond A and B.
_UNSUPPORTED = ("use_dora", "lora_bias", "modules_to_save", "fan_in_fan_out", "trainable_token_indices", "target_parameters")


class LoraLinear(nn.Linear):
    """A frozen linear layer with LoRA matrices: W x + b + scale B A x, for x [..., in] -> [..., out].

    W may be half precision; A [rank, in] and B [out, rank] are float32, as is the sum until it is rounded to x's type. A sum of
    rounded terms loses the first steps of a training: B A x is then below half the distance between two bfloat16 numbers, and adding
    it to a number that already is one changes nothing. (After one step at 1e-4 of a small model, a loss of 0.693 has become 0.595 in
    float32, 0.644 with rounded terms as in PEFT, and 0.594 so; a residual stream in float32 adds nothing to that.)
    """

    lora_A: nn.Parameter
    lora_B: nn.Parameter
    scale: float

    def forward(self, x: Tensor) -> Tensor:
        """[..., out], of x's type."""
        out = FrozenProduct.apply(x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)
        if self.bias is not None:
            out = out + self.bias
        out = out + F.linear(F.linear(x.float(), self.lora_A), self.lora_B) * self.scale
        return out.to(x.dtype)

    @classmethod
    def convert(cls, linear: nn.Linear, rank: int, scale: float) -> None:
        """Adds matrices without values to a layer of a model, in place: its weight keeps its name."""
        linear.__class__ = cls
        device = linear.weight.device
        linear.lora_A = nn.Parameter(torch.empty(rank, linear.in_features, dtype=torch.float32, device=device))
        linear.lora_B = nn.Parameter(torch.empty(linear.out_features, rank, dtype=torch.float32, device=device))
        linear.scale = scale


@dataclass
class Adapter:
    """An adapter folder: the rank and scale of each layer that it has matrices for, by the layer's name."""

    folder: str
    files: TensorFiles
    layers: dict[str, tuple[int, float]]

    def tensor_name(self, parameter: str) -> str:
        """The name in the adapter's file of a parameter such as model.layers.0.self_attn.q_proj.lora_A."""
        return f"{_PREFIX}{parameter}.weight"


def read_adapter(folder: str) -> Adapter:
    """Reads an adapter's configuration and the names and shapes of its matrices."""
    file = Path(folder, CONFIG)
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputRefused(f"{file} cannot be read ({error}): use the complete adapter.") from error
    unsupported = next((name for name in _UNSUPPORTED if config.get(name)), None)
    if config.get("peft_type") != "LORA" or unsupported or config.get("bias", "none") != "none":
        what = unsupported or (f"peft_type {config.get('peft_type')}" if config.get("peft_type") != "LORA" else "bias")
        raise InputRefused(f"{file} asks for {what}, which is not supported: merge the adapter into its model with PEFT.")
    files = TensorFiles([str(Path(folder, WEIGHTS))])
    suffix = ".lora_A.weight"
    layers = {}
    for name in sorted(files.names):
        if name.startswith(_PREFIX) and name.endswith(suffix):
            layer = name[len(_PREFIX) : -len(suffix)]
            rank = files.shape(name)[0]
            layers[layer] = (rank, _scale(config, layer, rank))
    known = {f"{_PREFIX}{layer}.lora_{matrix}.weight" for layer in layers for matrix in "AB"}
    strange = next(iter(sorted(files.names ^ known)), None)
    if strange or not layers:
        raise InputRefused(
            f"{Path(folder, WEIGHTS)} is no complete LoRA adapter (see {strange or 'its tensors'}): "
            "merge the adapter into its model with PEFT."
        )
    return Adapter(folder, files, layers)


def _scale(config: dict[str, Any], layer: str, rank: int) -> float:
    """alpha / rank, or alpha / sqrt(rank) with rslora (arXiv 2312.03732)."""
    patterns = config.get("alpha_pattern") or {}
    # As PEFT matches them: the end of a layer's name.
    matching = (alpha for pattern, alpha in patterns.items() if re.match(rf"(.*\.)?({pattern})$", layer))
    alpha = next(matching, config["lora_alpha"])
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def add_adapter(lm: nn.Module, adapter: Adapter) -> None:
    """Adds an adapter's matrices, without values, to the layers of a model."""
    for layer, (rank, scale) in adapter.layers.items():
        try:
            module = lm.get_submodule(layer)
        except AttributeError:
            module = None
        if type(module) is not nn.Linear or module is lm.get_output_embeddings():
            raise InputRefused(
                f"{adapter.folder} has matrices for {layer}, which is no linear layer inside this model: give the adapter's own base model."
            )
        LoraLinear.convert(module, rank, scale)
