"""Source ``archive:PATH``: clips inside of tar, tar.gz and zip files, which are only ever read.

A member's name says which clip it is and nothing else: it never becomes a path, so nothing is
written but the clips that are asked for. Links, devices and encrypted members are passed over,
and what grows beyond measure when it is unpacked is refused.

Zip and plain tar files are read at the member's place, by many threads. A tar.gz can only be read
from its beginning: it is read once for the names and once more for the members, in its own order;
what is asked for later than it comes by waits beside the clips until it is.
"""

from __future__ import annotations

import glob
import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.fetch.archive_reading import Archive, open_archive
from vggss_tools.fetch.directory import failure_of
from vggss_tools.fetch.names import Held, Recognised, recognise, shown
from vggss_tools.fetch.source import Fetched, FetchRequest
from vggss_tools.fetch.whole_video import offset_in


@dataclass
class ArchiveSource:
    """Takes clips out of one archive or several.

    Attributes
    ----------
    pattern : str
        A path, or several by a pattern with ``*``, ``?`` or ``[…]``.
    clips : the clips that are asked for; names are read with them in mind
    """

    pattern: str
    clips: Sequence[Clip] = field(repr=False)
    _archives: list[Archive] = field(default_factory=list, init=False, repr=False)
    _found: Recognised | None = field(default=None, init=False, repr=False)
    _settings: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        listed = _files(self.pattern)
        self._settings = {
            "name": self.name,
            "archives": [[shown(str(path)), path.stat().st_size] for path in listed],
        }
        self._archives = [open_archive(path) for path in listed]

    def __getstate__(self) -> dict[str, Any]:
        return {"pattern": self.pattern, "clips": self.clips}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def name(self) -> str:
        """``archive``."""
        return "archive"

    @property
    def host(self) -> None:
        """None: nobody is asked."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the archives and their sizes."""
        return self._settings

    def versions(self) -> dict[str, str]:
        """Return nothing: no tool takes part."""
        return {}

    def setup(self) -> None:
        """Read the names in the archives, once."""
        self.found()

    def close(self) -> None:
        """Close the archives and remove what nobody has asked for."""
        for archive in self._archives:
            archive.close()

    def found(self) -> Recognised:
        """Return what the names in the archives came to.

        Raises
        ------
        InvalidInput
            If one of them is no archive, or nothing in it can be read.
        """
        with self._lock:
            if self._found is None:
                names = [
                    f"{archive.path}/{name}"
                    for archive in self._archives
                    for name in archive.names()
                ]
                self._found = recognise(names, self.clips)
            return self._found

    def arranged(self, clips: Sequence[Clip]) -> list[Clip]:
        """Return clips in the order in which the archives hold them, so that each is read once.

        Only these clips are kept from now on where a member is passed on the way to another.
        """
        found = self.found()
        with self._lock:
            self._expect([clip.clip_id for clip in clips])

        def place(clip: Clip) -> tuple[int, int]:
            held = found.clips.get(clip.clip_id)
            if held is None:
                return len(self._archives), 0
            index, member = self._member(held)
            return index, self._archives[index].place(member)

        return sorted(clips, key=place)

    def notes(self) -> list[str]:
        """Return what was found and what is damaged, one line each; nothing before a look."""
        if self._found is None:
            return []
        damaged = [f"{a.path}: {a.damage}" for a in self._archives if a.damage]
        return [*self._found.summary(), *damaged]

    def report(self) -> dict[str, Any] | None:
        """Return what was found, as JSON; None before anybody looked."""
        if self._found is None:
            return None
        damaged = {str(a.path): a.damage for a in self._archives if a.damage}
        return {**self._found.as_json(), "damaged": damaged}

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        """Unpack the clip's member to ``target``."""
        found = self.found()
        held = found.clips.get(request.clip_id)
        if held is None:
            damaged = next((a for a in self._archives if a.damage), None)
            if damaged is not None and request.clip_id not in found.ambiguous:
                raise ClipFailure(
                    FailureKind.CORRUPT if damaged.is_bomb else FailureKind.TRUNCATED,
                    f"{damaged.path}: {damaged.damage}, and {request.clip_id} is not before that",
                )
            raise failure_of(request, found, self.pattern)
        index, member = self._member(held)
        archive = self._archives[index]
        size = archive.unpack(member, target)
        where = f"{archive.path}/{shown(member)}"
        offset = offset_in(target, held, request, where)
        return Fetched(offset, size, where, {"mode": "unpacked", "size": size})

    def _member(self, held: Held) -> tuple[int, str]:
        """Return which archive a file is in, and its name there."""
        for index, archive in enumerate(self._archives):
            if held.name.startswith(f"{archive.path}/"):
                return index, held.name.removeprefix(f"{archive.path}/")
        raise AssertionError(held.name)

    def _expect(self, clip_ids: Iterable[str]) -> None:
        """Tell the archives what will be asked for."""
        assert self._found is not None
        times: list[Counter[str]] = [Counter() for _ in self._archives]
        for clip_id in clip_ids:
            if held := self._found.clips.get(clip_id):
                index, member = self._member(held)
                times[index][member] += 1
        for archive, expected in zip(self._archives, times, strict=True):
            archive.expect(expected)


def _files(pattern: str) -> list[Path]:
    """Return the files that a path or a pattern stands for, in order."""
    path = Path(os.path.expanduser(pattern)).absolute()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise VggssError(f"{path}: a folder; give --source dir:{pattern}, or 'archive:{pattern}/*'")
    listed = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
    files = [p for p in listed if p.is_file()]
    if not files:
        raise VggssError(
            f"{pattern}: no such file; give --source archive:PATH the archive of clips"
        )
    return files
