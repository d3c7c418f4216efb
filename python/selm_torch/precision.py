"""Matrix products of half-precision operands with float32 results, as tensor cores compute them before they round."""

from typing import Any

import torch
from torch import Tensor


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in float32, for matrices of one type."""
    if a.dtype == torch.float32:
        return a @ b
    if a.is_cuda:
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


class FrozenProduct(torch.autograd.Function):
    """x W^T with a frozen W: x [N, in], W [out, in] of one type -> [N, out] float32. The gradient of x is of x's type."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return product(x, weight.T)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return cotangent.to(weight.dtype) @ weight, None
