"""Micro-batches: prompts with their responses as tensors, without padding. A prompt is computed once for all its responses."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """A prompt and the responses that share it, as token ids. The prompt has at least one token."""

    prompt: list[int]
    responses: list[list[int]]
    # For each response, which of its tokens count. Default: all.
    trained: list[list[bool] | None] | None = None

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.prompt) + sum(map(len, self.responses))

    def trained_of(self, response: int) -> list[bool]:
        """Which tokens of a response count."""
        mask = self.trained[response] if self.trained else None
        return mask if mask is not None else [True] * len(self.responses[response])


# Computed by a rank that has no group in a micro-batch: all ranks take part in each.
NOTHING = Group([0], [[0]])


def group_of(row: dict) -> Group:
    """The group of a job's row."""
    return Group(row["prompt"], row["responses"], row.get("trained"))


@dataclass
class Packed:
    """Groups end to end: each its prompt, then its responses. S tokens, T of them targets, K keys.

    A segment is a prompt with its first response, or a further response. It sees its prompt and itself, causally from the bottom
    right: the keys of further responses begin with their prompt's.
    """

    ids: Tensor  # [1, S]
    positions: Tensor  # [1, S]: every response continues where its prompt ends
    keys: Tensor | None  # [K]: the token of each key; None where these are the tokens in order
    cu_q: Tensor  # [segments + 1], int32: where the segments' queries begin
    cu_k: Tensor  # [segments + 1], int32: where the segments' keys begin
    bounds: list[tuple[int, int, int, int]]  # the same as numbers: first and last + 1 of queries, then of keys
    max_q: int
    max_k: int
    rows: Tensor  # [T]: the token whose hidden state predicts a target
    targets: Tensor  # [T]: token ids
    owners: Tensor  # [T]: the response that a target belongs to
    lasts: Tensor  # [responses]: the last token of each response, or of its prompt if it has no tokens
    responses: int
    tokens: int


@dataclass
class _Lists:
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    q: list[int] = field(default_factory=lambda: [0])
    k: list[int] = field(default_factory=lambda: [0])

    def add_tokens(self, tokens: list[int], position: int) -> range:
        """Appends tokens, visible to the segment that is being written; returns their indices."""
        indices = range(len(self.ids), len(self.ids) + len(tokens))
        self.ids += tokens
        self.positions += range(position, position + len(tokens))
        self.keys += indices
        return indices

    def end_segment(self) -> None:
        self.q.append(len(self.ids))
        self.k.append(len(self.keys))

    def add_targets(self, group: Group, index: int, rows: list[int], owner: int) -> None:
        for row, target, counts in zip(rows, group.responses[index], group.trained_of(index)):
            if counts:
                self.rows.append(row)
                self.targets.append(target)
                self.owners.append(owner)


def pack(groups: list[Group], device: torch.device | str = "cpu") -> Packed:
    """Packs groups into the tensors of a micro-batch."""
    lists, owner = _Lists(), 0
    for group in groups:
        prompt = lists.add_tokens(group.prompt, 0)
        for i, response in enumerate(group.responses):
            if i > 0 and response:
                lists.keys += prompt
            indices = lists.add_tokens(response, len(prompt))
            if i == 0 or response:
                lists.end_segment()
            lists.add_targets(group, i, [prompt[-1], *indices[:-1]], owner)
            lists.lasts.append((indices or prompt)[-1])
            owner += 1

    def put(values: list, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    q, k = lists.q, lists.k
    bounds = list(zip(q, q[1:], k, k[1:]))
    return Packed(
        ids=put([lists.ids]),
        positions=put([lists.positions]),
        keys=put(lists.keys) if len(lists.keys) > len(lists.ids) else None,
        cu_q=put(q, torch.int32),
        cu_k=put(k, torch.int32),
        bounds=bounds,
        max_q=max(q1 - q0 for q0, q1, _, _ in bounds),
        max_k=max(k1 - k0 for _, _, k0, k1 in bounds),
        rows=put(lists.rows),
        targets=put(lists.targets),
        owners=put(lists.owners),
        lasts=put(lists.lasts),
        responses=owner,
        tokens=len(lists.ids),
    )


def plan(lengths: list[int], budget: int, ranks: int) -> list[list[list[int]]]:
    """Divides items of the given lengths into micro-batches of at most `budget` tokens, the same number for each rank.

    Longest first, each to the least loaded micro-batch. An item longer than the budget is a micro-batch of its own. Micro-batches
    that run at the same time have about the same length.

    Returns:
        plan[rank][micro-batch]: indices of items, in order; may be empty. A function of the arguments alone.
    """
    longest = max(lengths, default=0)
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    count = max(1, -(-sum(lengths) // (budget * ranks)))
    while True:
        loads = [0] * (count * ranks)
        bins: list[list[int]] = [[] for _ in loads]
        for i in order:
            least = loads.index(min(loads))
            loads[least] += lengths[i]
            bins[least].append(i)
        if max(loads) <= max(budget, longest) or count * ranks >= len(lengths):
            break
        count += 1
    by_load = sorted(range(len(bins)), key=lambda b: (-loads[b], bins[b]))
    return [[sorted(bins[by_load[m * ranks + rank]]) for m in range(count)] for rank in range(ranks)]
