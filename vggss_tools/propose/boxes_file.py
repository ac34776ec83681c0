"""Detector ``boxes:FILE``: detections that were made elsewhere.

``boxes:FILE.parquet``
    columns ``clip_id, xmin, ymin, xmax, ymax`` (fractions of the frame), ``score``,
    ``detector_class``, as in ``proposals.parquet``;
``boxes:FILE.json``
    COCO results: a list of ``{image_id, category_id or category, bbox, score}`` with ``bbox`` =
    ``[x, y, width, height]`` in pixels; or a whole COCO file whose annotations have a ``score``;
``boxes:FILE.json,COCO.json``
    results, and the COCO file that names their images and categories.

An ``image_id`` is the clip's id, or, by way of a COCO file, the ``file_name`` that has it. Sizes
come from the COCO file, or else from the frames.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from vggss_tools.boxes import Box
from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput, VggssError, not_readable
from vggss_tools.propose.detector import Detection, DetectorCard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "boxes"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Row:
    """One detection as the file has it: fractions, or ``x, y, width, height`` in pixels."""

    place: int
    label: str
    score: float
    values: tuple[float, float, float, float]
    pixels: bool


@dataclass(frozen=True)
class _Content:
    """What the file says.

    Attributes
    ----------
    sizes : dict
        Clip → ``(width, height)``, where the file says it.
    listed : frozenset or None
        The clips that were looked at; None where the file lists only what was found.
    """

    classes: tuple[str, ...]
    rows: dict[str, list[_Row]]
    sizes: dict[str, tuple[float, float]] = field(default_factory=dict)
    listed: frozenset[str] | None = None


class BoxesFile:
    """Detections by clip."""

    def __init__(self, card: DetectorCard, content: _Content, path: Path) -> None:
        self.card = card
        self.path = path
        self._content = content
        self.needs_frames = any(
            clip not in content.sizes
            for clip, rows in content.rows.items()
            if any(row.pixels for row in rows)
        )

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Refuse: a file knows clips and no pictures."""
        raise VggssError(
            f"{self.path}: a file of detections goes by clips; ask it with detections_of()"
        )

    def detections_of(self, clip_id: str, frame_size: tuple[int, int] | None) -> list[Detection]:
        """Return the clip's detections, best score first."""
        content = self._content
        if content.listed is not None and clip_id not in content.listed:
            raise ClipFailure(
                FailureKind.NOT_FOUND,
                f"{self.path}: has no image of {clip_id}; detect that clip as well",
            )
        size = content.sizes.get(clip_id, frame_size)
        found = []
        skipped: list[_Row] = []
        for row in content.rows.get(clip_id, ()):
            try:
                found.append(Detection(_box(row, size), row.label, row.score))
            except ValueError:
                skipped.append(row)
        if skipped:
            sys.stderr.write(self._note(clip_id, skipped, size) + "\n")
        return sorted(found, key=lambda d: (-d.score, d.label, d.box))

    def _note(self, clip_id: str, skipped: Sequence[_Row], size: tuple[float, float] | None) -> str:
        """Say what was left out, in the file's own numbers."""
        first = skipped[0]
        frame = "" if size is None else f" in a frame of {size[0]:g} x {size[1]:g}"
        return (
            f"{self.path}: {clip_id}: {len(skipped)} of {len(self._content.rows[clip_id])} boxes "
            "skipped, which have no area or lie outside of the frame (the first: entry "
            f"{first.place}, {_shown([_plain(value) for value in first.values])}{frame})"
        )


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _box(row: _Row, size: tuple[float, float] | None) -> Box:
    if not row.pixels:
        return Box(*row.values)
    assert size is not None, "sizes come from the file or from the frames"
    x, y, width, height = row.values
    return Box.from_pixels(x, y, x + width, y + height, *size)  # type: ignore[arg-type]


def describe(argument: str | None) -> DetectorCard:
    """Return the card of ``boxes:FILE``: the classes in the file, and its checksum.

    Raises
    ------
    VggssError
        If no file is named, or it is not there.
    InvalidInput
        If it is no such file; the message names the entry.
    """
    return _read(*_paths(argument))[0]


def load(argument: str | None, device: str) -> BoxesFile:
    """Read ``boxes:FILE``; the device is of no interest."""
    paths = _paths(argument)
    return BoxesFile(*_read(*paths), paths[0])


