"""Checkpoints of a training by torch.distributed.checkpoint: every rank writes its shards while training goes on."""

import hashlib
import json
import math
import os
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn

from .world import World

SUMMARY = "checkpoint.json"
# Of the parent, in a folder of checkpoints (artifacts/s3-checkpoints.ts): an upload that runs, and how long the last one took.
UPLOAD = ".upload"
UPLOADED = ".uploaded.json"
# Bytes per second of the first checkpoint, of which no time is known: a slow disk's.
ASSUMED_SPEED = 2e8
# Of each trained number: the weight and Adam's two moments, in float32.
BYTES = 12


class Checkpoints:
    """The checkpoints of a training in a folder. All methods are collective.

    A checkpoint is complete or absent under its name, step-00000010; then the one before is removed. Its summary has the SHA-256 of
    every file. Only a checkpoint of the same training (`fingerprint`), ranks, kind of device and version of torch is resumed.
    """

    def __init__(self, world: World, settings: dict[str, Any] | None, trained: dict[str, nn.Parameter], optimizer: torch.optim.AdamW):
        self.world, self.settings, self.trained, self.optimizer = world, settings, trained, optimizer
        self.folder = Path(settings["dir"]) if settings else None
        self.fingerprint = _sha256(
            json.dumps([settings and settings["fingerprint"], world.size, world.device.type, torch.__version__]).encode()
        )
        self._last = time.monotonic()
        self._pending: tuple[int, list[dict[str, Any]], Future[tuple[dict[str, str], float]]] | None = None
        self.last_step = 0  # of the newest complete checkpoint
        self._seconds = sum(p.numel() for p in trained.values()) * BYTES / ASSUMED_SPEED  # that a checkpoint takes

    # Reading

    def resume(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Fills weights and optimizer from the newest undamaged checkpoint. Returns its steps, and the folders of damaged ones."""
        if not self.folder:
            return [], []
        if self.world.rank == 0:
            for unfinished in self.folder.glob(".step-*"):
                shutil.rmtree(unfinished, ignore_errors=True)
        damaged: list[str] = []
        for folder in self.world.from_first(self._complete()):
            summary = self.world.from_first(_read_summary(folder) if self.world.rank == 0 else None)
            if summary and summary["fingerprint"] != self.fingerprint:
                continue
            if not summary or self.world.any(not self._is_intact(folder, summary["files"])):
                damaged.append(str(folder))
                continue
            self._fill_optimizer(summary["step"])
            dcp.load(self._state(), checkpoint_id=folder, process_group=self.world.checkpoints)
            self.last_step = summary["step"]
            return summary["steps"], damaged
        return [], damaged

    def _complete(self) -> list[Path]:
        """Folders of complete checkpoints, the newest first."""
        return sorted((path.parent for path in self.folder.glob(f"step-*/{SUMMARY}")), reverse=True)

    def _is_intact(self, folder: Path, files: dict[str, str]) -> bool:
        """Whether files have the content that was written; each rank reads some."""
        mine = sorted(files)[self.world.rank :: self.world.size]
        return all((folder / name).is_file() and _hash_file(folder / name) == files[name] for name in mine)

    def _state(self) -> dict[str, Tensor]:
        """What the next step depends on, besides the step's number."""
        state = {}
        for name, p in self.trained.items():
            moments = self.optimizer.state[p]
            state |= {f"weight.{name}": p.detach(), f"mean.{name}": moments["exp_avg"], f"variance.{name}": moments["exp_avg_sq"]}
        return state

    def _fill_optimizer(self, step: int) -> None:
        """AdamW has no state before its first step."""
        for p in self.trained.values():
            count = torch.tensor(float(step), device=self.world.device)
            self.optimizer.state[p] = {"step": count, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}

    # Writing

    def after_step(self, steps: list[dict[str, Any]]) -> None:
        """Completes a checkpoint that is written, and starts one if it is time. `steps`: all so far."""
        if not self.settings:
            return
        if self._pending and not self.world.any(not self._pending[2].done()):
            self.finish()
        due = time.monotonic() - self._last >= self.settings["everySeconds"] and not (self.folder / UPLOAD).exists()
        # One rank's clock decides.
        if self.world.from_first(due) and not self._pending:
            self.save(steps)

    def stop(self, steps: list[dict[str, Any]]) -> str:
        """Completes the last checkpoint of a training that is stopped, if it would be in time: written and uploaded.

        Returns what to add to the message of the stop: "" if nothing is lost.
        """
        if not self.settings:
            return ""
        # The parent uploads one after the other.
        uploads = 2 if self._pending or (self.folder / UPLOAD).exists() else 1
        self.finish()
        step = len(steps)
        if step <= self.last_step:
            return ""
        seconds = self.world.from_first(self._seconds + uploads * self._upload_seconds())
        if seconds <= self.settings.get("stopSeconds", math.inf):
            self.save(steps)
            self.finish()
            return ""
        return (
            f"; a checkpoint would take {seconds:.0f} s, longer than a worker that ends has: "
            f"{step - self.last_step} steps after step {self.last_step} are computed again"
        )

    def _upload_seconds(self) -> float:
        """How long the parent's last upload took; 0 if it uploads none, or none yet."""
        try:
            return json.loads((self.folder / UPLOADED).read_text())["seconds"]
        except (FileNotFoundError, ValueError):
            return 0.0

    def save(self, steps: list[dict[str, Any]]) -> None:
        """Starts writing a checkpoint after the last of `steps`: returns once the state is copied."""
        step = len(steps)
        self.finish()
        unfinished = self._unfinished(step)
        if self.world.rank == 0:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.world.any(False)  # all ranks find it removed
        saved = dcp.async_save(self._state(), checkpoint_id=unfinished, process_group=self.world.checkpoints)
        thread = ThreadPoolExecutor(1)
        hashes = thread.submit(self._hash_own, saved, unfinished, time.monotonic())
        thread.shutdown(wait=False)
        self._pending = (step, list(steps), hashes)
        self._last = time.monotonic()

    def _unfinished(self, step: int) -> Path:
        return self.folder / f".step-{step:08}.tmp"

    def _hash_own(self, saved: Future, folder: Path, started: float) -> tuple[dict[str, str], float]:
        """The SHA-256 of the files that this rank has written, once they are, and the seconds since `started`."""
        saved.result()
        mine = [path for path in folder.iterdir() if path.name.startswith(f"__{self.world.rank}_")]
        if self.world.rank == 0:
            mine.append(folder / ".metadata")
        return {path.name: _hash_file(path) for path in mine}, time.monotonic() - started

    def finish(self) -> None:
        """Waits for the checkpoint that is being written, if any, and gives it its name."""
        if not self._pending:
            return
        step, steps, hashes = self._pending
        self._pending = None
        written = self.world.gather(hashes.result())
        files = {name: sha for part, _ in written for name, sha in part.items()}
        self._seconds = max(seconds for _, seconds in written)
        self.last_step = step
        finished = self.folder / f"step-{step:08}"
        with self.world.together():
            if self.world.rank == 0:
                summary = {"step": step, "fingerprint": self.fingerprint, "steps": steps, "files": files}
                _write_summary(self._unfinished(step), summary)
                _remove(finished)
                os.replace(self._unfinished(step), finished)
                for other in self._complete():
                    if other != finished:
                        _remove(other)
        self.world.channel.send("checkpoint", step=step, path=str(finished))


def _remove(folder: Path) -> None:
    """Renamed first: a reader, such as a copy to another machine, finds all of it or nothing."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside)


def _write_summary(folder: Path, summary: dict[str, Any]) -> None:
    text = json.dumps(summary)
    (folder / SUMMARY).write_text(json.dumps({"summary": text, "sha256": _sha256(text.encode())}))


def _read_summary(folder: Path) -> dict[str, Any] | None:
    """None if it is damaged."""
    try:
        stored = json.loads((folder / SUMMARY).read_text())
        return json.loads(stored["summary"]) if _sha256(stored["summary"].encode()) == stored["sha256"] else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
