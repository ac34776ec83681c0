"""Source ``dir:PATH``: clips that lie in a folder already, under whatever names."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.fetch.names import Recognised, recognise, shown
from vggss_tools.fetch.source import Fetched, FetchRequest
from vggss_tools.fetch.whole_video import offset_in

# auto: a hard link where both lie on one file system, else a copy.
LinkMode = Literal["auto", "copy", "symlink"]

_FICLONE = 0x40049409  # <linux/fs.h>: share the blocks of another file until one is written to
# What a hard link may meet that a copy does not: another file system, one without links, a
# kernel that protects the files of others, too many links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


@dataclass
class DirectorySource:
    """Links or copies clips out of a folder, which is only ever read.

    Attributes
    ----------
    folder : Path
    clips : the clips that are asked for; names are read with them in mind
    link : {"auto", "copy", "symlink"}
    """

    folder: Path
    clips: Sequence[Clip] = field(repr=False)
    link: LinkMode = "auto"
    _found: Recognised | None = field(default=None, init=False, repr=False)
    _names: list[str] | None = field(default=None, init=False, repr=False)
    _settings: dict[str, Any] | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.folder = Path(self.folder).expanduser().absolute()
        if not self.folder.is_dir():
            what = "not a folder" if self.folder.exists() else "no such folder"
            raise VggssError(f"{self.folder}: {what}; give --source dir:PATH the folder of clips")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def name(self) -> str:
        """``dir``."""
        return "dir"

    @property
    def host(self) -> None:
        """None: nobody is asked."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the folder and a checksum of the names in it: what fails may be there later."""
        names = self._listed()
        with self._lock:
            if self._settings is None:
                digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape"))
                self._settings = {
                    "name": self.name,
                    "folder": shown(str(self.folder)),
                    "names": digest.hexdigest()[:16],
                }
            return self._settings

    def versions(self) -> dict[str, str]:
        """Return nothing: no tool takes part."""
        return {}

    def setup(self) -> None:
        """Read the names in the folder, once."""
        self.found()

    def close(self) -> None:
        """Do nothing."""

    def found(self) -> Recognised:
        """Return what the names in the folder came to."""
        names = self._listed()
        with self._lock:
            if self._found is None:
                self._found = recognise(names, self.clips)
            return self._found

    def notes(self) -> list[str]:
        """Return what was found, one line for each thing; nothing before anybody looked."""
        return [] if self._found is None else self._found.summary()

    def report(self) -> dict[str, Any] | None:
        """Return what was found, as JSON; None before anybody looked."""
        return None if self._found is None else self._found.as_json()

    def _listed(self) -> list[str]:
        with self._lock:
            if self._names is None:
                self._names = sorted(_names_in(self.folder))
            return self._names

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        """Link or copy the clip's file to ``target``."""
        found = self.found()
        held = found.clips.get(request.clip_id)
        if held is None:
            raise failure_of(request, found, str(self.folder))
        path = self.folder / held.name
        if not path.exists() and path.is_symlink():
            raise ClipFailure(
                FailureKind.NOT_FOUND, f"{shown(str(path))}: a link to a file that is not there"
            )
        offset = offset_in(path, held, request, shown(str(path)))
        mode = bring(path, target, self.link)
        size = path.stat().st_size
        return Fetched(
            offset=offset,
            bytes=size if mode == "copied" else 0,
            url=shown(str(path)),
            facts={"mode": mode, "size": size},
        )


def failure_of(request: FetchRequest, found: Recognised, where: str) -> ClipFailure:
    """Say why a clip is not to be had from a folder or archive."""
    if reason := found.ambiguous.get(request.clip_id):
        # Not for good: the next run looks at the names again.
        return ClipFailure(FailureKind.ERROR, f"{where}: {reason}")
    return ClipFailure(
        FailureKind.NOT_FOUND, f"{where}: no file with a name of {request.clip_id} in it"
    )


def bring(path: Path, target: Path, link: LinkMode) -> str:
    """Give a file a second name, or copy it; return ``linked``, ``symlinked`` or ``copied``.

    Links lead to the file itself, not to a link to it, which may be moved.
    """
    path = path.resolve(strict=True)
    # Never written into: it may be a second name of a user's file, from a try before.
    target.unlink(missing_ok=True)
    if link == "symlink":
        target.symlink_to(path)
        return "symlinked"
    if link == "auto":
        try:
            os.link(path, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return "linked"
    with path.open("rb") as source, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, source.fileno())
        except OSError:  # another file system, or one that cannot share blocks: copy them
            shutil.copyfileobj(source, copy, 1 << 20)
    return "copied"


def _names_in(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, relative, with ``/``; linked folders too, but no circles."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[Path, str]] = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        stat = here.stat()
        if (stat.st_dev, stat.st_ino) in seen:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        with os.scandir(here) as entries:
            for entry in entries:
                try:
                    is_folder = entry.is_dir()
                except OSError:  # a link in a circle: no folder, and no file that can be read
                    is_folder = False
                if is_folder:
                    waiting.append((here / entry.name, f"{prefix}{entry.name}/"))
                else:
                    yield prefix + entry.name
