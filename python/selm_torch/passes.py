"""Passes: the micro-batches of a job, which all ranks compute at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import OutOfMemory
from .packing import plan
from .world import World


def passes(world: World, lengths: list[int], budget: int, *, stopped: str, tokens: int = 0) -> Iterator[list[int]]:
    """This rank's micro-batches: indices of items of the given lengths, in tokens; an empty list where it has none.

    Between passes all ranks agree on going on, and the parent gets a message.

    Args:
        budget: most tokens of a micro-batch
        stopped: the message of `Aborted`
        tokens: tokens of the job done before
    """
    plans = plan(lengths, budget, world.size)
    for done, indices in enumerate(plans[world.rank], 1):
        world.raise_if_aborted(stopped)
        yield indices
        tokens += sum(lengths[i] for of_rank in plans for i in of_rank[done - 1])
        world.channel.send("pass", done=done, total=len(plans[0]), tokens=tokens)


@contextmanager
def memory_of(what: str, tokens: int) -> Iterator[None]:
    """Says in what a GPU ran out of memory, and what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"CUDA out of memory in {what}, in a micro-batch of {tokens} tokens: lower microBatchTokens or maxLength, "
            f"set recompute, or use more GPUs. {str(error).splitlines()[0]}"
        ) from error
