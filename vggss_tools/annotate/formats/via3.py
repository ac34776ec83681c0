"""VIA 3: a project of videos, each with its five seconds marked and its boxes at the frame.

Written as VIA 3.0.10 saves (data format 3.1.1) and read from there. A video has the temporal
segment round the frame, a region for each box at the very moment of the frame, and a radio button
for the answer. Times are seconds into the file, so the offset of a longer download is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.displayed_size import displayed_size
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.json_project import (
    ANSWERS,
    SOUNDING,
    is_remote,
    member,
    once_a_clip,
    project_name,
    radio_decision,
    radio_sounding,
    read_project,
    shared_folder,
    write_project,
)
from vggss_tools.annotate.formats.rectangles import Size, from_rectangle, size_of, to_rectangle
from vggss_tools.annotate.formats.segment_span import frame_moment, segment_span
from vggss_tools.annotate.formats.which_clip import (
    MARK,
    mark,
    marked_base,
    shown_label,
    which_item,
)
from vggss_tools.annotate.json_values import is_number_row, shown

VIDEO = 4  # _VIA_FILE_TYPE
URI_HTTP, URI_FILE, INLINE = 2, 3, 4  # _VIA_FILE_LOC
TEXT, RADIO = 1, 3  # _VIA_ATTRIBUTE_TYPE
RECTANGLE = 2  # _VIA_RSHAPE; the comment in VIA's own source says 1
# A box is at the frame if drawn within this, in seconds; VIA shows one within 0.02 s.
MOMENT_SLACK = 0.1

_PARTS = ("attribute", "file", "metadata", "view")

SEGMENT, DECISION, CLASS, BOX = "1", "2", "3", "4"
_ATTRIBUTES: dict[str, Any] = {
    SEGMENT: {
        "aname": "segment",
        "anchor_id": "FILE1_Z2_XY0",
        "type": TEXT,
        "desc": "The five seconds round the frame",
        "options": {},
        "default_option_id": "",
    },
    CLASS: {
        "aname": "class",
        "anchor_id": "FILE1_Z0_XY0",
        "type": TEXT,
        "desc": "Sound class",
        "options": {},
        "default_option_id": "",
    },
    DECISION: {
        "aname": "decision",
        "anchor_id": "FILE1_Z0_XY0",
        "type": RADIO,
        "desc": "Is the class heard, and does it come from the sounding boxes?",
        "options": ANSWERS,
        "default_option_id": "",
    },
    BOX: {
        "aname": "sounding",
        "anchor_id": "FILE1_Z1_XY1",
        "type": RADIO,
        "desc": "Does what the box shows make the sound?",
        "options": SOUNDING,
        "default_option_id": "yes",
    },
}


class Via3:
    """Video projects of the VGG Image Annotator 3."""

    name = "via3"
    suffix = ".json"
    needs: tuple[str, ...] = ("clip", "width", "height")
    cannot_hold: tuple[str, ...] = (
        "who answered and when",
        "split",
        "'unseen' as an answer: a video without an answer has none",
        "changes of the marked five seconds, which are not read back",
    )
    # VIA 3 keeps three decimals.
    precision = 0.01

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write one project."""
        folder, sources = shared_folder([media.clip(item, path.parent) for item in items])
        files: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for number, (item, source) in enumerate(zip(items, sources, strict=True), start=1):
            size = displayed_size(item)
            files[str(number)] = {
                "fid": str(number),
                "fname": item.clip.name if item.clip else f"{item.clip_id}.mp4",
                "type": VIDEO,
                "loc": _location(source),
                "src": source,
                MARK: mark(item, size=list(size)),
            }
            metadata.update(_metadata(item, str(number), size))
        project = {
            "project": {
                "pid": "__VIA_PROJECT_ID__",
                "rev": "__VIA_PROJECT_REV_ID__",
                "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
                "pname": project_name(path),
                "data_format_version": "3.1.1",
                "creator": "vggss-tools",
                "created": 0,  # equal inputs give equal bytes
                "vid_list": list(files),
            },
            "config": {
                "file": {"loc_prefix": {"1": "", "2": "", "3": folder, "4": ""}},
                "ui": {
                    "file_content_align": "center",
                    "file_metadata_editor_visible": True,
                    "spatial_metadata_editor_visible": True,
                    "spatial_region_label_attribute_id": "",
                    "gtimeline_visible_row_count": "4",
                },
            },
            "attribute": _ATTRIBUTES,
            "file": files,
            "metadata": metadata,
            "view": {number: {"fid_list": [number]} for number in files},
        }
        write_project(path, project)

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a saved project."""
        project = read_project(path)
        missing = [name for name in _PARTS if name not in project]
        if missing:
            raise Refused(path.name, f"not a VIA 3 project (no {', '.join(missing)})")
        parts = {name: member(project, name, dict, path.name) for name in _PARTS}
        names = _attribute_ids(parts["attribute"])
        by_view: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for key, value in parts["metadata"].items():
            where = f"metadata {shown(key)}"
            if not isinstance(value, dict):
                raise Refused(where, f"is {shown(value)}, not an object")
            view = member(value, "vid", str, where)
            if view not in parts["view"]:
                raise Refused(where, f"is of view {shown(view)}, which is not there")
            by_view.setdefault(view, []).append((where, value))
        return once_a_clip(
            _answer(
                _file_of(view, f"view {shown(key)}", parts["file"]),
                f"video {index}",
                by_view.get(key, ()),
                names,
                known,
            )
            for index, (key, view) in enumerate(parts["view"].items(), start=1)
        )


def _location(source: str) -> int:
    if not is_remote(source):
        return URI_FILE
    return INLINE if source.startswith("data:") else URI_HTTP


def _metadata(item: Item, view: str, size: Size) -> dict[str, Any]:
    label = shown_label(item.label)
    answer = {CLASS: label}
    if item.decision is not Decision.UNSEEN:
        answer[DECISION] = str(item.decision)
    entries: list[tuple[list[float], list[float], dict[str, str]]] = [
        ([], [], answer),
        (list(segment_span(item)), [], {SEGMENT: label}),
    ]
    for box in item.boxes:
        rectangle = [RECTANGLE, *to_rectangle(box.box, size)]
        entries.append(([frame_moment(item)], rectangle, {BOX: "yes" if box.sounding else "no"}))
    return {
        f"{view}_{number:08d}": {"vid": view, "flg": 0, "z": z, "xy": xy, "av": values}
        for number, (z, xy, values) in zip(count(), entries, strict=False)
    }


def _attribute_ids(attributes: dict[str, Any]) -> dict[str, str]:
    """Return the ids of our attributes by their names; people may have numbered them anew."""
    ids = {"class": CLASS, "decision": DECISION, "sounding": BOX}
    for key, value in attributes.items():
        name = value.get("aname") if isinstance(value, dict) else None
        if isinstance(name, str) and name in ids:
            ids[name] = key
    return ids


def _file_of(view: Any, where: str, files: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(view, dict):
        raise Refused(where, f"is {shown(view)}, not an object")
    members = member(view, "fid_list", list, where)
    if len(members) != 1:
        raise Refused(where, f"shows {len(members)} files, not one")
    file = files.get(str(members[0]) if isinstance(members[0], (str, int)) else "")
    if not isinstance(file, dict):
        raise Refused(where, f"its file {shown(members[0])} is not there")
    return file


def _answer(
    file: dict[str, Any],
    where: str,
    metadata: Sequence[tuple[str, dict[str, Any]]],
    names: dict[str, str],
    known: Mapping[str, Item],
) -> Answer:
    marked = file.get(MARK)
    item = which_item(known, where, marked, [file.get("fname"), file.get("src")])
    size = _size(marked, item, where)
    decision: Decision | None = None
    boxes: list[EventBox] = []
    for place, value in metadata:
        place = f"{where}, {place}"
        times, shape = member(value, "z", list, place), member(value, "xy", list, place)
        values = member(value, "av", dict, place)
        if shape:
            _check_moment(times, item, place)
            box = from_rectangle(_rectangle(shape, item, place), size, item, len(boxes), place)
            sounding = radio_sounding(values.get(names["sounding"]), place, item.clip_id)
            boxes.append(EventBox(box, sounding))
        elif not times:
            which_item(known, place, {"clip_id": item.clip_id}, (), values.get(names["class"]))
            said = radio_decision(values.get(names["decision"]), place, item.clip_id)
            if said and decision and said is not decision:
                raise Refused(place, f"says {said}, and {decision} before", item.clip_id)
            decision = said or decision
    return Answer(
        where,
        item.clip_id,
        item.label,
        decision,
        tuple(boxes),
        base=marked_base(marked, item, where),
    )


def _size(marked: Any, item: Item, where: str) -> Size:
    """Return the size in which the boxes were written."""
    said = marked.get("size") if isinstance(marked, dict) else None
    if said is None:
        return size_of(item, where)
    if not is_number_row(said, 2) or not all(isinstance(n, int) and 0 < n < 1 << 20 for n in said):
        raise Refused(where, f"size {shown(said)} is not a width and a height", item.clip_id)
    return int(said[0]), int(said[1])


def _check_moment(times: list[Any], item: Item, where: str) -> None:
    if not is_number_row(times, 1):
        raise Refused(where, f"time {shown(times)} is not one number", item.clip_id)
    wanted = frame_moment(item)
    if abs(times[0] - wanted) > MOMENT_SLACK:
        raise Refused(
            where,
            f"box at {times[0]:g} s, and the frame is at {wanted:g} s; draw it there",
            item.clip_id,
        )


def _rectangle(shape: list[Any], item: Item, where: str) -> list[Any]:
    if shape[0] != RECTANGLE:
        raise Refused(where, f"shape {shown(shape[0])} is no rectangle; draw one", item.clip_id)
    return shape[1:]


FORMAT = Via3()
