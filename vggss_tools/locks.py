"""Locks that keep two processes from doing the same work in one place."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vggss_tools.errors import VggssError


@contextmanager
def only_one(lock: Path, message: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock file; it goes free with the process, however that ends. The file stays.

    Parameters
    ----------
    lock : Path
        The file, in a folder that exists.
    message : str
        What the second process says.
    wait : bool
        Wait for the first process instead.

    Raises
    ------
    VggssError
        If another process holds it, or the file cannot be made.
    """
    try:
        handle = lock.open("w")
    except OSError as error:
        raise VggssError(
            f"{lock.parent}: cannot write there ({error.strerror}); "
            "check that the directory exists and its rights, or choose another directory"
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VggssError(message) from None
        yield
