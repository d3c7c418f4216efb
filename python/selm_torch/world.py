"""The ranks: how they find each other, agree, and exchange small values."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .channel import Channel
from .errors import Aborted, JobError

# Of collectives during a job: a second net below the parent's watchdog, which counts progress.
TIMEOUT = timedelta(minutes=30)
# Ranks wait for the next job in a collective.
IDLE_TIMEOUT = timedelta(days=3650)
_FIRST_ERROR = "selm/first-error"


@dataclass
class World:
    """This rank, and the process groups it is in."""

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh
    channel: Channel
    store: dist.Store
    # gloo: small values of the CPU. Checkpoints are written by another thread and need a group of their own.
    control: dist.ProcessGroup
    checkpoints: dist.ProcessGroup

    @property
    def device_name(self) -> str:
        """Such as "NVIDIA H100 80GB HBM3"; "cpu" on the CPU."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def sum(self, values: list[float]) -> list[float]:
        """The sums over all ranks, in float64."""
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.control)
        return sums.tolist()

    def any(self, condition: bool) -> bool:
        """Whether the condition holds on any rank."""
        return self.sum([float(condition)])[0] > 0

    def raise_if_aborted(self, message: str = "the job was stopped") -> None:
        """All ranks leave at the same point: a rank that goes on would wait for the others forever."""
        if self.any(self.channel.stop_requested):
            raise Aborted(message)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def from_first(self, value: Any) -> Any:
        """Rank 0's value."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block without collectives, such as reading files, fails on all ranks if it fails on one, with the same error."""
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        # A JobError is made of its message; of other errors the rank that has one keeps the stack.
        plain = RuntimeError(f"{type(error).__name__}: {error}") if error and not isinstance(error, JobError) else error
        errors = [each for each in self.gather(plain) if each is not None]
        if plain is not error:
            raise error
        if errors:
            raise errors[0]

    def report_error(self, kind: str, message: str, stack: str) -> dict[str, str]:
        """The error with which the ranks end: the first one of any rank, since those of the others are lost connections."""
        if self.store.add(f"{_FIRST_ERROR}/count", 1) == 1:
            self.store.set(_FIRST_ERROR, "\0".join([kind, message, stack]))
        kind, message, stack = self.store.get(_FIRST_ERROR).decode().split("\0")
        return {"kind": kind, "message": message, "stack": stack}


def open_world(rank: int, size: int, channel: Channel) -> World:
    """Joins the ranks that the environment names.

    `SELM_RENDEZVOUS` is a URL such as file:///path, where the parent starts the ranks itself; by default torchrun's variables
    apply. `SELM_DEVICE` is cpu or cuda; default: cuda if there is a GPU.
    """
    kind = os.environ.get("SELM_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        device = torch.device("cuda", torch.cuda.current_device())
    else:
        device = torch.device("cpu")
    url = os.environ.get("SELM_RENDEZVOUS", "env://")
    store, rank, size = next(dist.rendezvous(url, rank, size))
    dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    torch.use_deterministic_algorithms(True)
    return World(
        rank=rank,
        size=size,
        device=device,
        mesh=init_device_mesh(kind, (size,)),
        channel=channel,
        store=store,
        control=dist.new_group(backend="gloo", timeout=IDLE_TIMEOUT),
        checkpoints=dist.new_group(backend="gloo", timeout=TIMEOUT),
    )
