"""Tar and tar.gz files, of which single members are read."""

from __future__ import annotations

import errno
import gzip
import tarfile
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, cast

from vggss_tools.atomic import PART_PREFIX, part_path
from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput
from vggss_tools.fetch.archive_limits import DAMAGES, Bomb, BoundedFile, copy_member
from vggss_tools.fetch.directory import bring
from vggss_tools.fetch.names import shown

# What tarfile meets in headers that are none, and lets through.
_MALFORMED = (ValueError, OverflowError, IndexError, KeyError)


class _Member(NamedTuple):
    """Where a member's data lies: its number, and its place and size in bytes."""

    place: int
    start: int
    size: int


class _Tar:
    """What plain and compressed tar files have in common: the list of their members."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        self.is_bomb = False
        self._members: dict[str, _Member] | None = None

    def _open(self) -> BoundedFile:
        raise NotImplementedError

    def names(self) -> list[str]:
        """Return the names of its plain files, in its order."""
        if self._members is None:
            with self._open() as file:
                self._members = self._listed(file)
        return list(self._members)

    def place(self, member: str) -> int:
        """Return the member's number."""
        self.names()
        assert self._members is not None
        return self._members[member].place

    def _listed(self, file: BoundedFile) -> dict[str, _Member]:
        found: dict[str, _Member] = {}
        last = None
        count = before = 0
        try:
            with tarfile.open(fileobj=cast(IO[bytes], file), mode="r:") as tar:
                while (info := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # tarfile keeps all of them
                    count += 1
                    last = None
                    if info.size < 0 or tar.offset <= before:
                        raise tarfile.ReadError("a member of negative size")
                    before = tar.offset
                    if info.isreg() and not info.issparse():
                        last = info.name
                        # As tar itself: the last one of a name is the one that counts.
                        found.pop(last, None)
                        found[last] = _Member(count, info.offset_data, info.size)
                file.seek(tar.offset)
                end = file.read(tarfile.BLOCKSIZE)
                if end.strip(b"\0"):
                    raise tarfile.ReadError("what follows is no member")
                if len(end) < tarfile.BLOCKSIZE:
                    raise tarfile.ReadError("no mark of the end")
        except (*DAMAGES, *_MALFORMED, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # of the disk, not of a place that the archive names wrongly
            reached = file.furthest
            if last is not None and found[last].start + found[last].size > reached:
                del found[last]
            reason = " ".join(str(error).split()) or "it ends too early"
            if not count:
                raise InvalidInput(
                    f"{self.path}: a damaged archive, in which nothing can be read ({reason}); "
                    "get it again"
                ) from None
            self.is_bomb = isinstance(error, Bomb)
            self.damage = f"damaged behind {count:,} members ({reason}); get it again"
        return found

    def expect(self, members: Mapping[str, int]) -> None:
        """Do nothing: each member is read where it lies."""

    def close(self) -> None:
        """Do nothing: no file stays open."""


class TarArchive(_Tar):
    """A plain tar file, of which each member is read where it lies."""

    def _open(self) -> BoundedFile:
        return BoundedFile(self.path.open("rb"), None)

    def unpack(self, member: str, target: Path) -> int:
        """Write a member to ``target``."""
        self.names()
        assert self._members is not None
        found = self._members[member]
        with self.path.open("rb") as file:
            file.seek(found.start)
            copy_member(file.read, found.size, target, f"{self.path}/{shown(member)}")
        return found.size


class StreamedTar(_Tar):
    """A tar.gz file, which is read from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._file: BoundedFile | None = None
        self._expected: dict[str, int] = {}
        self._waiting: dict[str, Path] = {}  # unpacked already, for a request that is to come
        self._order: list[tuple[int, str]] = []  # place and name of what is expected
        self._passed = 0  # place of the last member that the open file has come by

    def _open(self) -> BoundedFile:
        raw = self.path.open("rb")
        return BoundedFile(gzip.GzipFile(fileobj=raw), raw)

    def expect(self, members: Mapping[str, int]) -> None:
        """Keep what is passed on the way to another member, if it will be asked for."""
        with self._lock:
            self._expected = dict(members)
            self._order = sorted((self.place(member), member) for member in members)
            self._restart()

    def unpack(self, member: str, target: Path) -> int:
        """Write a member to ``target``, reading on until it comes."""
        with self._lock:
            assert self._members is not None
            size = self._members[member].size
            waiting = self._waiting.get(member)
            if waiting is None:
                self._read_up_to(member, target)
            else:
                bring(waiting, target, "auto")
            left = self._expected.get(member, 1) - 1
            self._expected[member] = left
            if left <= 0 and waiting is not None:
                del self._waiting[member]
                waiting.unlink()
            elif left > 0 and waiting is None:
                self._keep(member, target, partial(bring, target, link="auto"))
        return size

    def _read_up_to(self, member: str, target: Path) -> None:
        assert self._members is not None
        place = self._members[member].place
        if self._file is None or place <= self._passed:
            self._restart()
            self._file = self._open()
        try:
            between = bisect_right(self._order, (self._passed, "\U0010ffff"))
            for _, name in self._order[between : bisect_left(self._order, (place, ""))]:
                if self._expected[name] > 0 and name not in self._waiting:
                    self._keep(name, target, partial(self._write, name))
            self._write(member, target)
            self._passed = place
        except BaseException:  # whatever it is, it goes on; the next one begins anew
            self._restart()
            raise

    def _write(self, member: str, path: Path) -> None:
        assert self._file is not None
        assert self._members is not None
        found = self._members[member]
        try:
            self._file.seek(found.start)
            copy_member(self._file.read, found.size, path, f"{self.path}/{shown(member)}")
        except Bomb as error:
            raise ClipFailure(
                FailureKind.CORRUPT, f"{self.path}/{shown(member)}: {error}"
            ) from None
        except DAMAGES as error:
            raise ClipFailure(
                FailureKind.TRUNCATED,
                f"{self.path}/{shown(member)}: damaged ({error}); get it again",
            ) from None

    def _keep(self, member: str, beside: Path, write: Callable[[Path], object]) -> None:
        # A temporary name as that of ``beside``: what a kill leaves of them goes with the others.
        final = beside.name
        if final.startswith(PART_PREFIX):
            final = final.removeprefix(PART_PREFIX).partition("-")[2]
        kept = part_path(beside.with_name(final))
        try:
            write(kept)
        except BaseException:  # it goes on
            kept.unlink(missing_ok=True)
            raise
        self._waiting[member] = kept

    def _restart(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._passed = 0

    def close(self) -> None:
        """Close the file and remove what was unpacked for nobody."""
        with self._lock:
            self._restart()
            for path in self._waiting.values():
                path.unlink(missing_ok=True)
            self._waiting.clear()
