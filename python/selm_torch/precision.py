"""Numerical precision. With `compute` bfloat16, weights and the operands of matrix products are bfloat16; all else is float32.

The results of products, the residual stream, norms, log-probabilities and LoRA's branch are float32. A stream in bfloat16 loses the
first steps of a LoRA training: the adapter's contribution is below half the distance between two bfloat16 numbers, and adding it to a
value that already is one changes nothing. Added to a float32 sum it survives, also where that sum is rounded for the next product.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in float32, for matrices of one type."""
    if a.dtype == torch.float32:
        return a @ b
    if a.is_cuda:
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


class HalfProduct(torch.autograd.Function):
    """x W^T with operands of W's half-precision type: x [N, in] float32, W [out, in] -> [N, out] float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x = x.to(weight.dtype)
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return product(x, weight.T)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        cotangent = cotangent.to(weight.dtype)
        into_x = product(cotangent, weight) if ctx.needs_input_grad[0] else None
        into_weight = product(cotangent.T, x).to(weight.dtype) if ctx.needs_input_grad[1] else None
        return into_x, into_weight


class PolicyLinear(nn.Linear):
    """A linear layer of a policy, which may have LoRA matrices (arXiv 2106.09685): W x + b + scale B A x.

    x [..., in] float32 -> [..., out] float32; A [rank, in] and B [out, rank] are float32, W and b may be half precision. Layers of
    models are converted in place (`__class__`), so that they keep their names.
    """

    lora_A: nn.Parameter | None
    lora_B: nn.Parameter | None
    scale: float

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dtype == torch.float32:
            out = F.linear(x, self.weight, self.bias)
        else:
            out = HalfProduct.apply(x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)
            if self.bias is not None:
                out = out + self.bias
        if self.lora_A is None:
            return out
        return out + F.linear(F.linear(x, self.lora_A), self.lora_B) * self.scale

    def add_lora(self, rank: int, scale: float) -> None:
        """Adds LoRA matrices without values."""
        device = self.weight.device
        self.lora_A = nn.Parameter(torch.empty(rank, self.in_features, dtype=torch.float32, device=device))
        self.lora_B = nn.Parameter(torch.empty(self.out_features, rank, dtype=torch.float32, device=device))
        self.scale = scale


class _FloatLayerNorm(nn.LayerNorm):
    """A norm of float32 values with weights of half precision, which PyTorch's own operator refuses."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (None if p is None else p.float() for p in (self.weight, self.bias))
        return F.layer_norm(x, self.normalized_shape, weight, bias, self.eps)


class _FloatRMSNorm(nn.RMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, None if self.weight is None else self.weight.float(), self.eps)


_CONVERTED = {nn.Linear: PolicyLinear, nn.LayerNorm: _FloatLayerNorm, nn.RMSNorm: _FloatRMSNorm}


def convert_modules(lm: nn.Module, half: torch.dtype | None) -> None:
    """Makes a model's modules take and give float32, whatever the type of their weights.

    Args:
        half: the type of the weights in use; None: float32
    """
    for module in lm.modules():
        if type(module) in _CONVERTED:
            module.__class__ = _CONVERTED[type(module)]
            if isinstance(module, PolicyLinear):
                module.register_parameter("lora_A", None)
                module.register_parameter("lora_B", None)
        elif half and any(p.dim() > 1 for p in module.parameters(recurse=False)):
            # Embeddings, and layers that transformers defines itself.
            module.register_forward_pre_hook(lambda _, args: tuple(_cast(x, half) for x in args))
            module.register_forward_hook(lambda _, __, out: _cast(out, torch.float32))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
