"""Lists of clips in every form in which the field publishes them.

Read are plain lists and tables (``.txt``, ``.csv``), JSON annotation files and Parquet clip
tables; what a file holds is told by its content, not by its name. An id may stand with folders
and a media suffix (``videos/0/2615133000.mp4``), as ``<youtube_id>,<start>`` in two columns
(VGG-Sound's ``vggsound.csv``), or with both ends in milliseconds
(``<youtube_id>_30000_40000``). All become ``<youtube_id>_<start seconds, 6 digits>``; other ids,
such as the photo ids of Flickr-SoundNet, stay as they are.

Published lists have damaged lines (CIGN's hold ``-`` for ids). Up to one row in a hundred may be
no id: it is passed over, counted and named. A file with more is no list of clips.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vggss_tools.clips import parse_clip_id
from vggss_tools.errors import InvalidInput, VggssError, not_readable

ListForm = Literal["text", "json", "parquet"]

YOUTUBE_ID = 11  # characters of a YouTube id
DAMAGED_ROWS = 0.01  # share of rows that may be no id

# Columns by their headers, in the order in which they are looked for.
_VIDEO_COLUMNS = ("ytid", "youtube_id", "youtube id", "yt_id", "video_id")
_START_COLUMNS = ("start", "start_seconds", "start seconds", "start_time", "time")
_ID_COLUMNS = ("clip_id", "file", "id", "clip", "filename", "file_name", "name", "video", "image")
_MORE_COLUMNS = ("audio", "sound", "audio_id")
_LABEL_COLUMNS = ("label", "class", "category")
_SPLIT_COLUMNS = ("split", "set", "subset")
_SPLITS = {"train", "val", "valid", "validation", "dev", "test", "eval"}
_HEADERS = {*_VIDEO_COLUMNS, *_START_COLUMNS, *_ID_COLUMNS, *_LABEL_COLUMNS, *_SPLIT_COLUMNS}

_SUFFIX = re.compile(
    r"\.(jpe?g|png|bmp|webp|mp4|mkv|webm|avi|mov|wav|mp3|m4a|flac|ogg|npy)\Z", re.IGNORECASE
)
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")
_CLIP = re.compile(r"[A-Za-z0-9_-]{11}_[0-9]{6}")
_MILLISECONDS = re.compile(r"(?P<video>[A-Za-z0-9_-]{11})_(?P<start>[0-9]+)_(?P<end>[0-9]+)")
_SECONDS = re.compile(r"[0-9]{1,6}(\.0*)?")

_REMEDY = (
    "correct it, or give a list of clip ids, a csv with such a column, a vggss.json or a "
    "clips.parquet"
)


@dataclass(frozen=True, slots=True)
class ClipList:
    """A list of clips.

    Attributes
    ----------
    name : str
        The file's name, without its folder.
    sha256 : str
        Of the file's bytes.
    form : {"text", "json", "parquet"}
    ids : tuple of str
        The clips, each once, in the file's order. Where a row names several (another clip's
        sound, a second source), all of them, in the row's order.
    duplicates : tuple of str
        Clips that several rows begin with, sorted.
    labels, splits : dict
        Clip -> class, clip -> split, where the list says them (the first time).
    conflicts : tuple of str
        Clips that the list gives two different classes or splits, sorted.
    n_rows : int
        Rows that name a clip.
    notes : tuple of str
        What was passed over: header, blank lines, comments, and rows that are no id.
    data : bytes
        The file itself.
    """

    name: str
    sha256: str
    form: ListForm
    ids: tuple[str, ...]
    duplicates: tuple[str, ...]
    labels: Mapping[str, str]
    splits: Mapping[str, str]
    conflicts: tuple[str, ...]
    n_rows: int
    notes: tuple[str, ...]
    data: bytes = field(repr=False)

    def without(self, clips: Collection[str]) -> bytes:
        """Return the file without the rows that name one of ``clips``; what stays is unchanged.

        Text keeps its lines, header, comments and line ends; JSON and Parquet keep entries,
        columns and order.

        Raises
        ------
        InvalidInput
            If no row would be left.
        """
        drop = set(clips)
        if drop.issuperset(self.ids):
            raise InvalidInput(f"{self.name}: no clip would be left of the list; nothing to write")
        return _WITHOUT[self.form](self.data, drop)


@dataclass(frozen=True, slots=True)
class _Row:
    """What one row says; without ``ids``, what it is instead (``kind``) or lacks (``fault``)."""

    ids: tuple[str, ...] = ()
    label: str | None = None
    split: str | None = None
    kind: str = ""
    fault: str = ""


def clip_id_of(text: str, *, any_name: bool = False) -> str:
    """Return the clip that a path, a file name or an id is about.

    Folders and a media suffix are dropped, and two ends in milliseconds become the start in
    seconds: ``frames/gklbB7TYoK4_30000_40000.jpg`` is ``gklbB7TYoK4_000030``.

    Parameters
    ----------
    any_name : bool
        Take a name without a digit as well. In a plain list every word would be one.

    Raises
    ------
    ValueError
        If the text is no id: an id has letters, digits, ``_``, ``-`` and ``.`` only, and a digit
        or the length of a YouTube id.
    """
    name = _SUFFIX.sub("", re.split(r"[/\\]", text.strip())[-1])
    if _CLIP.fullmatch(name):
        return name
    sign = str.isalnum if any_name else str.isdigit
    known = len(name) == YOUTUBE_ID or any(map(sign, name))
    if not known or not _ID.fullmatch(name):
        raise ValueError(f"{_shown(text)} is not a clip id")
    ends = _MILLISECONDS.fullmatch(name)
    if ends is not None:
        start, end = int(ends["start"]), int(ends["end"])
        # At most ten seconds, whole ones: other ids have numbers at their end as well.
        if start < end <= start + 10_000 and start % 1000 == end % 1000 == 0:
            return f"{ends['video']}_{start // 1000:06d}"
    return name


def video_of(clip_id: str) -> str | None:
    """Return the YouTube id of a clip id, or None where the id does not hold one.

    Besides clip ids (split from the right), a bare YouTube id is its own video, and eleven
    characters before a ``_`` are one (``HnUOaSfTA6c_000_00000``); a photo id has none.
    """
    try:
        return parse_clip_id(clip_id)[0]
    except ValueError:
        head, tail = clip_id[:YOUTUBE_ID], clip_id[YOUTUBE_ID:]
    if len(head) < YOUTUBE_ID or head.isdigit() or (tail and not tail.startswith("_")):
        return None
    return head


def read_clip_list(path: Path | str) -> ClipList:
    """Read a list of clips in any of the field's forms (see above).

    Returns
    -------
    ClipList

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is no list of clips; the message names the file, the line and the cause.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give a list of clips") from None
    except IsADirectoryError:
        raise VggssError(f"{path}: a folder; give a list of clips that is in it") from None
    except OSError as error:
        raise not_readable(path, error) from None
    form = _form(data)
    try:
        return _gather(path.name, data, form, _ROWS[form](data))
    except (ValueError, RecursionError, csv.Error) as error:
        raise InvalidInput(f"{path}: {' '.join(str(error).split())}; {_REMEDY}") from None


