"""Files appear whole or not at all: temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

# A temporary file is `.part-<random>-<final name>`: hidden, recognisable, and with the final
# suffix, so that writers which go by the suffix (ffmpeg, OpenCV) need not be told the format.
PART_PREFIX = ".part-"


def part_path(final: Path) -> Path:
    """Return a temporary name beside ``final`` with the same suffix."""
    return final.with_name(f"{PART_PREFIX}{uuid4().hex[:12]}-{final.name}")


def publish(part: Path, final: Path) -> None:
    """Flush ``part`` to disk and give it its final name.

    The folder is flushed too, so that a power cut cannot lose a file that was recorded as done.
    """
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    part.replace(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk; a file's own fsync covers its contents alone."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_path(final: Path | str) -> Iterator[Path]:
    """Yield a temporary path to write; on success it becomes ``final``, on error it is removed."""
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(final)
    try:
        yield part
        publish(part, final)
    finally:
        part.unlink(missing_ok=True)


def write_text_atomic(path: Path | str, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json_atomic(path: Path | str, value: Any) -> None:
    """Write one JSON value, readable and byte-deterministic for equal values.

    NaN and infinities are refused (``ValueError``): they are not JSON.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomic(path, text + "\n")
