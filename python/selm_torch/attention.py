"""Attention over packed groups, registered with transformers as the implementation NAME."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from .errors import InputRefused
from .packing import Packed

NAME = "selm_packed"

# What models pass besides: it is in the packing already, or has no effect without a cache. Policies are trained without dropout.
_IGNORED = {"position_ids", "cache_position", "use_cache", "output_attentions", "is_causal", "position_embeddings", "dropout"}


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    *,
    packed: Packed | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of every segment to its keys, causal from the bottom right.

    Args:
        query: [1, heads, S, D]
        key, value: [1, kv heads, S, D]
        sliding_window: a token sees this many keys, itself included
        softcap: scores become softcap * tanh(scores / softcap)

    Returns:
        [1, S, heads, D], of the query's type
    """
    if packed is None:
        raise InputRefused(
            f"{type(module).__name__} of the model gets none of the arguments that the torch backend passes: use another model."
        )
    unknown = [name for name, setting in others.items() if setting is not None and name not in _IGNORED]
    if others.get("is_causal") is False:
        unknown.append("is_causal: false")
    if unknown:
        raise InputRefused(
            f"{type(module).__name__} of the model uses {', '.join(unknown)}, which the torch backend does not support: use another model."
        )
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    if packed.keys is not None:
        k, v = k.index_select(0, packed.keys), v.index_select(0, packed.keys)
    window = sliding_window if sliding_window and sliding_window < packed.max_k else None
    if q.is_cuda and q.dtype == torch.bfloat16 and softcap is None:
        out = _varlen(q, k, v, packed, scaling, window)
    else:
        out = _segments(q.float(), k.float(), v.float(), packed, scaling, window, softcap)
    return out.to(query.dtype)[None], None


def _varlen(q: Tensor, k: Tensor, v: Tensor, packed: Packed, scale: float | None, window: int | None) -> Tensor:
    """FlashAttention of PyTorch. Causal from the bottom right; cuDNN's, from the top left, is taken only where cu_q *is* cu_k."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(
        q,
        k,
        v,
        packed.cu_q,
        packed.cu_k,
        packed.max_q,
        packed.max_k,
        window_size=(window - 1 if window else -1, 0),
        scale=scale,
        enable_gqa=q.shape[1] != k.shape[1],
    )


def _segments(q: Tensor, k: Tensor, v: Tensor, packed: Packed, scale: float | None, window: int | None, softcap: float | None) -> Tensor:
    """One segment after the other. q [S, heads, D], k and v [K, kv heads, D] -> [S, heads, D]"""
    share = q.shape[1] // k.shape[1]
    outputs = []
    for q0, q1, k0, k1 in packed.bounds:
        # Repeated, since SDPA's enable_gqa takes a slower kernel on the CPU.
        kk, vv = (x[k0:k1].transpose(0, 1).repeat_interleave(share, 0)[None] for x in (k, v))
        qq = q[q0:q1].transpose(0, 1)[None]
        rows, columns = q1 - q0, k1 - k0
        plain = rows == columns and window is None and softcap is None
        mask = None if plain else _visible(rows, columns, window, q.device)
        if softcap is None:
            out = scaled_dot_product_attention(qq, kk, vv, attn_mask=mask, is_causal=plain, scale=scale)
        else:
            scores = qq @ kk.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
            scores = torch.tanh(scores / softcap) * softcap
            out = scores.masked_fill(~mask, float("-inf")).softmax(-1) @ vv
        outputs.append(out[0].transpose(0, 1))
    return torch.cat(outputs)


def _visible(rows: int, columns: int, window: int | None, device: torch.device) -> Tensor:
    """Which keys each query sees, [rows, columns]."""
    mask = torch.ones(rows, columns, dtype=torch.bool, device=device).tril(columns - rows)
    return mask if window is None else mask.triu(columns - rows - window + 1)


AttentionInterface.register(NAME, packed_attention)
# The packing says what is visible.
AttentionMaskInterface.register(NAME, lambda *_, **__: None)
