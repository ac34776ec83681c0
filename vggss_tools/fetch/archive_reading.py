"""What kind of archive a file is, and what all of them offer."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from vggss_tools.errors import InvalidInput, not_readable
from vggss_tools.fetch.tar_archive import StreamedTar, TarArchive
from vggss_tools.fetch.zip_archive import ZipArchive


class Archive(Protocol):
    """An archive of which single members are read.

    Attributes
    ----------
    path : Path
    damage : str or None
        Where and why reading ends early; what comes before it can be read. Known after
        :meth:`names`.
    is_bomb : bool
        Whether it ends there because it grows beyond measure.
    """

    path: Path
    damage: str | None
    is_bomb: bool

    def names(self) -> list[str]:
        """Return the names of its plain files, in its order."""

    def place(self, member: str) -> int:
        """Return a number that grows in the archive's order."""

    def expect(self, members: Mapping[str, int]) -> None:
        """Say which members will be unpacked, and how often each."""

    def unpack(self, member: str, target: Path) -> int:
        """Write a member to ``target`` and return its size in bytes."""

    def close(self) -> None:
        """Close the file, and remove what was unpacked for nobody."""


def open_archive(path: Path) -> Archive:
    """Tell what an archive is by its first bytes.

    Raises
    ------
    InvalidInput
        If it is none of those that are read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise not_readable(path, error) from None
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipArchive(path)
    if start.startswith(b"\x1f\x8b"):
        return StreamedTar(path)
    if start[257:262] == b"ustar" or _is_old_tar(start):
        return TarArchive(path)
    known = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z", b"(\xb5/\xfd": "zstd"}
    kind = next((f" (it is {name})" for mark, name in known.items() if start.startswith(mark)), "")
    raise InvalidInput(f"{path}: no tar, tar.gz or zip archive{kind}; unpack it and use dir:PATH")


def _is_old_tar(header: bytes) -> bool:
    """Tell a tar of before 1988, which has a checksum only."""
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True
