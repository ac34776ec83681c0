"""What is asked of archives that nobody vouches for: that they fill neither memory nor disk."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from vggss_tools.errors import ClipFailure, FailureKind

BLOCK = 1 << 20
# Tar headers are 512 bytes; long names and attributes take some more. What asks for more than
# this at once wants to fill the memory.
MAX_HEADER = 1 << 24
# Encoded picture and sound hardly shrink. A file that grows by more than this is a bomb.
MAX_GROWTH = 300
ALWAYS_ALLOWED = 1 << 26  # bytes that may come of anything, such as a picture in one colour

DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)


def bomb(size: int) -> str:
    """Say what is wrong with a member that grows beyond measure."""
    return f"grows to {size:,} bytes when it is unpacked, which no video does; not unpacked"


def copy_member(read: Callable[[int], bytes], size: int, target: Path, where: str) -> None:
    """Write exactly ``size`` bytes."""
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        left = size
        while left:
            block = read(min(BLOCK, left))
            if not block:
                raise ClipFailure(
                    FailureKind.TRUNCATED,
                    f"{where}: ends after {size - left:,} of {size:,} bytes; get the archive again",
                )
            file.write(block)
            left -= len(block)


class Bomb(tarfile.ReadError):
    """What comes out is beyond measure; getting the archive again would not help."""


class BoundedFile(io.RawIOBase):
    """A file to read forward in, which refuses to fill the memory and to grow without end."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, raw: IO[bytes] | None) -> None:
        self._file = file
        self._raw = raw  # the compressed file, where there is one
        self._length = os.fstat(file.fileno()).st_size if raw is None else None
        self.furthest = 0

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes; a reason to stop is a ``tarfile.ReadError``."""
        if size < 0 or size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        data: bytes = self._file.read(size)
        self.furthest = max(self.furthest, self.tell())
        if self._raw is not None and self.furthest > ALWAYS_ALLOWED + MAX_GROWTH * self._raw.tell():
            raise Bomb(bomb(self.furthest))
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, or to the end if it comes before; return where."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("only from the beginning")
        if self._length is not None:
            return self._file.seek(offset)
        if offset < self.tell():
            return self._file.seek(offset)
        while (left := offset - self.tell()) > 0:
            if not self.read(min(BLOCK, left)):
                break
        return self.tell()

    def tell(self) -> int:
        """Return the place, in bytes."""
        return self._file.tell()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close both files."""
        if not self.closed:
            self._file.close()
            if self._raw is not None:
                self._raw.close()
        super().close()
