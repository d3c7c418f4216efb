"""Messages between rank 0 and its parent: JSON lines on what was rank 0's stdout, and on its stdin.

Every rank puts stderr in the place of its stdout, so that no library can write into the messages.
"""

import ctypes
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1
# Exit code of ranks whose parent is gone during a job.
PARENT_GONE = 86


class Channel:
    """The connection to the parent. Ranks other than 0 have none: `send` does nothing there.

    Opened before torch is imported, which takes seconds and may print.
    """

    def __init__(self, rank: int):
        # Otherwise the ranks outlive a parent that was killed.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        out = os.dup(1)
        os.dup2(2, 1)
        self._out = os.fdopen(out, "w", buffering=1) if rank == 0 else None
        if rank != 0:
            os.close(out)
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._aborted: set[int] = set()
        self._job: int | None = None
        # SIGTERM stops this rank's job and then all ranks. Ctrl-C reaches all processes of a terminal: the parent handles it.
        self.terminated = False
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # The parent sends it to a rank that hangs: where it hangs goes to stderr.
        faulthandler.register(signal.SIGUSR1)
        if rank == 0:
            threading.Thread(target=self._listen, daemon=True).start()

    def _terminate(self, *_: object) -> None:
        self.terminated = True
        self._jobs.put(None)

    def _listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "run":
                self._jobs.put(message)
            elif message["type"] == "abort":
                self._aborted.add(message["id"])
        if self._job is not None:
            os._exit(PARENT_GONE)
        self._jobs.put(None)

    def next_job(self) -> dict[str, Any] | None:
        """Waits for a job: {"id", "job": path}; None when the ranks are to end. On rank 0."""
        message = self._jobs.get()
        self._job = message and message["id"]
        return message

    @property
    def stop_requested(self) -> bool:
        """Whether the job that runs is to stop, as far as this rank knows."""
        return self.terminated or self._job in self._aborted

    def answer(self, message_type: str, /, **fields: Any) -> None:
        """Sends the last message of the job that runs. After it, the parent may close stdin."""
        job, self._job = self._job, None
        self.send(message_type, id=job, **fields)

    def send(self, message_type: str, /, **fields: Any) -> None:
        """Sends a message. Numbers must be finite: JSON has no others."""
        if not self._out:
            return
        try:
            self._out.write(json.dumps({"type": message_type, **fields}, allow_nan=False) + "\n")
        except BrokenPipeError:
            os._exit(PARENT_GONE)