def check_clips(argument: str | None, clip_ids: Collection[str]) -> None:
    """Make sure that a file of detections is of these clips at all.

    Raises
    ------
    InvalidInput
        If it names other clips and none of these.
    """
    path, coco = _paths(argument)
    _, content = _read(path, coco)
    named = content.listed or content.rows.keys()
    if named and not any(clip in clip_ids for clip in named):
        raise InvalidInput(
            f"{path}: none of its {len(named)} images is a clip of this data directory (such as "
            f"{_shown(min(named))}); give the clips' ids as image_id"
        )


def _paths(argument: str | None) -> tuple[Path, Path | None]:
    """Split ``FILE`` or ``FILE,COCO``; a comma may also be part of one name."""
    if not argument:
        raise VggssError("boxes: name the file of detections, as in --detector boxes:FILE")
    if Path(argument).is_file() or "," not in argument:
        return Path(argument), None
    results, _, coco = argument.rpartition(",")
    return Path(results), Path(coco)


def _read(path: Path, coco: Path | None) -> tuple[DetectorCard, _Content]:
    contents = []
    for one in (path, coco):
        try:
            contents.append(one.read_bytes() if one is not None else b"")
        except (FileNotFoundError, NotADirectoryError):
            raise VggssError(f"{one}: no such file of detections; check --detector") from None
        except OSError as error:
            raise not_readable(one or path, error) from None
    fingerprint = hashlib.sha256(contents[0])
    if coco is not None:
        fingerprint.update(hashlib.sha256(contents[1]).digest())
    digest = fingerprint.hexdigest()
    content = _parse(digest, contents[0], contents[1], path, coco)
    return DetectorCard(NAME, content.classes, digest), content


_cache: dict[str, _Content] = {}


def _parse(
    digest: str, results: bytes, coco: bytes, path: Path, coco_path: Path | None
) -> _Content:
    """Parse the files, once for the same content."""
    if digest not in _cache:
        if results[:4] == b"PAR1":
            if coco_path is not None:
                raise InvalidInput(
                    f"{path}: a Parquet file has its own names; leave {coco_path} out"
                )
            content = _from_parquet(path)
        else:
            dataset = None if coco_path is None else _json(coco, coco_path)
            content = _from_json(_json(results, path), dataset, path, coco_path)
        if not content.classes:
            raise InvalidInput(f"{path}: no detection and no category in it; check the file")
        _cache.clear()  # one file at a time: it may be large
        _cache[digest] = content
    return _cache[digest]


def _json(content: bytes, path: Path) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{path}: neither JSON nor Parquet ({type(error).__name__}: {str(error)[:80]}); give "
            "COCO results or a table of detections"
        ) from None


def _refuse(path: Path, where: str, what: str) -> NoReturn:
    raise InvalidInput(f"{path}: {where}: {what}; correct it")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _score(value: Any, path: Path, where: str) -> float:
    if not _number(value) or not 0 <= value <= 1:
        _refuse(path, where, f"score {_shown(value)} is not a number from 0 to 1")
    return float(value)


# --- COCO


def _from_json(value: Any, dataset: Any, path: Path, coco_path: Path | None) -> _Content:
    if isinstance(value, dict):  # a whole COCO file with scores
        if dataset is not None:
            raise InvalidInput(f"{path}: has its own images; leave {coco_path} out")
        dataset, coco_path, value = value, path, value.get("annotations")
        if not isinstance(value, list):
            raise InvalidInput(
                f"{path}: neither COCO results (a list) nor a COCO file with annotations; "
                "correct it"
            )
    if not isinstance(value, list):
        raise InvalidInput(f"{path}: not COCO results, which are a list; correct it")
    images, names = _dataset(dataset, coco_path or path)
    rows: dict[str, list[_Row]] = {}
    found: dict[str, None] = {}
    for place, one in enumerate(value):
        where = f"entry {place}"
        if not isinstance(one, dict):
            _refuse(path, where, f"{_shown(one)} is not an object with image_id, bbox and score")
        clip = _clip(one.get("image_id"), images, path, where)
        where = f"{where} ({clip})"
        label = _label(one, names, path, where)
        bbox = one.get("bbox")
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_number, bbox)):
            _refuse(path, where, f"bbox {_shown(bbox)} is not [x, y, width, height] in pixels")
        score = _score(one.get("score"), path, where)
        x, y, width, height = map(float, bbox)
        rows.setdefault(clip, []).append(_Row(place, label, score, (x, y, width, height), True))
        found[label] = None
    listed = None if images is None else frozenset(clip for clip, _ in images.values())
    sizes = {clip: size for clip, size in (images or {}).values() if size is not None}
    classes = tuple(dict.fromkeys([*names.values(), *sorted(found)]))
    return _Content(classes, rows, sizes, listed)


