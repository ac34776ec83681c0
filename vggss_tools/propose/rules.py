"""The rules by which boxes are chosen, as data: ``annotations/box_rules.yaml`` or one's own."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vggss_tools.classes import UnknownClass, check_class
from vggss_tools.errors import InvalidInput, VggssError, not_readable

SCHEMA = "vggss-box-rules/1"
SHIPPED = "box_rules.yaml"
RegionOver = Literal["overlapping", "all"]


@dataclass(frozen=True, slots=True)
class BoxRules:
    """How boxes are chosen; docs/choosing.md explains each.

    Attributes
    ----------
    score : float
        Matching detections of a lower score are not kept.
    min_area : float
        Share of the frame; smaller boxes are not kept.
    similarity_margin : float
        A class is not used where one was found that is more similar by more than this.
    nms_iou, nms_inside : float
        Overlaps from which on the lesser of two boxes is dropped: intersection over union, and,
        for boxes of two classes, intersection over the smaller area. Both exclusive.
    instances_fewer_than : int
        From so many instances on there is one box over all.
    shared : float
        Two boxes are separable while their intersection is at most this share of the smaller.
    region_over : 'overlapping' or 'all'
        What a box over inseparable instances covers.
    removed : frozenset of str
        Sound classes of which no box is kept.
    interaction_margin : float
        Share of the frame's sides by which two interacting boxes are grown.
    interactions : mapping
        Sound class → detector classes that the matching object sounds with, in lower case.
    """

    score: float = 0.5
    min_area: float = 0.004
    similarity_margin: float = 0.07
    nms_iou: float = 0.5
    nms_inside: float = 0.8
    instances_fewer_than: int = 5
    shared: float = 0.4
    region_over: RegionOver = "overlapping"
    removed: frozenset[str] = frozenset()
    interaction_margin: float = 0.02
    interactions: Mapping[str, tuple[str, ...]] | None = None

    def partners(self, sound_class: str) -> tuple[str, ...]:
        """Return the detector classes that this sound class's object sounds with; () for most."""
        return (self.interactions or {}).get(sound_class, ())

    def settings(self) -> dict[str, Any]:
        """Return the numbers as JSON, and a checksum of all."""
        value = {**asdict(self), "removed": sorted(self.removed)}
        content = json.dumps(value, sort_keys=True).encode()
        lists = {
            "removed": len(self.removed),
            "interactions": len(self.interactions or {}),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return {**value, **lists}


# Key in the file → field, kind of value.
_SHARES = {
    ("score",): "score",
    ("min_area",): "min_area",
    ("similarity_margin",): "similarity_margin",
    ("nms", "iou"): "nms_iou",
    ("nms", "inside"): "nms_inside",
    ("instances", "shared"): "shared",
    ("interactions", "margin"): "interaction_margin",
}
_SECTIONS: dict[str, tuple[str, ...]] = {
    "nms": ("iou", "inside"),
    "instances": ("fewer_than", "shared", "region_over"),
    "interactions": ("margin", "classes"),
}
_KEYS = ("schema", "score", "min_area", "similarity_margin", "removed_classes", *_SECTIONS)


def load_rules(path: Path | None = None) -> BoxRules:
    """Read a file of rules; without one, those that come with the tool.

    What a file leaves out is as in the shipped rules. ``removed_classes`` names a table of
    ``annotations/`` or, in a file of one's own, a CSV beside that file, with a column ``class``.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        If it is no such file; the message names the key.
    """
    from vggss_tools.resources import resource

    text = resource(SHIPPED).read_text(encoding="utf-8")
    shipped = _rules(text, SHIPPED, None, BoxRules())
    if path is None:
        return shipped
    return _rules(_read(path), str(path), path.parent, shipped)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give a file of rules, or leave it out") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not text in UTF-8; correct it") from None
    except OSError as error:
        raise not_readable(path, error) from None


def _rules(text: str, name: str, folder: Path | None, base: BoxRules) -> BoxRules:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InvalidInput(f"{name}: not valid YAML ({reason}); correct it") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InvalidInput(f"{name}: not a file of box rules (schema: {SCHEMA}); correct it")
    _check_keys(value, name)
    fields: dict[str, Any] = asdict(base)
    for keys, field in _SHARES.items():
        found: Any = value
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            fields[field] = _share(found, name, ".".join(keys))
    instances = value.get("instances", {})
    if (number := instances.get("fewer_than")) is not None:
        if type(number) is not int or number < 1:
            raise InvalidInput(f"{name}: instances.fewer_than is a number from 1; correct it")
        fields["instances_fewer_than"] = number
    if (over := instances.get("region_over")) is not None:
        if over not in ("overlapping", "all"):
            raise InvalidInput(f"{name}: instances.region_over is overlapping or all; correct it")
        fields["region_over"] = over
    if "removed_classes" in value:
        fields["removed"] = _removed(value["removed_classes"], name, folder)
    if (classes := value.get("interactions", {}).get("classes")) is not None:
        fields["interactions"] = _interactions(classes, name)
    return BoxRules(**fields)


def _check_keys(value: dict[str, Any], name: str) -> None:
    for key, inner in value.items():
        if key not in _KEYS:
            raise InvalidInput(f"{name}: no rule {key!r}; there are: {', '.join(_KEYS[1:])}")
        if key not in _SECTIONS:
            continue
        if not isinstance(inner, dict):
            raise InvalidInput(f"{name}: {key} is a table of {', '.join(_SECTIONS[key])}")
        for one in inner:
            if one not in _SECTIONS[key]:
                raise InvalidInput(
                    f"{name}: no rule '{key}.{one}'; there are: {', '.join(_SECTIONS[key])}"
                )


def _share(value: Any, name: str, key: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:  # nan is not in it
        raise InvalidInput(f"{name}: {key} is a number from 0 to 1; correct it")
    return float(value)


def _removed(table: Any, name: str, folder: Path | None) -> frozenset[str]:
    """Read the table of removed classes; none if it is null."""
    from vggss_tools.resources import resource

    if table is None:
        return frozenset()
    if not isinstance(table, str):
        raise InvalidInput(f"{name}: removed_classes is the name of a table, or null; correct it")
    own = folder / table if folder is not None else None
    if own is not None and own.is_file():
        text = _read(own)
    else:
        try:
            text = resource(table).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InvalidInput(
                f"{name}: removed_classes: no table {table!r}, neither beside the rules nor in "
                "annotations/; correct it"
            ) from None
    rows = csv.DictReader(text.splitlines())
    if "class" not in (rows.fieldnames or ()):
        raise InvalidInput(f"{table}: no column 'class'; a table of removed classes has it")
    return frozenset(row["class"] for row in rows)


def _interactions(value: Any, name: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not all(
        isinstance(sound, str)
        and isinstance(partners, list)
        and partners
        and all(isinstance(one, str) for one in partners)
        for sound, partners in value.items()
    ):
        raise InvalidInput(
            f"{name}: interactions.classes maps sound classes to lists of detector classes; "
            "correct it"
        )
    for sound in value:
        try:
            check_class(sound)
        except UnknownClass as error:
            raise InvalidInput(f"{name}: interactions.classes: {error.message}") from None
    return {sound: tuple(one.casefold() for one in partners) for sound, partners in value.items()}
