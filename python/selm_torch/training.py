"""The training loop: batches, optimizer steps, metrics and checkpoints."""

import math
import time
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from . import change
from .checkpoint import Checkpoints
from .errors import Aborted, Diverged
from .loss import Loss, loss_of
from .packing import NOTHING, group_of, pack
from .passes import memory_of, passes
from .policy import Policy, open_policy
from .scoring import by_group, read_rows, sums_by_response
from .weights import save_adapter, save_model
from .world import World


def optimize(world: World, job: dict[str, Any]) -> dict[str, Any]:
    """Trains a policy and writes it to the job's `outDir`.

    The result is the same to the bit for the same inputs, ranks, threads, kind of device and version of torch, whether or not the
    training was interrupted and resumed from a checkpoint.

    Returns:
        {"steps", "resumedFromStep"?, "damagedCheckpoints", "unchanged"}
    """
    with world.together():
        rows = read_rows(job["rows"])
    settings, full = job["training"], job["training"]["full"]
    policy = open_policy(
        world,
        job["model"],
        None if full else job["adapter"],
        job["compute"],
        train="all" if full else "adapter",
        recompute=settings["recompute"],
    )
    training = Training(world, policy, rows, job)
    resumed, damaged = training.run()
    if full:
        save_model(policy, world, job["outDir"])
    else:
        save_adapter(policy, world, job["outDir"])
    return {
        "steps": len(job["steps"]),
        **({"resumedFromStep": resumed} if resumed else {}),
        "damagedCheckpoints": damaged,
        "unchanged": not change.is_changed(policy, world),
    }


class Training:
    """A policy, its optimizer and its data."""

    def __init__(self, world: World, policy: Policy, rows: list[dict[str, Any]], job: dict[str, Any]):
        self.world, self.policy, self.rows, self.job = world, policy, rows, job
        self.loss: Loss = loss_of(job["objective"])
        self.trained = {name: p for name, p in policy.lm.named_parameters() if p.requires_grad}
        self.optimizer = self._adamw(job["training"])
        self.tokens = 0

    def _adamw(self, settings: dict[str, Any]) -> torch.optim.AdamW:
        """AdamW (arXiv 1711.05101). Vectors (norms and biases) do not decay, as in transformers' Trainer."""
        matrices = [p for p in self.trained.values() if p.dim() > 1]
        vectors = [p for p in self.trained.values() if p.dim() <= 1]
        groups = [
            {"params": matrices, "weight_decay": settings["weightDecay"]},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=0.0,
            betas=(settings["adamBeta1"], settings["adamBeta2"]),
            eps=settings["adamEpsilon"],
            fused=True,
        )

    def run(self) -> tuple[int, list[str]]:
        """Computes the steps that no checkpoint has. Returns the step that it resumed from, and the damaged checkpoints."""
        steps, world = self.job["steps"], self.world
        checkpoints = Checkpoints(world, self.job.get("checkpoint"), self.trained, self.optimizer)
        done, damaged = checkpoints.resume()
        first = len(done)
        if done or damaged:
            world.channel.send("resumed", step=first, steps=done, damaged=damaged)
        for step in range(first, len(steps)):
            try:
                done.append(self.step(step))
            except Aborted as stopped:
                raise Aborted(f"{stopped}{checkpoints.stop(done)}") from None
            world.channel.send("step", **done[-1])
            if step + 1 < len(steps):
                checkpoints.after_step(done)
        checkpoints.finish()
        return first, damaged

    def step(self, step: int) -> dict[str, Any]:
        """One optimizer step, as the parent gets it: its number from 1, and its loss, gradient norm and log-probabilities."""
        started = time.monotonic()
        planned, settings = self.job["steps"][step], self.job["training"]
        batch = [self.rows[i] for i in planned["rows"]]
        self.optimizer.zero_grad()
        loss, logps, tokens = self._accumulate(step, batch)
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), settings["maxGradNorm"])
        norm = (norm.full_tensor() if isinstance(norm, DTensor) else norm).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise Diverged(
                f"Training diverged at step {step + 1}: loss {_number(loss)}, gradient norm {_number(norm)}; lower the learning rate."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = planned["learningRate"]
        self.optimizer.step()
        seconds = round(time.monotonic() - started, 4)
        return {"step": step + 1, "loss": loss, "grad_norm": norm, "logps": logps, "tokens": tokens, "seconds": seconds}

    def _accumulate(self, step: int, batch: list[dict[str, Any]]) -> tuple[float, list[list[float]], int]:
        """Adds up a batch's gradients. Returns its loss, the log-probabilities of its responses by row, and its tokens."""
        world, mine, total = self.world, {}, 0.0
        groups = [group_of(row) for row in batch]
        lengths = [group.length for group in groups]
        stopped = f"training was stopped after {step} of {len(self.job['steps'])} steps"
        for indices in passes(world, lengths, self.job["microBatchTokens"], stopped=stopped, tokens=self.tokens):
            packed = pack([groups[i] for i in indices] or [NOTHING], world.device)
            with memory_of(f"step {step + 1}", packed.tokens):
                logps = sums_by_response(self.policy(packed), packed)
                loss = self.loss(logps, [batch[i] for i in indices], batch) if indices else _zero(logps)
                # FSDP takes the mean of the ranks' gradients.
                (loss * world.size).backward()
                total += loss.item()
            mine.update(by_group(groups, indices, logps.tolist()))
        rows = {i: row for part in world.gather(mine) for i, row in part.items()}
        tokens = sum(lengths)
        self.tokens += tokens
        return world.sum([total])[0], [rows[i] for i in range(len(groups))], tokens


def _zero(logps: Tensor) -> Tensor:
    """A loss without gradients, of a rank that has nothing to compute in a pass."""
    return logps.sum() * 0


def _number(value: float) -> str:
    """As JavaScript writes it."""
    if math.isnan(value):
        return "NaN"
    return ("-" if value < 0 else "") + "Infinity" if math.isinf(value) else repr(value)