Images = dict[Any, tuple[str, tuple[float, float] | None]]


def _dataset(value: Any, path: Path) -> tuple[Images | None, dict[int, str]]:
    """Return a COCO file's images (id → clip and size) and categories (id → name)."""
    if value is None:
        return None, {}
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key), list) for key in ("images", "categories")
    ):
        raise InvalidInput(f"{path}: a COCO file has images and categories; correct it")
    names: dict[int, str] = {}
    for place, one in enumerate(value["categories"]):
        good = isinstance(one, dict) and type(one.get("id")) is int
        if not good or not isinstance(one.get("name"), str) or not one["name"].strip():
            _refuse(path, f"category {place}", f"{_shown(one)} has no id and name")
        names[one["id"]] = one["name"]
    images: Images = {}
    for place, one in enumerate(value["images"]):
        if not isinstance(one, dict) or type(one.get("id")) not in (int, str):
            _refuse(path, f"image {place}", f"{_shown(one)} has no id")
        file_name = one.get("file_name", one["id"])
        if not isinstance(file_name, str) or not file_name:
            _refuse(path, f"image {place}", f"file_name {_shown(file_name)} names no clip")
        size = None
        if "width" in one or "height" in one:
            sides = (one.get("width"), one.get("height"))
            if not all(type(side) is int and side > 0 for side in sides):
                _refuse(path, f"image {place}", f"{_shown(sides)} is not a width and a height")
            size = (float(one["width"]), float(one["height"]))
        images[one["id"]] = (_stem(file_name), size)
    return images, names


def _stem(name: str) -> str:
    """Return the clip's id of a file name; ``frames/x_000001.jpg`` and ``x_000001`` alike."""
    last = PurePosixPath(name.replace("\\", "/"))
    return last.stem if last.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") else last.name


def _clip(image: Any, images: Images | None, path: Path, where: str) -> str:
    if images is not None:
        if type(image) not in (int, str) or image not in images:
            _refuse(path, where, f"image_id {_shown(image)} is not among the images")
        return images[image][0]
    if not isinstance(image, str) or not image:
        _refuse(
            path,
            where,
            f"image_id {_shown(image)} is not a clip's id (numbers need the COCO file that names "
            "them: boxes:RESULTS.json,COCO.json)",
        )
    return _stem(image)


def _label(one: dict[str, Any], names: dict[int, str], path: Path, where: str) -> str:
    if isinstance(label := one.get("category"), str) and label.strip():
        return label
    number = one.get("category_id")
    if type(number) is not int or number not in names:
        hint = "" if names else " (give the COCO file: boxes:RESULTS.json,COCO.json)"
        _refuse(path, where, f"category_id {_shown(number)} has no name{hint}")
    return names[number]


# --- Parquet


def _from_parquet(path: Path) -> _Content:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vggss_tools.propose.proposals import REGION

    edges = ("xmin", "ymin", "xmax", "ymax")
    wanted = ("clip_id", *edges, "score", "detector_class")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InvalidInput(f"{path}: not a readable Parquet file ({reason})") from None
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise InvalidInput(
            f"{path}: no column {', '.join(missing)}; detections have {', '.join(wanted)}"
        )
    names = [*wanted, *({"reason"} & set(table.column_names))]
    rows: dict[str, list[_Row]] = {}
    for place, one in enumerate(table.select(names).to_pylist()):
        if str(one.get("reason") or "").startswith(REGION):
            continue  # of an earlier choice, and no detection
        clip, label = one["clip_id"], one["detector_class"]
        where = f"row {place} ({clip})"
        if not isinstance(clip, str) or not isinstance(label, str) or not label.strip():
            _refuse(path, where, "no clip_id or no detector_class")
        values = [one[edge] for edge in edges]
        if not all(map(_number, values)):
            _refuse(path, where, f"{_shown(values)} are not four numbers")
        if min(values) < 0 or max(values) > 1:  # pixels, perhaps
            _refuse(path, where, f"box {_shown(values)} leaves the frame (fractions 0..1)")
        score = _score(one["score"], path, where)
        x0, y0, x1, y1 = map(float, values)
        rows.setdefault(clip, []).append(_Row(place, label, score, (x0, y0, x1, y1), False))
    classes = sorted({row.label for found in rows.values() for row in found})
    return _Content(tuple(classes), rows)