def _form(data: bytes) -> ListForm:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "json" if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{") else "text"


def _gather(name: str, data: bytes, form: ListForm, rows: Iterable[_Row]) -> ClipList:
    ids: dict[str, None] = {}
    first: Counter[str] = Counter()
    labels: dict[str, str] = {}
    splits: dict[str, str] = {}
    conflicts: set[str] = set()
    passed_over: Counter[str] = Counter()
    faults: list[str] = []
    for row in rows:
        if row.fault:
            faults.append(row.fault)
            if not ids and len(faults) > 100:
                break  # no list at all
            continue
        if not row.ids:
            passed_over[row.kind] += 1
            continue
        ids.update(dict.fromkeys(row.ids))
        clip = row.ids[0]
        first[clip] += 1
        for said, known in ((row.label, labels), (row.split, splits)):
            if said is not None and known.setdefault(clip, said) != said:
                conflicts.add(clip)
    if faults and len(faults) > DAMAGED_ROWS * (len(faults) + first.total()):
        raise ValueError(faults[0])
    if not ids:
        raise ValueError("no clip ids in it")
    notes = [f"passed over: {n} {kind}" for kind, n in sorted(passed_over.items())]
    if faults:
        notes.append(f"passed over: {len(faults)} row(s) that are no id; {faults[0]}")
    return ClipList(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        form=form,
        ids=tuple(ids),
        duplicates=tuple(sorted(clip for clip, times in first.items() if times > 1)),
        labels=labels,
        splits=splits,
        conflicts=tuple(sorted(conflicts)),
        n_rows=first.total(),
        notes=tuple(notes),
        data=data,
    )


# ---------------------------------------------------------------------------------------- text


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a table hold what."""

    clip: int = 0
    start: int | None = None
    more: int | None = None
    label: int | None = None
    split: int | None = None
    named: bool = False  # by a header, so that whatever stands there is meant as an id


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if "\0" in text:
        raise ValueError("not text, it holds zero bytes")
    return text


def _lines(data: bytes) -> list[str]:
    """Return the lines with their ends; only real ends of lines count, not form feeds."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", _text(data))


