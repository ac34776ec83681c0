"""Locks that keep two processes from doing the same work in one place."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vggss_tools.errors import VggssError


@contextmanager
def only_one(
    lock: Path, message: str, *, wait: bool = False, shared: bool = False
) -> Iterator[None]:
    """Hold a lock file; it goes free with the process, however that ends. The file stays.

    Parameters
    ----------
    lock : Path
        The file, in a folder that exists.
    message : str
        What the second process says.
    wait : bool
        Wait for the first process instead.
    shared : bool
        Let others in that ask for the same, and keep out those that want it for themselves.

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
            way = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, way if wait else way | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VggssError(message) from None
        yield


@contextmanager
def stage_lock(root: Path, stage: str, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Keep a stage of a data directory for this process, or one shard of it.

    Shards of the same number of parts run beside each other; nothing else does.

    Raises
    ------
    VggssError
        If another process is at work on the same clips.
    """
    whole = root / f".{stage}.lock"
    in_use = f"{root}: another process runs {stage} in this data directory; wait until it has ended"
    if shard is None:
        with only_one(whole, in_use):
            yield
        return
    number, parts = shard
    with (
        only_one(whole, in_use, shared=True),
        only_one(
            root / f".{stage}.{number}-of-{parts}.lock",
            f"{root}: another process runs shard {number}/{parts} of {stage} in this data "
            "directory; wait until it has ended",
        ),
    ):
        for other in root.glob(f".{stage}.*-of-*.lock"):
            n = other.name.removesuffix(".lock").rpartition("-")[2]
            if n != str(parts):  # its clips are spread otherwise
                with only_one(
                    other,
                    f"{root}: another process runs a shard of {n} of {stage} in this data "
                    f"directory; wait until it has ended, or use shards of {n} as well",
                ):
                    pass
        yield
