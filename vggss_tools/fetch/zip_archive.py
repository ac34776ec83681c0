"""Zip files, of which single members are read."""

from __future__ import annotations

import errno
import stat
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput
from vggss_tools.fetch.archive_limits import (
    ALWAYS_ALLOWED,
    DAMAGES,
    MAX_GROWTH,
    bomb,
    copy_member,
)
from vggss_tools.fetch.names import shown


class ZipArchive:
    """A zip file, of which each member is read where it lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        self.is_bomb = False  # told of each member by itself
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}

    def _opened(self) -> zipfile.ZipFile:
        with self._lock:
            if self._zip is None:
                try:
                    self._zip = zipfile.ZipFile(self.path)
                except (*DAMAGES, NotImplementedError, ValueError, OSError) as error:
                    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                        raise
                    raise InvalidInput(
                        f"{self.path}: a damaged archive, in which nothing can be read ({error}); "
                        "get it again"
                    ) from None
                self._members = {
                    info.filename: info for info in self._zip.infolist() if _is_plain(info)
                }
            return self._zip

    def names(self) -> list[str]:
        """Return the names of its plain files, in its order."""
        self._opened()
        return list(self._members)

    def place(self, member: str) -> int:
        """Return where the member lies, in bytes."""
        return self._members[member].header_offset

    def expect(self, members: Mapping[str, int]) -> None:
        """Do nothing: each member is read where it lies."""

    def unpack(self, member: str, target: Path) -> int:
        """Write a member to ``target``."""
        opened = self._opened()
        info = self._members[member]
        where = f"{self.path}/{shown(member)}"
        if info.flag_bits & 1:
            raise ClipFailure(FailureKind.CORRUPT, f"{where}: encrypted; unpack it yourself")
        if info.file_size > ALWAYS_ALLOWED + MAX_GROWTH * info.compress_size:
            raise ClipFailure(FailureKind.CORRUPT, f"{where}: {bomb(info.file_size)}")
        try:
            with opened.open(info) as file:
                copy_member(file.read, info.file_size, target, where)
                file.read(1)  # so that the checksum is looked at
        except (*DAMAGES, NotImplementedError, RuntimeError, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # of the disk, not of a place that the archive names wrongly
            reason = " ".join(str(error).split()) or "it ends too early"
            raise ClipFailure(
                FailureKind.CORRUPT, f"{where}: cannot be unpacked ({reason})"
            ) from None
        return info.file_size

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._zip is not None:
                self._zip.close()
                self._zip = None


def _is_plain(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return not info.filename.endswith(("/", "\\")) and kind in (0, stat.S_IFREG)
