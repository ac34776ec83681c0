"""The event log on disk: appended and flushed, safe with several writers, never rewritten.

The work of people cannot be fetched again. So an append is one write under a lock, on disk before
it returns; and the only thing that is ever taken out is a torn last line, which a crash in the
middle of a write leaves behind. Such a line was never acknowledged to anybody; its bytes are still
kept, in ``<log>.torn`` beside the log.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from vggss_tools.annotate.events import Event
from vggss_tools.annotate.json_values import cause
from vggss_tools.atomic import sync_folder
from vggss_tools.errors import InvalidInput

Report = Callable[[str], None]

# How much is read at a time when looking for the start of a torn last line.
_CHUNK = 1 << 16


def report_on_stderr(message: str) -> None:
    """Show a note to the person at the terminal."""
    sys.stderr.write(message + "\n")


class _Tail(NamedTuple):
    """The bytes after the last line end, and where they start."""

    start: int
    data: bytes


def read_events(path: Path | str, *, report: Report = report_on_stderr) -> list[Event]:
    """Read a log in its own order; a log that is not there is empty.

    Blank lines are let be. A torn last line is reported and left out; the next append repairs it.

    Raises
    ------
    InvalidInput
        At the first line that is not an event, naming the line and the cause.
    """
    path = Path(path)
    try:
        with path.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_SH)  # not in the middle of somebody's append
            data = log.read()
    except FileNotFoundError:
        return []
    whole, end, tail = data.rpartition(b"\n")
    if tail.strip() and not _is_json(tail):
        report(
            f"{path}: the last line is torn (a write was cut off); it is left out, "
            "and set aside at the next write"
        )
        data = whole + end
    return [
        _parse(line, path, number)
        for number, line in enumerate(data.split(b"\n"), start=1)
        if line.strip()
    ]


def append_events(
    path: Path | str, events: Iterable[Event], *, report: Report = report_on_stderr
) -> None:
    """Append events in one write; they are on disk when this returns.

    Any number of processes may append at once. If the disk is full, nothing of these events is
    left in the log.

    Raises
    ------
    OSError
        If the log cannot be written.
    """
    data = "".join(event.as_line() for event in events).encode("ascii")
    if not data:
        return
    path = Path(path)
    is_new = not path.exists()
    log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(log, fcntl.LOCK_EX)  # released by close, also when the process is killed
        if _mend(log, path, report):
            data = b"\n" + data
        _write_or_undo(log, data)
        os.fsync(log)
    finally:
        os.close(log)
    if is_new:
        sync_folder(path.parent)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(line: bytes, path: Path, number: int) -> Event:
    where = f"{path}: line {number}"
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{where}: not JSON ({cause(error)}); correct the line or restore a copy of the log"
        ) from None
    try:
        return Event.from_json(value)
    except ValueError as error:
        raise InvalidInput(
            f"{where}: {cause(error)}; correct the line or restore a copy of the log"
        ) from None


def _tail(log: int) -> _Tail:
    """Find what stands after the last line end."""
    end = os.fstat(log).st_size
    tail, start = b"", end
    while start > 0:
        size = min(_CHUNK, start)
        chunk = os.pread(log, size, start - size)
        cut = chunk.rfind(b"\n")
        if cut >= 0:
            return _Tail(start - size + cut + 1, chunk[cut + 1 :] + tail)
        tail, start = chunk + tail, start - size
    return _Tail(0, tail)


def _mend(log: int, path: Path, report: Report) -> bool:
    """Make the log end in whole lines; True if its last line is whole but lacks a line end."""
    start, data = _tail(log)
    if not data:
        return False
    if _is_json(data):
        return True
    aside = path.with_name(path.name + ".torn")
    with aside.open("ab") as handle:
        handle.write(data + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    sync_folder(aside.parent)
    os.ftruncate(log, start)
    report(
        f"{path}: the last line was torn (a write was cut off); "
        f"its {len(data)} bytes are set aside in {aside.name}"
    )
    return False


def _write_or_undo(log: int, data: bytes) -> None:
    """Write all of ``data`` at the end, or leave the log as it was."""
    size = os.fstat(log).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(log, view) :]
    except BaseException:  # Ctrl-C too: no half line may stay; it goes on
        os.ftruncate(log, size)
        raise
