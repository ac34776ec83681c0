"""FiftyOne: a folder that ``fo.Dataset.from_dir`` reads, and that FiftyOne writes after edits.

Each clip is a group of two slices, ``frame`` (with the boxes) and ``clip``; fields and tags are
those of ``vggss verify``. The folder is of the type ``fiftyone.types.FiftyOneDataset``::

    fo.Dataset.from_dir("DIR", dataset_type=fo.types.FiftyOneDataset)
    dataset.export("EDITED", dataset_type=fo.types.FiftyOneDataset, export_media=False)

It is written without FiftyOne; ``tests/annotate/formats/test_fiftyone_folder.py`` reads it with
the real one. Equal clips give equal bytes: ids follow from the clips.

An answer is what was changed: the field ``decision``, or one of the tags ``verified``,
``rejected`` and ``not-sure``, on either slice; on the frame boxes, their attribute ``sounding``, or
a box's tag ``silent``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools import __version__
from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.field_checks import (
    MAX_BOXES,
    base_of,
    fraction_box,
    known_clip,
    read_json,
    same_class,
    sounding_of,
    text_of,
)
from vggss_tools.annotate.formats.fiftyone_schema import dataset_document
from vggss_tools.annotate.json_values import is_number_row, shown

SAMPLES, METADATA, FRAMES = "samples.json", "metadata.json", "frames.json"
FRAME, CLIP = "frame", "clip"

# As people read them in the App; the tags are FiftyOne's habit for the state of a sample.
_NAMES = {Decision.YES: "yes", Decision.NO: "no", Decision.NOT_SURE: "not sure"}
_DECISIONS = {name: decision for decision, name in _NAMES.items()} | {
    str(decision): decision for decision in Decision
}
_TAGS = {Decision.YES: "verified", Decision.NO: "rejected", Decision.NOT_SURE: "not-sure"}
_TAGGED = {tag: decision for decision, tag in _TAGS.items()}
_SILENT, _SOUNDING = "silent", "sounding"


class FiftyOneFolder:
    """See the module."""

    name = "fiftyone"
    suffix = ""
    needs = ("frame", "width", "height", "clip")
    cannot_hold = ("that a decision is unseen: it has none then",)
    precision = 0.01

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write ``samples.json``, ``metadata.json`` and an empty ``frames.json``."""
        path.mkdir()
        ordered = sorted(items, key=lambda item: item.clip_id)
        samples: list[dict[str, Any]] = []
        for item in ordered:
            samples.append(_frame_sample(item, media.frame(item, path)))
            samples.append(_sample(item, CLIP, "video", media.clip(item, path)))
        rows = ",\n".join(json.dumps(sample, ensure_ascii=False) for sample in samples)
        (path / SAMPLES).write_text(f'{{"samples": [\n{rows}\n]}}\n', encoding="utf-8")
        (path / FRAMES).write_text('{"frames": []}\n', encoding="utf-8")
        info = {"made_by": f"vggss-tools {__version__}"}
        document = dataset_document(_id("dataset"), info, SLICES, FRAME)
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (path / METADATA).write_text(text + "\n", encoding="utf-8")

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read decisions and tags of both slices, and the boxes of the frames."""
        value = read_json(path / SAMPLES if path.is_dir() else path)
        samples = value.get("samples") if isinstance(value, dict) else None
        if not isinstance(samples, list):
            raise Refused(SAMPLES, "no list of samples")
        by_slice: dict[str, dict[str, _Said]] = {FRAME: {}, CLIP: {}}
        for index, sample in enumerate(samples):
            where = f"samples[{index}]"
            if not isinstance(sample, dict):
                raise Refused(where, f"{shown(sample)} is not an object")
            of_slice = by_slice[_slice_of(sample, where)]
            item = known_clip(sample.get("clip_id"), known, where)
            same_class(_label_of(sample.get("label"), "label", item, where), item, where)
            first = of_slice.setdefault(item.clip_id, _Said(sample, where, item))
            if first.where != where:
                raise Refused(where, f"stands there already, as {first.where}", item.clip_id)
        frames, clips = by_slice[FRAME], by_slice[CLIP]
        return [_answer(frames.get(each), clips.get(each)) for each in {**frames, **clips}]


@dataclass(frozen=True, slots=True)
class _Said:
    """A sample of the file."""

    sample: Mapping[str, Any]
    where: str
    item: Item

    @property
    def before(self) -> Decision | None:
        """The decision that stood when the file was written, where it says so."""
        text = text_of(self.sample.get("last_decision"), "last_decision", self.where)
        return _named(text, self.item, self.where)


SLICES = {FRAME: "image", CLIP: "video"}


def _id(name: str) -> dict[str, str]:
    """Return the MongoDB id that follows from a name."""
    return {"$oid": hashlib.sha256(f"vggss-tools:{name}".encode()).hexdigest()[:24]}


def _sample(item: Item, slice_: str, media_type: str, filepath: str) -> dict[str, Any]:
    spread = int.from_bytes(hashlib.sha256(f"{item.clip_id}{slice_}".encode()).digest()[:4])
    state = _TAGS.get(item.decision, "auto" if item.reviewer is None else "manual")
    return {
        "_id": _id(f"{item.clip_id}/{slice_}"),
        "filepath": filepath,
        "tags": [item.split, state],
        "_media_type": media_type,
        "_rand": spread / (1 << 32),
        "group": {"_id": _id(item.clip_id), "_cls": "Group", "name": slice_},
        "clip_id": item.clip_id,
        "label": _label(item, "label", item.label),
        "last_decision": _NAMES.get(item.decision),
        "last_reviewer": item.reviewer,
        "last_event": item.event_id or "",
    }


def _frame_sample(item: Item, filepath: str) -> dict[str, Any]:
    decision = _NAMES.get(item.decision)
    detections = []
    for place, one in enumerate(item.boxes):
        box = one.box
        detections.append(
            {
                "_id": _id(f"{item.clip_id}#{place}"),
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": item.label,
                "bounding_box": [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin],
                "sounding": one.sounding,
            }
        )
    return {
        **_sample(item, FRAME, "image", filepath),
        "metadata": {"_cls": "ImageMetadata", "width": item.width, "height": item.height},
        "ground_truth": {"_cls": "Detections", "detections": detections},
        "decision": _label(item, "decision", decision) if decision else None,
    }


def _label(item: Item, field: str, label: str) -> dict[str, Any]:
    return {
        "_id": _id(f"{item.clip_id}/{field}"),
        "_cls": "Classification",
        "tags": [],
        "label": label,
    }


def _slice_of(sample: Mapping[str, Any], where: str) -> str:
    group = sample.get("group")
    if group is None:  # a data set of frames alone
        return FRAME
    name = group.get("name") if isinstance(group, dict) else None
    if not isinstance(name, str) or name not in SLICES:
        raise Refused(where, f"group {shown(group)} has neither slice: frame, clip")
    return name


def _answer(frame: _Said | None, clip: _Said | None) -> Answer:
    """Join what is said about one clip on its two samples, of which one may be missing."""
    said = frame or clip
    assert said is not None  # it was listed by one of the two
    item, where = said.item, said.where
    decision = _decision(said, said.before)
    if frame is not None and clip is not None:
        decision = _joined(decision, frame, clip)
    return Answer(
        where=where,
        clip_id=item.clip_id,
        label=item.label,
        decision=decision,
        boxes=_boxes(frame.sample.get("ground_truth"), item, where) if frame else None,
        base=base_of(said.sample.get("last_event"), where, item.clip_id),
    )


def _joined(on_frame: Decision | None, frame: _Said, clip: _Said) -> Decision | None:
    """Return the frame's decision, or the one that was made on the clip alone."""
    before = frame.before
    on_clip = _decision(clip, clip.before or before)
    if on_clip in (None, before, on_frame):
        return on_frame
    if on_frame in (None, before):
        return on_clip
    # Of a data set that does not say what it was, the clip's tags may be old.
    if "last_decision" not in frame.sample and frame.sample.get("decision") is not None:
        return on_frame
    raise Refused(
        clip.where, f"decided {on_clip}, but {on_frame} on its frame, {frame.where}",
        clip.item.clip_id,
    )  # fmt: skip


