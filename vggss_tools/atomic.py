"""Files appear whole or not at all: temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from vggss_tools.errors import VggssError, error_number

# A temporary file is `.part-<random>-<final name>`: hidden, recognisable, and with the final
# suffix, so that writers which go by the suffix (ffmpeg, OpenCV) need not be told the format.
PART_PREFIX = ".part-"


# What a write may meet, which has no file's name; other errors without one are about other things.
_WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


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
    """Yield a temporary path to write; on success it becomes ``final``, on error it is removed.

    Raises
    ------
    OSError
        Where writing fails, with the final name: nobody knows the temporary one.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(final)
    try:
        yield part
        publish(part, final)
    except OSError as error:
        named = with_final_name(error, {final: part})
        if named is error:
            raise
        raise named from None
    finally:
        part.unlink(missing_ok=True)


def with_final_name(error: OSError, parts: Mapping[Path, Path]) -> OSError:
    """Return the error with the final name in the place of the temporary one, or of none.

    Parameters
    ----------
    parts : dict
        Final path -> temporary path, of all files that were being written.

    Returns
    -------
    The error itself where it is about another file, or no error of the system.
    """
    number = error_number(error)
    if number is None:
        return error
    if error.filename is not None:
        about = [final for final, part in parts.items() if str(error.filename) == str(part)]
    else:
        # A full disk is met by a write, which knows no names. pyarrow has them in its text.
        named = [final for final, part in parts.items() if str(part) in str(error)]
        # pyarrow has removed what it could not finish, so perhaps no part is there.
        about = named or [final for final, part in parts.items() if part.exists()] or list(parts)
        if not named and number not in _WRITE_ERRORS:
            about = []
    return OSError(number, os.strerror(number), str(about[-1])) if about else error


def check_writable(path: Path | str) -> None:
    """Refuse, before the work, a path that could not be written after it; leave nothing behind.

    Raises
    ------
    VggssError
        Naming the path and the cause.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise VggssError(f"{path}: {what}, cannot be written; give the name of a file")
        folder = path.absolute().parent
        while not folder.exists():  # made when the file is written
            folder = folder.parent
        part = part_path(folder / path.name)
        part.touch(exist_ok=False)
        part.unlink()
    except OSError as error:
        raise VggssError(
            f"{path}: cannot be written ({error.strerror}); check the rights of its folder, or "
            "choose another directory"
        ) from None


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
