"""The published format of VGG-SS: a list of ``{"file", "class", "bbox"}``, one entry a clip.

``bbox`` is a list of ``[xmin, ymin, xmax, ymax]`` in fractions of the frame, y down. The schema is
``annotations/vggss_json.schema.json``; what is known about the published file, its checksum and
its broken boxes included, is ``annotations/vggss_json.yaml``.

Boxes are kept raw, as four floats: 18 boxes of the published file have no area or a coordinate of
-2.9e16, and a reader that mended them would change the benchmark.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vggss_tools.annotate.json_values import cause, is_number_row, shown
from vggss_tools.atomic import write_text_atomic
from vggss_tools.classes import UnknownClass, check_class
from vggss_tools.errors import InvalidInput, VggssError, not_readable

RawBox = tuple[float, float, float, float]
BoxDefect = Literal["sentinel", "empty_box"]

PUBLISHED_NAME = "vgg-ss"
PUBLISHED_SHA256 = "ae300b4a259267e6fe839970d495862edd70bfe3da63d925bcdb34054ed3b15e"

# The name of a clip becomes a file's name, so no separators, and no dot at the start.
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")


@dataclass(frozen=True, slots=True)
class Entry:
    """The boxes of one clip.

    Attributes
    ----------
    file : str
        Clip id, ``<youtube_id>_<start seconds, 6 digits>`` in VGG-SS.
    label : str
        Sound class; ``class`` in the file.
    boxes : tuple of (xmin, ymin, xmax, ymax)
        As they stand in the file, broken ones included.
    """

    file: str
    label: str
    boxes: tuple[RawBox, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """A file of annotations, and which one it is.

    Attributes
    ----------
    name : str
        The release's name; ``vgg-ss`` for the published file, wherever it lies; else the file's
        name.
    sha256 : str
        Of the file's bytes.
    entries : tuple of Entry
        In the file's order.
    """

    name: str
    sha256: str
    entries: tuple[Entry, ...]

    def class_counts(self) -> dict[str, int]:
        """Return the number of clips of each class, most first, then by name."""
        counts = Counter(entry.label for entry in self.entries)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def n_boxes(self) -> int:
        """Number of boxes, broken ones included."""
        return sum(len(entry.boxes) for entry in self.entries)


def box_defect(box: RawBox) -> BoxDefect | None:
    """Say what is wrong with a raw box, if anything.

    ``sentinel``: a coordinate outside the frame (in the published file the smallest 64-bit
    integer, divided by a width of 320); ``empty_box``: no width or no height.
    """
    xmin, ymin, xmax, ymax = box
    if min(box) < 0 or max(box) > 1:
        return "sentinel"
    if xmin >= xmax or ymin >= ymax:
        return "empty_box"
    return None


def read_vggss_json(
    path: Path | str,
    *,
    check_classes: bool = False,
    repeated_files: bool = False,
    repeated_entries: bool = False,
) -> Annotations:
    """Read a file of the published format, whole or not at all.

    Parameters
    ----------
    check_classes : bool
        Refuse classes that VGG-Sound does not have.
    repeated_files : bool
        Let a clip have several entries, one a class (``silent.json`` of a release).
    repeated_entries : bool
        Let everything stand twice, for an audit.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is refused; the message names the file, the entry (counted from 0) and the cause.
        With ``check_classes``, ``UnknownClass`` at a class that VGG-Sound does not have.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give an annotation file (vggss.json)") from None
    except IsADirectoryError:
        raise VggssError(f"{path}: a folder; give the vggss.json inside it") from None
    except OSError as error:
        raise not_readable(path, error) from None

    entries: list[Entry] = []
    seen: dict[tuple[str, str], int] = {}
    for index, item in enumerate(_items(data, path)):
        try:
            entry = _entry(item)
            if check_classes:
                check_class(entry.label)
        except UnknownClass as error:
            raise UnknownClass(f"{path}: entry {index}: {entry.file}: {error.message}") from None
        except ValueError as error:
            raise InvalidInput(f"{path}: entry {index}: {error}") from None
        key = (entry.file, entry.label if repeated_files else "")
        if key in seen and not repeated_entries:
            raise InvalidInput(
                f"{path}: entry {index}: {entry.file} stands there already, as entry {seen[key]}; "
                "keep one of them"
            )
        seen.setdefault(key, index)
        entries.append(entry)
    sha256 = hashlib.sha256(data).hexdigest()
    return Annotations(_name(path, sha256), sha256, tuple(entries))


def format_vggss_json(entries: Iterable[Entry]) -> str:
    """Return the text of a file: sorted by clip and class, one entry a line, so that it diffs.

    Equal entries give equal bytes, whatever their order.

    Raises
    ------
    ValueError
        At a coordinate that is not finite.
    """
    ordered = sorted(entries, key=lambda entry: (entry.file, entry.label))
    lines = [
        json.dumps(
            {
                "file": entry.file,
                "class": entry.label,
                "bbox": [[float(value) for value in box] for box in entry.boxes],
            },
            ensure_ascii=False,
            allow_nan=False,
        )
        for entry in ordered
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def write_vggss_json(path: Path | str, entries: Iterable[Entry]) -> None:
    """Write a file of the published format, whole or not at all (see ``format_vggss_json``)."""
    write_text_atomic(path, format_vggss_json(entries))


def _items(data: bytes, path: Path) -> list[Any]:
    remedy = "give a file of the published VGG-SS format (annotations/vggss_json.schema.json)"
    try:
        items = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not JSON ({cause(error)}); {remedy}") from None
    if not isinstance(items, list):
        raise InvalidInput(f"{path}: holds no list of entries; {remedy}")
    return items


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says two things under one key; JSON itself would keep the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict):
        raise ValueError("not an object with file, class and bbox")
    missing = [key for key in ("file", "class", "bbox") if key not in item]
    if missing:
        raise ValueError(f"no {' and no '.join(missing)}; each entry has file, class and bbox")
    file, label, boxes = item["file"], item["class"], item["bbox"]
    if not isinstance(file, str) or not _FILE.fullmatch(file):
        raise ValueError(
            f"file {shown(file)} is not a clip id such as 'zpWuikVorYg_000032' "
            "(no folders, no suffix)"
        )
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        raise ValueError(f"{file}: class {shown(label)} is not a class name")
    if not isinstance(boxes, list) or not boxes:
        raise ValueError(f"{file}: bbox is not a list of at least one box")
    for index, box in enumerate(boxes):
        if not is_number_row(box):
            raise ValueError(
                f"{file}: box {index} is {shown(box)}, not four finite numbers "
                "[xmin, ymin, xmax, ymax]"
            )
    return Entry(
        file, label, tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes)
    )


def _name(path: Path, sha256: str) -> str:
    if sha256 == PUBLISHED_SHA256:
        return PUBLISHED_NAME
    if path.with_name("release.json").is_file():
        return path.absolute().parent.name
    return path.name
