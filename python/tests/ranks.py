"""Ranks of selm_torch as the parent runs them: processes, and messages with rank 0."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Ranks:
    """Ranks that serve jobs one after the other."""

    def __init__(self, size: int):
        self.size = size
        self.folder = Path(tempfile.mkdtemp(prefix="selm-ranks-"))
        self.jobs = 0
        shared = {
            "SELM_RENDEZVOUS": f"file://{self.folder}/rendezvous",
            "SELM_DEVICE": "cpu",
            "WORLD_SIZE": str(size),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "selm_torch"],
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                stderr=(self.folder / f"stderr-{rank}").open("w"),
                text=True,
            )
            for rank in range(size)
        ]
        self.first = self.processes[0]
        self.ready = self._next()

    def _next(self) -> dict[str, Any]:
        line = self.first.stdout.readline()
        assert line, self.stderr()
        return json.loads(line)

    def stderr(self) -> str:
        """What the ranks have printed."""
        return "\n".join((self.folder / f"stderr-{rank}").read_text() for rank in range(self.size))

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message to rank 0."""
        self.first.stdin.write(json.dumps(message) + "\n")
        self.first.stdin.flush()

    def start(self, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Starts a job: its messages up to the last."""
        self.jobs += 1
        file = self.folder / f"job-{self.jobs}.json"
        file.write_text(json.dumps(job))
        self.send({"type": "run", "id": self.jobs, "job": str(file)})
        while True:
            message = self._next()
            yield message
            if message["type"] in ("result", "error"):
                assert message["id"] == self.jobs
                return

    def abort(self) -> None:
        """Stops the job that runs."""
        self.send({"type": "abort", "id": self.jobs})

    def run(self, job: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Runs a job: its result, and the messages before."""
        *messages, last = self.start(job)
        assert last["type"] == "result", last
        return last["value"], messages

    def error(self, job: dict[str, Any]) -> dict[str, Any]:
        """Runs a job that fails: its error."""
        *_, last = self.start(job)
        assert last["type"] == "error", last
        return last

    def close(self) -> list[int]:
        """Closes rank 0's stdin: the exit codes of all ranks."""
        self.first.stdin.close()
        return [process.wait(60) for process in self.processes]
