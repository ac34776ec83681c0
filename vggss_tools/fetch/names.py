"""Recognising clips in the names of files that people already have.

Read are, inside any folders and with any media suffix:

==============================  =========================================================
``<id>_<start, 6 digits>``      the clip (VGG-Sound's own name)
``<id>_<start_ms>_<end_ms>``    the clip, both ends in milliseconds
``<id>_<start>``                the clip, its start in seconds without leading zeros
``<id>``                        a whole video, or the one clip of it that is asked for
==============================  =========================================================

A YouTube id may itself hold ``_`` and start with ``-``. A name is therefore not cut at a place
that looks right: it is read in every way, and the reading counts that is among the clips asked
for. Where two readings are, or two files claim one clip, nothing is chosen: that is reported.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from vggss_tools.clips import CLIP_SECONDS, Clip

# Suffixes of containers that FFmpeg reads; what has another is no media file.
MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "3gp", "3g2", "f4v", "mkv", "webm", "avi", "flv", "wmv", "asf"),
        *("mpg", "mpeg", "m1v", "m2v", "vob", "ts", "mts", "m2ts", "ogv", "ogg", "rm", "rmvb"),
        *("mxf", "gif"),
    )
)
# Written by yt-dlp and browsers while they are not done.
UNFINISHED_SUFFIXES = frozenset((".part", ".ytdl", ".crdownload", ".tmp", ".temp"))

_MILLISECONDS = re.compile(r"(?P<video>.+)_(?P<start>\d{1,10})_(?P<end>\d{1,10})")
_SECONDS = re.compile(r"(?P<video>.+)_(?P<start>\d{1,6})(\.0+)?")
_CLIP_LIKE = re.compile(r"[A-Za-z0-9_-]{11}(_\d{1,10}){0,2}")


class Holding(StrEnum):
    """What a recognised file holds."""

    CLIP = "clip"
    VIDEO = "video"  # whole, or the one clip of it that is asked for: its length tells


@dataclass(frozen=True, slots=True)
class Held:
    """A file that holds a clip.

    Attributes
    ----------
    name : str
        Path of the file in its folder or archive.
    holding : Holding
    only : bool
        Whether no other clip of the same video is asked for.
    """

    name: str
    holding: Holding
    only: bool = True


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the names of many files came to.

    Attributes
    ----------
    clips : dict
        Clip id -> the file that holds it.
    ambiguous : dict
        Clip id -> why none of the files that claim it was taken, in one line.
    not_asked_for : int
        Files with the name of a clip or video that nobody asked for.
    unrecognised : tuple of str
        Media files whose names say nothing, sorted.
    other : int
        Files that are no media, and unfinished downloads.
    """

    clips: Mapping[str, Held]
    ambiguous: Mapping[str, str]
    not_asked_for: int = 0
    unrecognised: tuple[str, ...] = ()
    other: int = 0

    def summary(self) -> list[str]:
        """Say what was found, one line for each thing; unrecognised names by example."""
        lines = [f"clips found: {len(self.clips):,}"]
        if self.not_asked_for:
            lines.append(f"of clips that were not asked for: {self.not_asked_for:,} file(s)")
        if self.unrecognised:
            lines.append(
                f"not recognised: {len(self.unrecognised):,} media file(s), such as "
                f"{', '.join(self.unrecognised[:3])}"
            )
        lines += [f"ambiguous: {reason}" for reason in list(self.ambiguous.values())[:3]]
        if len(self.ambiguous) > 3:
            lines.append(f"ambiguous: {len(self.ambiguous) - 3:,} more")
        return lines

    def as_json(self) -> dict[str, object]:
        """Counts, and the names that nobody could read."""
        return {
            "clips": len(self.clips),
            "not_asked_for": self.not_asked_for,
            "unrecognised": list(self.unrecognised),
            "ambiguous": dict(sorted(self.ambiguous.items())),
            "other": self.other,
        }


def recognise(names: Iterable[str], clips: Iterable[Clip]) -> Recognised:
    """Find the clips that are asked for among the names of files.

    Parameters
    ----------
    names : paths with ``/``, relative to their folder or archive
    clips : the clips that are asked for
    """
    wanted = _Wanted(clips)
    claims: dict[str, list[Held]] = defaultdict(list)
    doubtful: dict[str, str] = {}
    not_asked_for = other = 0
    unrecognised: list[str] = []
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))  # as some programs write into zip files
        suffix = path.suffix.lower()
        if (
            suffix in UNFINISHED_SUFFIXES
            or path.name.startswith(".")
            or (suffix not in MEDIA_SUFFIXES)
        ):
            other += 1
            continue
        found = dict(wanted.readings(path.stem))
        exact = {clip for clip, holding in found.items() if holding is Holding.CLIP}
        if len(exact) > 1 or (exact and len(found) > len(exact)):
            reason = f"{shown(name)}: may be any of {', '.join(sorted(found))}; rename it"
            doubtful.update(dict.fromkeys(found, reason))
        elif found:
            for clip, holding in found.items():
                claims[clip].append(Held(name, holding, len(found) == 1))
        elif _CLIP_LIKE.fullmatch(path.stem):
            not_asked_for += 1
        else:
            unrecognised.append(shown(name))
    held: dict[str, Held] = {}
    for clip, files in claims.items():
        # A file of just this clip is named for it; a whole video that is there too changes nothing.
        best = [f for f in files if f.holding is Holding.CLIP] or files
        if len(best) == 1 and clip not in doubtful:
            held[clip] = best[0]
        elif len(best) > 1:
            listed = ", ".join(sorted(shown(f.name) for f in best)[:3])
            doubtful[clip] = f"{clip}: {len(best)} files claim it ({listed}); remove all but one"
    return Recognised(held, doubtful, not_asked_for, tuple(sorted(unrecognised)), other)


def shown(name: str) -> str:
    """Return a name for a message: whoever chose it, it stays one line of plain text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


@dataclass(frozen=True)
class _Wanted:
    """The clips that are asked for, by id and by video."""

    asked: Iterable[Clip]
    ids: set[str] = field(default_factory=set)
    of_video: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for clip in self.asked:
            self.ids.add(clip.clip_id)
            self.of_video[clip.clip_id[:-7]].append(clip.clip_id)  # all but `_<6 digits>`

    def readings(self, stem: str) -> Iterator[tuple[str, Holding]]:
        """Yield each clip that a name may stand for."""
        if stem in self.ids:
            yield stem, Holding.CLIP
        ends = _MILLISECONDS.fullmatch(stem)
        if ends is not None:
            start, end = int(ends["start"]), int(ends["end"])
            clip = f"{ends['video']}_{start // 1000:06d}"
            # No longer than a clip; shorter where the video ends before.
            short = start < end <= start + CLIP_SECONDS * 1000
            if short and start % 1000 == 0 and clip in self.ids:
                yield clip, Holding.CLIP
        second = _SECONDS.fullmatch(stem)
        if second is not None:
            clip = f"{second['video']}_{int(second['start']):06d}"
            if clip != stem and clip in self.ids:
                yield clip, Holding.CLIP
        for clip in self.of_video.get(stem, ()):
            yield clip, Holding.VIDEO
