"""LISA: a list of frames with their boxes (file format 0.0.3), as VGG's list annotator has it.

``rdata[i]`` belongs to ``regions[i]``; coordinates are pixels of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.json_project import (
    ANSWERS,
    SOUNDING,
    member,
    once_a_clip,
    project_name,
    radio_decision,
    radio_sounding,
    read_project,
    shared_folder,
    write_project,
)
from vggss_tools.annotate.formats.rectangles import (
    DECIMALS,
    from_rectangle,
    size_of,
    to_rectangle,
)
from vggss_tools.annotate.formats.which_clip import MARK, mark, marked_base, shown_label, which_item
from vggss_tools.annotate.json_values import shown

VERSION = "0.0.3"

_ATTRIBUTES: dict[str, Any] = {
    "file": {
        "class": {"aname": "Class", "atype": "label"},
        "decision": {"aname": "Decision", "atype": "radio", "options": ANSWERS},
    },
    "region": {"sounding": {"aname": "Sounding", "atype": "radio", "options": SOUNDING}},
}


class Lisa:
    """Projects of the VGG List Annotator."""

    name = "lisa"
    suffix = ".json"
    needs: tuple[str, ...] = ("frame", "width", "height")
    cannot_hold: tuple[str, ...] = (
        "sound: the list shows frames",
        "who answered and when",
        "split",
        "'unseen' as an answer: a frame without an answer has none",
    )
    precision = 0.01  # three decimals are kept

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write one project."""
        prefix, sources = shared_folder([media.frame(item, path.parent) for item in items])
        name = project_name(path)
        clips = "\n".join(item.clip_id for item in items)
        project = {
            "project": {
                "shared_fid": "__FILE_ID__",
                "shared_rev": "__FILE_REV_ID__",
                "shared_rev_timestamp": "__FILE_REV_TIMESTAMP__",
                "project_name": name,
                "project_id": str(uuid5(NAMESPACE_URL, f"vggss:lisa:{name}:{clips}")),
                "creator": "vggss-tools",
                "editor": "",
                "file_format_version": VERSION,
                "created_timestamp": 0,  # equal inputs give equal bytes
            },
            "config": {
                "file_src_prefix": prefix,
                "navigation_from": 0,
                "navigation_to": len(items),
                "item_per_page": -1,
                "float_precision": DECIMALS,
                "item_height_in_pixel": 300,
                "show_attributes": {"file": ["class", "decision"], "region": ["sounding"]},
            },
            "attributes": _ATTRIBUTES,
            "files": [
                _file(item, number, source)
                for number, (item, source) in enumerate(zip(items, sources, strict=True))
            ],
        }
        write_project(path, project)

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a saved project of any version 0.0.x."""
        project = read_project(path)
        missing = [name for name in ("project", "files") if name not in project]
        if missing:
            raise Refused(path.name, f"not a LISA project (no {', '.join(missing)})")
        about = member(project, "project", dict, path.name)
        version = about.get("file_format_version")
        if not isinstance(version, str) or not version.startswith("0.0."):
            raise Refused(path.name, f"file_format_version {shown(version)} is not {VERSION}")
        return once_a_clip(
            _answer(file, f"files[{index}]", known)
            for index, file in enumerate(member(project, "files", list, path.name))
        )


def _file(item: Item, number: int, source: str) -> dict[str, Any]:
    size = size_of(item, "export")
    values = {"class": shown_label(item.label)}
    if item.decision is not Decision.UNSEEN:
        values["decision"] = str(item.decision)
    return {
        "fid": number,
        "src": source,
        "regions": [list(to_rectangle(box.box, size)) for box in item.boxes],
        "rdata": [{"sounding": "yes" if box.sounding else "no"} for box in item.boxes],
        "fdata": values,
        MARK: mark(item),
    }


def _answer(file: Any, where: str, known: Mapping[str, Item]) -> Answer:
    if not isinstance(file, dict):
        raise Refused(where, f"is {shown(file)}, not an object")
    values = member(file, "fdata", dict, where)
    marked = file.get(MARK)
    item = which_item(known, where, marked, [file.get("src")], values.get("class"))
    regions, data = file.get("regions"), file.get("rdata")
    if not isinstance(regions, list) or not isinstance(data, list) or len(regions) != len(data):
        raise Refused(where, "regions and rdata are not lists of one length", item.clip_id)
    boxes = []
    for number, (region, attributes) in enumerate(zip(regions, data, strict=True)):
        place = f"{where}, regions[{number}]"
        if not isinstance(attributes, dict):
            raise Refused(place, f"rdata is {shown(attributes)}, not an object", item.clip_id)
        box = from_rectangle(region, size_of(item, place), item, number, place)
        sounding = radio_sounding(attributes.get("sounding"), place, item.clip_id)
        boxes.append(EventBox(box, sounding))
    return Answer(
        where,
        item.clip_id,
        item.label,
        radio_decision(values.get("decision"), where, item.clip_id),
        tuple(boxes),
        base=marked_base(marked, item, where),
    )


FORMAT = Lisa()