def _label_of(value: Any, field: str, item: Item, where: str) -> str | None:
    if value is None:
        return None
    label = value.get("label") if isinstance(value, dict) else value
    return text_of(label, field, where, item.clip_id)


def _decision(said: _Said, before: Decision | None) -> Decision | None:
    """Return the decision by field or tag: the one that was changed, where the file says so."""
    sample, item, where = said.sample, said.item, said.where
    by_field = _named(_label_of(sample.get("decision"), "decision", item, where), item, where)
    tags = sample.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Refused(where, f"tags {shown(tags)} are not texts", item.clip_id)
    tagged = {_TAGGED[tag] for tag in tags if tag in _TAGGED} - {before}
    if len(tagged) > 1:
        raise Refused(where, "tagged with two decisions at once", item.clip_id)
    by_tag = next(iter(tagged), None)
    if by_field != before and by_field is not None:
        # Of a data set that does not say what it was, field and tag may both be old.
        if by_tag not in (None, by_field) and "last_decision" in sample:
            raise Refused(
                where, f"decision {by_field!s}, but tagged {_TAGS[by_tag]}", item.clip_id
            )  # fmt: skip
        return by_field
    return by_tag or by_field


def _named(name: str | None, item: Item, where: str) -> Decision | None:
    if name is None:
        return None
    if name not in _DECISIONS:
        raise Refused(where, f"decision {shown(name)} is not yes, no or not sure", item.clip_id)
    return _DECISIONS[name]


def _boxes(value: Any, item: Item, where: str) -> tuple[EventBox, ...]:
    detections = value.get("detections") if isinstance(value, dict) else value
    if detections is None:
        return ()
    if not isinstance(detections, list) or len(detections) > MAX_BOXES:
        raise Refused(where, f"detections are not a list of at most {MAX_BOXES}", item.clip_id)
    boxes = []
    for place, one in enumerate(detections):
        here = f"{where}, box {place}"
        if not isinstance(one, dict):
            raise Refused(here, f"{shown(one)} is not an object", item.clip_id)
        same_class(_label_of(one.get("label"), "label", item, here), item, here)
        numbers = one.get("bounding_box")
        if not is_number_row(numbers):
            raise Refused(here, f"{shown(numbers)} is not four finite numbers", item.clip_id)
        x, y, width, height = numbers
        box = fraction_box([x, y, x + width, y + height], item, here)
        boxes.append(EventBox(box, _sounding(one, item, here)))
    return tuple(boxes)


def _sounding(one: Mapping[str, Any], item: Item, where: str) -> bool:
    tags = one.get("tags") or []
    if not isinstance(tags, list):
        raise Refused(where, f"tags {shown(tags)} are not a list", item.clip_id)
    if _SILENT in tags:
        return False
    return _SOUNDING in tags or sounding_of(one.get("sounding"), where, item.clip_id)


FORMAT = FiftyOneFolder()
