"""Log-probabilities of target tokens without [tokens, vocabulary] logits in memory: in chunks, computed again in the backward pass."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .precision import product

# Logits of a chunk: 64 MiB in float32.
CHUNK_LOGITS = 16 * 1024 * 1024


class OutputLayer(NamedTuple):
    """From hidden states [T, H] to logits [T, V]: scale (h W^T + b), then softcap tanh(logits / softcap) where there is a softcap."""

    weight: Tensor  # [V, H]
    bias: Tensor | None = None  # [V]
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: Tensor) -> Tensor:
        """[T, V], float32."""
        logits = product(hidden, self.weight.T)
        if self.bias is not None:
            logits = logits + self.bias
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    def chunks(self, tokens: int) -> Iterator[slice]:
        """Ranges of `tokens` rows of hidden states whose logits fit into a chunk."""
        size = max(1, CHUNK_LOGITS // self.weight.shape[0])
        return (slice(at, min(at + size, tokens)) for at in range(0, tokens, size))


class _TokenLogps(torch.autograd.Function):
    """hidden [T, H], weight [V, H], bias [V] or None, targets [T] -> [T]. Gradients of weight and bias are summed in float32."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: float, softcap: float | None
    ) -> Tensor:
        layer = OutputLayer(weight, bias, scale, softcap)
        logps = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        totals = torch.empty_like(logps)
        for part in layer.chunks(len(targets)):
            logits = layer.logits(hidden[part])
            totals[part] = logits.logsumexp(-1)
            logps[part] = logits.gather(1, targets[part, None])[:, 0] - totals[part]
        ctx.save_for_backward(hidden, weight, bias, targets, totals)
        ctx.scale, ctx.softcap = scale, softcap
        return logps

    @staticmethod
    def backward(ctx: Any, cotangents: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, totals = ctx.saved_tensors
        layer = OutputLayer(weight, bias, ctx.scale, ctx.softcap)
        into_hidden = torch.empty_like(hidden)
        into_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        into_bias = torch.zeros_like(bias, dtype=torch.float32) if ctx.needs_input_grad[2] else None
        for part in layer.chunks(len(targets)):
            logits = layer.logits(hidden[part])
            g = (logits - totals[part, None]).exp_().neg_()  # -softmax
            # onehot - softmax. Indexed: scatter_add_ may not be deterministic on CUDA.
            rows = torch.arange(len(g), device=g.device)
            g[rows, targets[part]] = g[rows, targets[part]] + 1
            g.mul_(cotangents[part, None])
            if ctx.softcap is not None:
                g.mul_(1 - (logits / ctx.softcap).square_())
            if ctx.scale != 1.0:
                g.mul_(ctx.scale)
            if into_bias is not None:
                into_bias += g.sum(0)
            g = g.to(weight.dtype)
            into_hidden[part] = product(g, weight)
            if into_weight is not None:
                into_weight += product(g.T, hidden[part])
        return (
            into_hidden,
            None if into_weight is None else into_weight.to(weight.dtype),
            None if into_bias is None else into_bias.to(bias.dtype),
            None,
            None,
            None,
        )


def token_logps(hidden: Tensor, layer: OutputLayer, targets: Tensor) -> Tensor:
    """The log-probabilities (nats) of target tokens [T], float32, from the hidden states [T, H] in front of them."""
    return _TokenLogps.apply(hidden, layer.weight, layer.bias, targets, layer.scale, layer.softcap)