def _text_rows(data: bytes) -> Iterator[_Row]:
    """Yield one row for each line."""
    columns: _Columns | None = None
    for number, line in enumerate(_lines(data), 1):
        stripped = line.strip()
        if not stripped:
            yield _Row(kind="blank line(s)")
        elif stripped.startswith("#"):
            yield _Row(kind="comment line(s)")
        else:
            cells = _cells(stripped)
            if columns is None:
                columns = _columns_by_header(cells)
                if columns is not None:
                    yield _Row(kind="header line(s)")
                    continue
                columns = _columns_by_content(cells)
            yield _row(cells, columns, f"line {number}")


def _cells(line: str) -> list[str]:
    if "," not in line and "\t" not in line and '"' not in line:
        return [line]
    delimiter = "\t" if "\t" in line else ","
    if '"' not in line:  # as csv reads it, but by the 100,000 a second
        return [cell.strip() for cell in line.split(delimiter)]
    return [
        cell.strip()
        for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    ]


def _columns_by_header(cells: Sequence[str]) -> _Columns | None:
    """Read the first line as a header, if it is one."""
    names = [cell.casefold() for cell in cells]
    if not _HEADERS.intersection(names) or any(re.search(r"\d", name) for name in names[:1]):
        return None

    def find(wanted: Sequence[str]) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    video, start, clip = find(_VIDEO_COLUMNS), find(_START_COLUMNS), find(_ID_COLUMNS)
    if clip is None or (video is not None and start is not None):
        clip = video
    if clip is None:
        raise ValueError(f"no column of clip ids under the header {_shown(','.join(cells))}")
    more = find(_MORE_COLUMNS) if names[clip] in ("video", "image") else None
    return _Columns(clip, start, more, find(_LABEL_COLUMNS), find(_SPLIT_COLUMNS), named=True)


def _columns_by_content(cells: Sequence[str]) -> _Columns:
    """Tell the columns of a table without a header by its first row."""
    n = len(cells)
    second = cells[1] if n > 1 else ""
    if len(cells[0]) == YOUTUBE_ID and not cells[0].isdigit() and _SECONDS.fullmatch(second):
        # VGG-Sound: video, start, label, split; AudioSet: video, start, end, labels.
        ends = n > 2 and re.fullmatch(r"[0-9]+(\.[0-9]+)?", cells[2])
        if ends:
            return _Columns(start=1, label=3 if n > 3 else None)
        return _Columns(start=1, label=2 if n > 2 else None, split=3 if n > 3 else None)
    if n > 2 and _CLIP.fullmatch(cells[2]):
        return _Columns(label=1, more=2)  # two sources: clip, label, clip, label
    # A number in the second column of the Flickr lists means nothing.
    label = None if n < 2 or second.isdigit() else 1
    splits = n > 2 and cells[2].casefold() in _SPLITS
    return _Columns(label=label, split=2 if splits else None)


