"""COCO: frames as images, boxes as annotations, sound classes as categories.

Boxes are ``[x, y, width, height]`` in pixels of the frame as it is shown, not rounded. Ids follow
from what they stand for, so that two exports of one clip agree: an image's from its clip id, an
annotation's from the clip id and its place, a category's is the class's place in VGG-Sound's list.
Beside COCO's own keys an image says ``clip_id``, ``split``, ``decision``, ``last_reviewer`` and
``last_event``, and an annotation ``sounding``; tools that drop them drop what they say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vggss_tools import __version__
from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.field_checks import (
    MAX_BOXES,
    base_of,
    decision_of,
    known_clip,
    pixel_box,
    read_json,
    same_class,
    sounding_of,
    text_of,
)
from vggss_tools.annotate.json_values import shown
from vggss_tools.boxes import Box
from vggss_tools.classes import vggsound_classes

# A number that every JSON reader keeps exactly: 2**52 is a float64's last odd number.
_ID_BITS = 52
LICENCES = [
    {
        "id": 1,
        "name": "Creative Commons Attribution 4.0 International (VGG-Sound)",
        "url": "https://creativecommons.org/licenses/by/4.0/",
    }
]
_DESCRIPTION = (
    "Sounding objects in frames of VGG-Sound clips. The clips are VGG-Sound's (CC BY 4.0, and "
    "their uploaders'); the published annotations of VGG-SS have no licence of their own."
)


class CocoFormat:
    """See the module."""

    name = "coco"
    suffix = ".json"
    needs = ("frame", "width", "height")
    cannot_hold = ("sounds and clips",)
    precision = 0.01

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write one JSON object; images are sorted by clip."""
        ordered = sorted(items, key=lambda item: item.clip_id)
        labels = {item.label for item in ordered}
        categories = categories_of(labels)
        ids = {category["name"]: category["id"] for category in categories}
        images, annotations = [], []
        taken: set[int] = set()
        for item in ordered:
            image_id = stable_id(item.clip_id, taken)
            images.append(
                {
                    "id": image_id,
                    "file_name": media.frame(item, path.parent),
                    "width": item.width,
                    "height": item.height,
                    "license": 1,
                    "clip_id": item.clip_id,
                    "split": item.split,
                    "decision": str(item.decision),
                    "last_reviewer": item.reviewer,
                    "last_event": item.event_id or "",
                }
            )
        for item, image in zip(ordered, images, strict=True):
            for place, one in enumerate(item.boxes):
                bbox = _bbox(one.box, item)
                annotations.append(
                    {
                        "id": stable_id(f"{item.clip_id}#{place}", taken),
                        "image_id": image["id"],
                        "category_id": ids[item.label],
                        "bbox": bbox,
                        "area": bbox[2] * bbox[3],
                        # Some readers want one; it is the rectangle.
                        "segmentation": [_corners(bbox)],
                        "iscrowd": 0,
                        "sounding": one.sounding,
                    }
                )
        value = {
            "info": {
                "description": _DESCRIPTION,
                "version": __version__,
                "contributor": "vggss-tools",
            },
            "licenses": LICENCES,
            "categories": categories,
            "images": images,
            "annotations": annotations,
        }
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(_lines(value))

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read it; an image without annotations says that there are no boxes."""
        value = read_json(path)
        if not isinstance(value, dict):
            raise Refused(path.name, "not an object with images, annotations and categories")
        names = _category_names(_objects(value, "categories"))
        images: dict[Any, _Image] = {}
        clips: dict[str, str] = {}
        for index, entry in enumerate(_objects(value, "images")):
            where = f"images[{index}]"
            image = _image(entry, where, known)
            if image.item.clip_id in clips:
                raise Refused(
                    where, f"stands there already, as {clips[image.item.clip_id]}",
                    image.item.clip_id,
                )  # fmt: skip
            clips[image.item.clip_id] = where
            if _key(entry.get("id"), where) in images:
                raise Refused(where, f"id {shown(entry['id'])} stands there twice")
            images[entry["id"]] = image
        for index, entry in enumerate(_objects(value, "annotations")):
            where = f"annotations[{index}]"
            found = images.get(_key(entry.get("image_id"), where))
            if found is None:
                raise Refused(where, f"image_id {shown(entry['image_id'])} is no image's id")
            found.add(entry, where, names)
        return [image.answer() for image in images.values()]


@dataclass(slots=True)
class _Image:
    """One image of a file that is read, with its boxes so far."""

    entry: dict[str, Any]
    where: str
    item: Item
    size: tuple[int, int]
    boxes: list[EventBox]

    def add(self, entry: dict[str, Any], where: str, names: Mapping[Any, str]) -> None:
        category = _key(entry.get("category_id"), where)
        if category not in names:
            raise Refused(where, f"category_id {shown(category)} is none", self.item.clip_id)
        same_class(names[category], self.item, where)
        box = pixel_box(entry.get("bbox"), self.size, self.item, where, xywh=True)
        sounding = sounding_of(entry.get("sounding"), where, self.item.clip_id)
        self.boxes.append(EventBox(box, sounding))
        if len(self.boxes) > MAX_BOXES:
            raise Refused(where, f"more than {MAX_BOXES} boxes", self.item.clip_id)

    def answer(self) -> Answer:
        clip_id = self.item.clip_id
        return Answer(
            where=self.where,
            clip_id=clip_id,
            label=self.item.label,
            decision=decision_of(self.entry.get("decision"), self.where, clip_id),
            boxes=tuple(self.boxes),
            reviewer=text_of(self.entry.get("reviewer"), "reviewer", self.where, clip_id),
            base=base_of(self.entry.get("last_event"), self.where, clip_id),
        )


def categories_of(labels: Iterable[str]) -> list[dict[str, Any]]:
    """Return VGG-Sound's 309 classes as categories, and after them classes that are none of it."""
    known = vggsound_classes()
    categories = [
        {"id": index, "name": name, "supercategory": about.group}
        for index, (name, about) in enumerate(known.items(), 1)
    ]
    taken = {category["id"] for category in categories}
    others = sorted(set(labels) - set(known))
    return categories + [
        {"id": stable_id(name, taken), "name": name, "supercategory": "others"}  # type: ignore[arg-type]
        for name in others
    ]


