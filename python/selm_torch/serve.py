"""Serves jobs one after the other. The ranks stay, with the models of the last job open, unless it was a training."""

import gc
import json
import traceback
from typing import Any

import torch
import torch.distributed as dist
import transformers
from torch import nn

from .errors import InputRefused, JobError, OutOfMemory
from .pairrm import open_pairrm, rank
from .policy import open_policy
from .scoring import divergence, score
from .training import optimize
from .world import World


class Server:
    """The jobs by method, and the open models."""

    def __init__(self, world: World):
        self.world = world
        self.models: dict[str, nn.Module] = {}

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Computes a job: the `value` of its result."""
        if job["device"] != self.world.device.type:
            raise InputRefused(
                f"The job is for the device {job['device']}, and the ranks run on {self.world.device.type}: "
                "set `device`, or start the worker where that device is."
            )
        torch.set_num_threads(job["threads"])
        if job["method"] in ("optimize", "sft"):
            self._close_others([])
            return optimize(self.world, job)
        compute = job["compute"]
        policy = (open_policy, job["model"], job.get("adapter"), compute)
        if job["method"] == "score":
            return score(self.world, *self._open([policy]), job)
        if job["method"] == "divergence":
            reference = (open_policy, job["referenceModel"], job.get("referenceAdapter"), compute)
            return divergence(self.world, *self._open([policy, reference]), job)
        if job["method"] == "rank":
            return rank(self.world, *self._open([(open_pairrm, job["model"], job["pairrm"])]), job)
        raise InputRefused(f"The torch backend has no method {job['method']}.")

    def _open(self, wanted: list[tuple]) -> list[Any]:
        """Models by the function that opens them and its arguments: those that are open already, and the others opened now."""
        keys = [repr(each) for each in wanted]
        self._close_others(keys)
        for key, (open_model, *arguments) in zip(keys, wanted):
            if key not in self.models:
                self.models[key] = open_model(self.world, *arguments)
        return [self.models[key] for key in keys]

    def _close_others(self, keys: list[str]) -> None:
        """Frees the memory of models that are not among `keys`."""
        self.models = {key: model for key, model in self.models.items() if key in keys}
        gc.collect()
        if self.world.device.type == "cuda":
            torch.cuda.empty_cache()


def serve(world: World) -> int:
    """Computes jobs until the parent ends the ranks, or one of them fails. Returns the exit code."""
    server, channel = Server(world), world.channel
    channel.send(
        "ready",
        torch=torch.__version__.split("+")[0],
        transformers=transformers.__version__,
        device=world.device.type,
        deviceName=world.device_name,
        ranks=world.size,
    )
    while message := world.from_first(channel.next_job() if world.rank == 0 else None):
        try:
            with world.together(), open(message["job"], encoding="utf-8") as file:
                job = json.load(file)
            channel.answer("result", value=server.run(job))
        except JobError as error:
            channel.answer("error", kind=error.kind, message=str(error), stack=traceback.format_exc())
        except Exception as error:
            # The other ranks wait for this one, or it has lost one of them: all end, and the parent starts new ones.
            kind = error.kind if isinstance(error, OutOfMemory) else "fault"
            first = world.report_error(kind, str(error) or type(error).__name__, traceback.format_exc())
            channel.answer("error", **first)
            traceback.print_exc()
            return 1
    dist.destroy_process_group()
    return 0
