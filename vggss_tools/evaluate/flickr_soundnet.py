"""Flickr-SoundNet: photos with the boxes of several annotators, whose consensus is the truth.

Two forms are read. The official one is a folder of XML files, ``<photo id>.xml``::

    root > one element for each annotator > <bbox> with five children

of which the first is no coordinate, and the others are ``xmin, ymin, xmax, ymax`` in whole pixels,
1..256, of a 256 x 256 frame. The JSON form lists ``{"id", "boxes_xyxy_1based_256"}`` with the same
four numbers.

As every public evaluator does it, an edge v becomes ``int(224 * v / 256)``, and a pixel's weight is
the number of boxes over it divided by two, at most 1: one box counts half. It counts boxes, not
annotators. The official list of test photos mistypes one id; both files are read with the right
one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from vggss_tools.annotate.json_values import cause, is_number_row, shown
from vggss_tools.errors import InvalidInput, not_readable
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.sample_ids import is_sample_id
from vggss_tools.evaluate.test_sets import Edges, Sample, TestSet, canonical_id

BOXES_KEY = "boxes_xyxy_1based_256"
FRAME = 256  # side of the frame on which the boxes were drawn
CONSENSUS = 2  # boxes over a pixel that make it certain
XML_BYTES = 1 << 20  # a photo's XML has a few hundred bytes

# Known sets of photos by the checksum of their sorted ids, one a line: the name, and the checksum
# of their boxes in the copy that coarse2fine (shvdiwnkozbw/Multi-Source-Sound-Localization) holds.
_KNOWN = {
    "696ab39ce58b0fa111bfdf2323443d08c659da06a6fce4d808db9b2d3de37239": (
        "flickr-soundnet",  # the 250 test photos
        "ee2cf5fa244da22b81e7b2d7336a4e9d70969a159f98501d2df234d58eef725f",
    ),
    "da32871c7f41fdc4204b629e6afbe2e80831c51e7771ef9fca303ce5781c34f9": (
        "flickr-soundnet-2786",
        "4de69f6a187534768a901cffd87ca311d231467a772839ccf8d5971a7c59c5be",
    ),
}


@dataclass
class _Photos:
    """Photos as they are read."""

    samples: dict[str, Sample] = field(default_factory=dict)
    mistyped: int = 0
    outside: int = 0
    no_pixel: int = 0
    no_box: int = 0

    def add(self, name: str, boxes: Sequence[Sequence[float]]) -> None:
        """Take a photo; ``ValueError`` if it is there already or its name is no id."""
        photo = canonical_id(name)
        if not is_sample_id(photo):
            raise ValueError(f"{shown(name)} is not a photo id such as '10000130166'")
        if photo in self.samples:
            raise ValueError(f"{photo} stands there twice; keep one of them")
        self.mistyped += photo != name
        raw = np.trunc(GRID * np.asarray(boxes, dtype=np.float64).reshape(-1, 4) / FRAME)
        edges: Edges = np.clip(raw, 0, GRID).astype(np.int64)
        self.outside += int((raw != edges).any(axis=1).sum())
        self.no_pixel += count_without_pixel(edges)
        self.no_box += not len(edges)
        self.samples[photo] = Sample(photo, photo, photo, "", edges)

    def test_set(self, path: Path, sha256: str) -> TestSet:
        """Return what was read; a file without any pixel of truth is refused."""
        if not any(((e[:, 2:] - e[:, :2]) > 0).all(axis=1).any() for e in self._edges()):
            raise InvalidInput(
                f"{path}: no box covers a pixel; Flickr-SoundNet's boxes are xmin, ymin, xmax, "
                "ymax in pixels 1..256"
            )
        photos = sorted(self.samples)
        name, boxes = _KNOWN.get(_checksum(photos), (path.stem, ""))
        found = _checksum(f"{p} {sorted(self.samples[p].edges.tolist())}" for p in photos)
        notes = [
            (boxes and boxes != found, "some boxes are not those of the published copy"),
            (self.mistyped, "photo id 3908875357 is a misprint and was read as 3908875350"),
            (self.outside, f"{self.outside} box(es) left the frame and were cut to it"),
            (self.no_pixel, f"{self.no_pixel} box(es) without an area give no pixel of the truth"),
            (self.no_box, f"{self.no_box} photo(s) without a box: the truth is empty"),
        ]
        return TestSet(
            name,
            sha256,
            tuple(self.samples.values()),
            consensus=CONSENSUS,
            notes=tuple(text for count, text in notes if count),
            sources=(sha256,),
        )

    def _edges(self) -> Iterable[Edges]:
        return (sample.edges for sample in self.samples.values())


def count_without_pixel(edges: Edges) -> int:
    """Count pixel ranges that cover nothing."""
    return int((edges[:, :2] >= edges[:, 2:]).any(axis=1).sum())


def read_flickr_items(path: Path, data: bytes, items: Sequence[Any]) -> TestSet:
    """Return the test set of a JSON file that was already parsed.

    Raises
    ------
    InvalidInput
        At an entry that has no id, no box of four finite numbers, or an id of before.
    """
    photos = _Photos()
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                raise ValueError(f"{shown(item)} has no id; each entry has id and {BOXES_KEY}")
            boxes = item.get(BOXES_KEY)
            if not isinstance(boxes, list) or not boxes:
                raise ValueError(f"{item['id']}: {BOXES_KEY} is not a list of at least one box")
            for number, box in enumerate(boxes):
                if not is_number_row(box):
                    raise ValueError(
                        f"{item['id']}: box {number} is {shown(box)}, not four finite numbers "
                        "[xmin, ymin, xmax, ymax]"
                    )
            photos.add(item["id"], boxes)
        except ValueError as error:
            raise InvalidInput(f"{path}: entry {index}: {error}") from None
    return photos.test_set(path, hashlib.sha256(data).hexdigest())


def read_flickr_folder(path: Path) -> TestSet:
    """Read a folder of XML files; anything else in it is not looked at.

    The checksum is over the files' names and checksums, in the order of the names.

    Raises
    ------
    VggssError
        If a file may not be read.
    InvalidInput
        If there are no XML files, or one is not of the form above; the message names it.
    """
    files = sorted(file for file in path.glob("*.xml") if not file.name.startswith("."))
    if not files:
        raise InvalidInput(
            f"{path}: a folder without annotations; give an annotation file, a release's folder, "
            "or Flickr-SoundNet's folder of .xml files"
        )
    photos = _Photos()
    digest = hashlib.sha256()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise not_readable(file, error) from None
        digest.update(f"{file.name} {hashlib.sha256(data).hexdigest()}\n".encode())
        try:
            photos.add(file.stem, _xml_boxes(data))
        except ValueError as error:
            raise InvalidInput(f"{file}: {error}") from None
    return photos.test_set(path, digest.hexdigest())


def _xml_boxes(data: bytes) -> list[list[int]]:
    if len(data) > XML_BYTES:
        raise ValueError(f"larger than {XML_BYTES:,} bytes; a photo's boxes are not")
    # Entities could make a small file enormous, and annotations have none. A zero byte would be
    # UTF-16, where they could hide.
    if b"\0" in data or b"<!" in data.replace(b"<!--", b""):
        raise ValueError("holds zero bytes, a document type or entities; annotations do not")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"not XML ({cause(error)})") from None
    boxes: list[list[int]] = []
    for number, bbox in enumerate(root.iterfind("./*/bbox")):
        values = [child.text for child in bbox]
        if len(values) != 5:
            raise ValueError(f"bbox {number} has {len(values)} children, not five")
        boxes.append([_whole(value, number) for value in values[1:]])
    if not boxes and next(root.iter("bndbox"), None) is not None:
        raise ValueError("no <bbox> below an annotator's element: another form of annotations")
    return boxes


def _whole(text: str | None, number: int) -> int:
    # int() would take "1_0" and a billion digits.
    plain = (text or "").strip()
    if not plain.removeprefix("-").isascii() or not plain.removeprefix("-").isdigit():
        raise ValueError(f"bbox {number} has {shown(text)} where a whole number should stand")
    if len(plain) > 9:
        raise ValueError(f"bbox {number} has {shown(text)}, which is no pixel of 1..256")
    return int(plain)


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