def stable_id(name: str, taken: set[int]) -> int:
    """Return the id that follows from a name, and take it; the next one where it is taken."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> (64 - _ID_BITS)
    while number in taken or number == 0:  # 0 is no annotation's id for pycocotools
        number += 1
    taken.add(number)
    return number


def _bbox(box: Box, item: Item) -> list[float]:
    width, height = item.width or 0, item.height or 0
    return [
        box.xmin * width,
        box.ymin * height,
        (box.xmax - box.xmin) * width,
        (box.ymax - box.ymin) * height,
    ]


def _corners(bbox: list[float]) -> list[float]:
    x, y, width, height = bbox
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _lines(value: Mapping[str, Any]) -> str:
    """Write an object of lists with one entry a line, so that it diffs."""
    parts = []
    for key, content in value.items():
        if isinstance(content, list) and content:
            rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in content)
            text = "[\n" + ",\n".join(rows) + "\n]"
        else:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _objects(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list):
        raise Refused(key, "not a list")
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise Refused(f"{key}[{index}]", f"{shown(entry)} is not an object")
    return found


def _key(value: Any, where: str) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise Refused(where, f"id {shown(value)} is neither a number nor text")


def _category_names(entries: Sequence[Mapping[str, Any]]) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for index, entry in enumerate(entries):
        where = f"categories[{index}]"
        name = entry.get("name")
        if not isinstance(name, str):
            raise Refused(where, f"name {shown(name)} is not text")
        if names.setdefault(_key(entry.get("id"), where), name) != name:
            raise Refused(where, f"id {shown(entry['id'])} stands for another category as well")
    return names


def _image(entry: dict[str, Any], where: str, known: Mapping[str, Item]) -> _Image:
    clip_id = entry.get("clip_id")
    if clip_id is None:  # a tool that keeps COCO's own keys alone
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise Refused(where, "neither clip_id nor file_name")
        clip_id = PurePosixPath(name.replace("\\", "/")).stem
    item = known_clip(clip_id, known, where)
    size = (entry.get("width"), entry.get("height"))
    width, height = size
    if not (
        isinstance(width, int) and isinstance(height, int)
        and 0 < width < 1 << 20 and 0 < height < 1 << 20
    ):  # fmt: skip
        raise Refused(where, f"width and height {shown(size)} are no frame's", item.clip_id)
    if item.width and item.height and (width, height) != (item.width, item.height):
        raise Refused(
            where,
            f"a frame of {width}x{height}, but {item.width}x{item.height} in the data directory",
            item.clip_id,
        )
    return _Image(entry, where, item, (width, height), [])


FORMAT = CocoFormat()
