"""The losses of training: of a micro-batch, so that the losses of a batch's micro-batches add up to that of the batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .objectives import OBJECTIVES, Responses, sft
from .packing import group_of

ROLES = ("chosen", "rejected", "reference")
# Log-probabilities of the micro-batch's responses [N], its rows, and the rows of the whole batch -> loss [].
Loss = Callable[[Tensor, list[dict[str, Any]], list[dict[str, Any]]], Tensor]


def loss_of(objective: dict[str, Any]) -> Loss:
    """The loss that a job's `objective` names."""
    settings = dict(objective)
    name = settings.pop("name")
    return demonstration_loss if name == "sft" else preference_loss(name, settings)


def preference_loss(name: str, settings: dict[str, Any]) -> Loss:
    """The mean of an objective, and of the SFT term if it has a weight, over a batch's preferences.

    With `labelSmoothing`, every row has the number that applies to it.
    """
    is_smoothed = bool(settings.pop("labelSmoothing", None))
    sft_weight = settings.pop("sftWeight", 0)

    def loss(logps: Tensor, rows: list[dict[str, Any]], batch: list[dict[str, Any]]) -> Tensor:
        def put(values: list, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=logps.device)

        ratios = logps - put([x for row in rows for x in row["referenceLogps"]])
        tokens = put([n for row in rows for n in row["lengths"]])
        starts, start = [], 0
        for row in rows:
            starts.append(start)
            start += len(row["responses"])
        roles = []
        for role in ROLES:
            indices = put([start + row[role] for start, row in zip(starts, rows)], torch.int64)
            roles.append(Responses(*(values.index_select(0, indices) for values in (logps, ratios, tokens))))
        smoothing = {"smoothing": put([row["labelSmoothing"] for row in rows])} if is_smoothed else {}
        losses = OBJECTIVES[name](*roles, **settings, **smoothing)
        if sft_weight:
            losses = losses + sft_weight * sft(roles[0])
        return losses.sum() / len(batch)

    return loss


def demonstration_loss(logps: Tensor, rows: list[dict[str, Any]], batch: list[dict[str, Any]]) -> Tensor:
    """Supervised fine-tuning: the mean of -log pi(token) over a batch's trained tokens."""
    groups = [group_of(row) for row in batch]
    return -logps.sum() / sum(sum(group.trained_of(i)) for group in groups for i in range(len(group.responses)))
