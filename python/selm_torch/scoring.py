"""Jobs without training: log-probabilities and feature vectors of responses, and KL divergences along them."""

import json
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .errors import InputRefused
from .logprob import OutputLayer, token_logps
from .packing import NOTHING, Group, Packed, group_of, pack
from .passes import memory_of, passes
from .policy import Policy
from .tensor_files import matrix_rows
from .world import World


def read_rows(file: str) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sums_by_response(values: Tensor, packed: Packed, dtype: torch.dtype = torch.float32) -> Tensor:
    """Sums of the targets' values [T] over each response [N], in `dtype`."""
    return torch.zeros(packed.responses, dtype=dtype, device=values.device).index_add(0, packed.owners, values.to(dtype))


def score(world: World, policy: Policy, job: dict[str, Any]) -> dict[str, Any]:
    """Log-probabilities (nats) of responses, summed over their trained tokens: {"logps": by row and response}.

    With `features` also writes the feature vectors of the responses (engine/features.ts): the final hidden state of each one's last
    token. A row's `rows` are the indices of its responses in the file.
    """
    rows = read_rows(job["rows"])
    groups, budget = [group_of(row) for row in rows], job["microBatchTokens"]
    if "features" not in job:
        return {"logps": _by_response(world, groups, budget, lambda packed, _: policy(packed))}
    width = policy.lm.get_output_embeddings().weight.shape[1]
    with matrix_rows(world, job["features"]["file"], "features", (job["features"]["rows"], width)) as write:

        def values(packed: Packed, indices: list[int]) -> Tensor:
            def head(hidden: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor]:
                before, last = hidden.split([len(packed.targets), packed.responses])
                return token_logps(before, layer, packed.targets), last

            logps, features = policy(packed, head, torch.cat([packed.rows, packed.lasts]))
            write([row for i in indices for row in rows[i]["rows"]], features)
            return logps

        return {"logps": _by_response(world, groups, budget, values)}


def divergence(world: World, policy: Policy, reference: Policy, job: dict[str, Any]) -> dict[str, Any]:
    """KL(policy || reference) along responses, exact over the vocabulary: {"rows": {"kl", "tokens"} by row and response}.

    At each token, KL = sum over v of pi(v) (log pi(v) - log pi_ref(v)), at temperature 1.
    """
    sizes = [each.lm.get_output_embeddings().weight.shape[0] for each in (policy, reference)]
    if sizes[0] != sizes[1]:
        raise InputRefused(
            f"{policy.source.model} has a vocabulary of {sizes[0]} tokens and {reference.source.model} one of {sizes[1]}: "
            "give policies with the same vocabulary."
        )
    groups = [group_of(row) for row in read_rows(job["rows"])]

    def kl(packed: Packed, _: list[int]) -> Tensor:
        return policy(packed, lambda hidden, layer: reference(packed, _kl_head(hidden, layer)))

    values = _by_response(world, groups, job["microBatchTokens"], kl)
    tokens = [[sum(group.trained_of(i)) for i in range(len(group.responses))] for group in groups]
    rows = [[{"kl": v, "tokens": n} for v, n in zip(*row)] for row in zip(values, tokens)]
    return {"rows": rows}


def _kl_head(hidden: Tensor, layer: OutputLayer) -> Callable[[Tensor, OutputLayer], Tensor]:
    """The reference policy's head, given the policy's hidden states [T, H] and output layer: KL at every target [T]."""

    def head(reference_hidden: Tensor, reference_layer: OutputLayer) -> Tensor:
        kl = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        for part in layer.chunks(len(hidden)):
            p = layer.logits(hidden[part]).log_softmax(-1)
            q = reference_layer.logits(reference_hidden[part]).log_softmax(-1)
            kl[part] = (p.exp() * (p - q)).sum(-1)
        return kl

    return head


@torch.no_grad()
def _by_response(world: World, groups: list[Group], budget: int, values: Callable[[Packed, list[int]], Tensor]) -> list[list[float]]:
    """Float64 sums over each response of values [T] of its targets, on every rank.

    Args:
        values: of a micro-batch, and the indices of its groups, which may be none
    """
    mine: dict[int, list[float]] = {}
    for indices in passes(world, [group.length for group in groups], budget, stopped="the job was stopped"):
        packed = pack([groups[i] for i in indices] or [NOTHING], world.device)
        with memory_of("log-probabilities", packed.tokens):
            sums = sums_by_response(values(packed, indices), packed, torch.float64).tolist()
        mine.update(by_group(groups, indices, sums))
    rows = {i: row for part in world.gather(mine) for i, row in part.items()}
    for i, row in sorted(rows.items()):
        if not all(map(math.isfinite, row)):
            raise InputRefused(f"Row {i + 1} has a log-probability that is not finite: the policy's weights are damaged.")
    return [rows[i] for i in range(len(groups))]


def by_group(groups: list[Group], indices: list[int], values: list[float]) -> dict[int, list[float]]:
    """A micro-batch's values, one per response, by the index of their group."""
    found, at = {}, 0
    for i in indices:
        count = len(groups[i].responses)
        found[i] = values[at : at + count]
        at += count
    return found