def _row(cells: Sequence[str], columns: _Columns, where: str) -> _Row:
    def cell(index: int | None) -> str:
        return cells[index] if index is not None and index < len(cells) else ""

    try:
        clip = cell(columns.clip)
        if columns.start is not None and (
            len(clip) == YOUTUBE_ID or not _CLIP.fullmatch(_SUFFIX.sub("", clip))
        ):
            clip = _clip_of_start(clip, cell(columns.start))
        else:
            clip = clip_id_of(clip, any_name=columns.named)
        ids = [clip]
        if columns.more is not None:
            ids.append(clip_id_of(cell(columns.more), any_name=columns.named))
    except ValueError as error:
        return _Row(fault=f"{where}: {error}")
    distinct = tuple(dict.fromkeys(ids))
    return _Row(distinct, cell(columns.label) or None, cell(columns.split) or None)


def _clip_of_start(video: str, start: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", video):
        raise ValueError(f"{_shown(video)} is not a YouTube id")
    if not _SECONDS.fullmatch(start):
        raise ValueError(f"{video}: start {_shown(start)} is not a whole number of seconds")
    return f"{video}_{int(float(start)):06d}"


def _text_without(data: bytes, drop: set[str]) -> bytes:
    mark = b"\xef\xbb\xbf"
    lines = zip(_lines(data), _text_rows(data), strict=True)
    kept = "".join(line for line, row in lines if drop.isdisjoint(row.ids))
    return (mark if data.startswith(mark) else b"") + kept.encode("utf-8")


# ---------------------------------------------------------------------------------------- JSON


def _json_items(data: bytes) -> list[Any]:
    try:
        items = json.loads(_text(data))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(items, list):
        raise ValueError("JSON, but no list of entries")
    return items


def _json_rows(data: bytes) -> Iterator[_Row]:
    """Yield one row for each entry: an id, or an object that has one."""
    for index, item in enumerate(_json_items(data)):
        named = item if isinstance(item, dict) else {"id": item}
        said = {key: value for key, value in named.items() if isinstance(value, str)}
        found = next((said[key] for key in _ID_COLUMNS if key in said), None)
        label = next((said[key] for key in _LABEL_COLUMNS if key in said), None)
        if found is None:
            yield _Row(fault=f"entry {index}: no clip id ({', '.join(_ID_COLUMNS)}) in it")
            continue
        try:
            clip = clip_id_of(found, any_name=isinstance(item, dict))
        except ValueError as error:
            yield _Row(fault=f"entry {index}: {error}")
            continue
        yield _Row((clip,), label, said.get("split"))


def _json_without(data: bytes, drop: set[str]) -> bytes:
    rows = zip(_json_items(data), _json_rows(data), strict=True)
    kept = [json.dumps(item, ensure_ascii=False) for item, row in rows if drop.isdisjoint(row.ids)]
    return ("[\n" + ",\n".join(kept) + "\n]\n").encode("utf-8")


# ------------------------------------------------------------------------------------- Parquet


def _parquet_table(data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"not a readable Parquet file ({str(error).splitlines()[0]})") from None


def _parquet_rows(data: bytes) -> Iterator[_Row]:
    table = _parquet_table(data)
    columns = _columns_by_header(table.column_names)
    if columns is None:
        raise ValueError("no column of clip ids in the table")
    values = [[_said(value) for value in column.to_pylist()] for column in table.columns]
    for index, cells in enumerate(zip(*values, strict=True)):
        yield _row(cells, columns, f"row {index}")


def _parquet_without(data: bytes, drop: set[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    keep = pa.array([drop.isdisjoint(row.ids) for row in _parquet_rows(data)])
    sink = pa.BufferOutputStream()
    pq.write_table(_parquet_table(data).filter(keep), sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def _shown(text: str) -> str:
    shown = ascii(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


_ROWS = {"text": _text_rows, "json": _json_rows, "parquet": _parquet_rows}
_WITHOUT = {"text": _text_without, "json": _json_without, "parquet": _parquet_without}
