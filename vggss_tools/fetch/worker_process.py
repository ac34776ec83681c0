"""A process that answers one JSON line with another, and can be ended with all that it started.

For work by tools that start programs of their own and know no time limit: the process leads a
group of its own, which is killed as a whole. It ends by itself when its parent does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any

PARENT_CHECK_S = 0.5


class WorkerDied(Exception):
    """The process ended without an answer."""


class TimeLimit(Exception):
    """No answer came in time; the process was killed."""


class WorkerProcess:
    """One process that runs ``module`` and answers, one question after the other.

    Parameters
    ----------
    module : str
        Name of a module whose ``main`` calls :func:`serve`.
    """

    def __init__(self, module: str) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._pending = b""

    def call(self, question: dict[str, Any], time_limit: float) -> dict[str, Any]:
        """Ask and wait for the answer.

        Raises
        ------
        TimeLimit
            After ``time_limit`` seconds.
        WorkerDied
            If the process ends, of itself or by :meth:`kill`.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        until = time.monotonic() + time_limit
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            while b"\n" not in self._pending:
                left = until - time.monotonic()
                ready = select.select([stdout], [], [], max(left, 0))[0] if left > 0 else []
                if not ready:
                    self.kill()
                    raise TimeLimit
                block = os.read(stdout.fileno(), 1 << 16)
                if not block:
                    raise WorkerDied(self._last_words())
                self._pending += block
        except (OSError, ValueError) as error:  # a pipe that broke, or that `kill` has closed
            raise WorkerDied(self._last_words() or str(error)) from None
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _last_words(self) -> str:
        """Return the end of what the process wrote to stderr, in one line."""
        try:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - 2000))
            lines = self._errors.read().decode(errors="replace").split("\n")
        except ValueError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer each line of stdin on stdout; in the process itself.

    Whatever else the process or its children print goes to stderr.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to understand
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            out.write(json.dumps(answer(json.loads(line))).encode() + b"\n")
            out.flush()


def _end_with(parent: int) -> None:
    """End the process and all that it started once the parent is gone, even if it was killed."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)
