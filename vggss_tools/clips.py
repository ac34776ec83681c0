"""Clips: ten seconds of a YouTube video with a class label and a split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vggss_tools.atomic import atomic_path
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.many_objects import no_search_for_circles

# VGG-Sound's own length of a clip, in seconds.
CLIP_SECONDS = 10.0

# What may stand in a clip id: it becomes a file name, so no separators and no dot at the start.
_CLIP_ID = re.compile(r"(?P<video>[A-Za-z0-9_-]+)_(?P<start>\d{6})")
COLUMNS = ("clip_id", "label", "split")


def parse_clip_id(clip_id: str) -> tuple[str, int]:
    """Split ``<youtube_id>_<start, 6 digits>`` into the video's id and the start in seconds.

    YouTube ids may themselves hold ``_`` and start with ``-``, so the split is from the right.

    Raises
    ------
    ValueError
        If ``clip_id`` has another form.
    """
    match = _CLIP_ID.fullmatch(clip_id)
    if match is None:
        raise ValueError(f"{clip_id!r} is not a clip id of the form <youtube_id>_<start:06d>")
    return match["video"], int(match["start"])


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip.

    Attributes
    ----------
    clip_id : str
        ``<youtube_id>_<start seconds, 6 digits>``.
    label : str
        Sound class, spelt as VGG-Sound spells it.
    split : str
        ``train`` or ``test``.
    """

    clip_id: str
    label: str
    split: str

    def __post_init__(self) -> None:
        parse_clip_id(self.clip_id)

    @property
    def youtube_id(self) -> str:
        """The video's id."""
        return parse_clip_id(self.clip_id)[0]

    @property
    def start(self) -> int:
        """Where in the video the clip starts, in seconds."""
        return parse_clip_id(self.clip_id)[1]


@no_search_for_circles()
def read_clips(path: Path | str) -> list[Clip]:
    """Read a clip table (Parquet, columns ``clip_id, label, split``) in its own order.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is not such a table, or holds a malformed or a repeated id.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise VggssError(f"{path}: no such clip table; make one with `vggss sample DIR`")
    try:
        table = pq.read_table(path)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"{path}: not a readable Parquet file ({reason}); make it again or restore a copy"
        ) from None
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InvalidInput(
            f"{path}: no column {', '.join(missing)}; a clip table has {', '.join(COLUMNS)}"
        )
    clips: list[Clip] = []
    seen: set[str] = set()
    for row in zip(*(table[name].to_pylist() for name in COLUMNS), strict=True):
        try:
            clip = Clip(*map(str, row))
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}; correct that row") from None
        if clip.clip_id in seen:
            raise InvalidInput(f"{path}: {clip.clip_id} stands there twice; remove one of the rows")
        seen.add(clip.clip_id)
        clips.append(clip)
    return clips


def write_clips(path: Path | str, clips: Iterable[Clip]) -> None:
    """Write a clip table atomically, in the given order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(clips)
    table = pa.table(
        {name: pa.array([getattr(c, name) for c in rows], pa.string()) for name in COLUMNS}
    )
    with atomic_path(path) as part:
        pq.write_table(table, part)
