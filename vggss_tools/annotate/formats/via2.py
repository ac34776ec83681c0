"""VIA 2: a project of frames with their boxes, and the answer as a radio button of each frame.

Written as VIA 2.0.11 saves (data format 2.0.10) and read from there, also after VIA has rounded
to whole pixels, renamed keys or taken in a picked file's size. A bare ``_via_img_metadata`` map,
as VIA's own annotation export gives, is read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from vggss_tools.annotate.formats.rectangles import from_rectangle, size_of, to_rectangle
from vggss_tools.annotate.formats.which_clip import (
    MARK,
    check_label,
    mark,
    marked_base,
    shown_label,
    which_item,
)
from vggss_tools.annotate.json_values import shown

# The size of a file that VIA has not seen yet; a file's key is its name and size.
UNKNOWN_SIZE = -1

# As VIA 2.0.11 writes them for a new project. An option id must not hold `__`.
_UI: dict[str, Any] = {
    "annotation_editor_height": 25,
    "annotation_editor_fontsize": 0.8,
    "leftsidebar_width": 18,
    "image_grid": {
        "img_height": 80,
        "rshape_fill": "none",
        "rshape_fill_opacity": 0.3,
        "rshape_stroke": "yellow",
        "rshape_stroke_width": 2,
        "show_region_shape": True,
        "show_image_policy": "all",
    },
    "image": {
        "region_label": "__via_region_id__",
        "region_color": "sounding",
        "region_label_font": "10px Sans",
        "on_image_annotation_editor_placement": "NEAR_REGION",
    },
}
_ATTRIBUTES: dict[str, Any] = {
    # The editor shows a frame's attribute in place of a box's of the same name: both are `class`.
    "region": {
        "class": {"type": "text", "description": "Sound class", "default_value": ""},
        "sounding": {
            "type": "radio",
            "description": "Does what the box shows make the sound?",
            "options": SOUNDING,
            "default_options": {"yes": True},
        },
    },
    "file": {
        "class": {"type": "text", "description": "Sound class", "default_value": ""},
        "decision": {
            "type": "radio",
            "description": "Is the class heard, and does it come from the sounding boxes?",
            "options": ANSWERS,
            "default_options": {},
        },
    },
}


class Via2:
    """Image projects of the VGG Image Annotator 2."""

    name = "via2"
    suffix = ".json"
    needs: tuple[str, ...] = ("frame", "width", "height")
    cannot_hold: tuple[str, ...] = (
        "sound: VIA 2 shows frames only",
        "who answered and when",
        "split",
        "'unseen' as an answer: a frame without an answer has none",
    )
    # VIA 2 rounds what is dragged to whole pixels.
    precision = 0.5

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write one project."""
        folder, names = shared_folder([media.frame(item, path.parent) for item in items])
        images: dict[str, Any] = {}
        for item, name in zip(items, names, strict=True):
            # An inlined picture is its own name; as a key it would stand there twice.
            key = item.clip_id if name.startswith("data:") else name
            images[f"{key}{UNKNOWN_SIZE}"] = _image(item, name)
        project = {
            "_via_settings": {
                "ui": _UI,
                "core": {"buffer_size": 18, "filepath": {}, "default_filepath": folder},
                "project": {"name": project_name(path)},
            },
            "_via_img_metadata": images,
            "_via_attributes": _ATTRIBUTES,
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": list(images),
        }
        write_project(path, project)

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a saved project, or a bare map of annotations."""
        project = read_project(path)
        if "_via_img_metadata" in project:
            images = member(project, "_via_img_metadata", dict, path.name)
        elif all(isinstance(v, dict) and "regions" in v for v in project.values()):
            images = project
        else:
            raise Refused(path.name, "not a VIA 2 project (no _via_img_metadata)")
        return once_a_clip(
            _answer(image, f"image {index}", known)
            for index, image in enumerate(images.values(), start=1)
        )


def _image(item: Item, name: str) -> dict[str, Any]:
    size = size_of(item, "export")
    label = shown_label(item.label)
    attributes = {"class": label}
    if item.decision is not Decision.UNSEEN:
        attributes["decision"] = str(item.decision)
    regions = []
    for known in item.boxes:
        x, y, width, height = to_rectangle(known.box, size)
        regions.append(
            {
                "shape_attributes": {
                    "name": "rect",
                    "x": x,
                    "y": y,
                    "width": width,
                    "height": height,
                },
                "region_attributes": {
                    "class": label,
                    "sounding": "yes" if known.sounding else "no",
                },
            }
        )
    return {
        "filename": name,
        "size": UNKNOWN_SIZE,
        "regions": regions,
        "file_attributes": attributes,
        MARK: mark(item),
    }


def _answer(image: Any, where: str, known: Mapping[str, Item]) -> Answer:
    if not isinstance(image, dict):
        raise Refused(where, f"is {shown(image)}, not an object")
    attributes = member(image, "file_attributes", dict, where)
    item = which_item(
        known, where, image.get(MARK), [image.get("filename")], attributes.get("class")
    )
    regions = image.get("regions")
    if not isinstance(regions, list):
        raise Refused(where, f"regions is {shown(regions)}, not a list", item.clip_id)
    return Answer(
        where,
        item.clip_id,
        item.label,
        radio_decision(attributes.get("decision"), where, item.clip_id),
        tuple(_box(region, n, f"{where}, box {n + 1}", item) for n, region in enumerate(regions)),
        base=marked_base(image.get(MARK), item, where),
    )


def _box(region: Any, place: int, where: str, item: Item) -> EventBox:
    if not isinstance(region, dict):
        raise Refused(where, f"is {shown(region)}, not an object", item.clip_id)
    shape = member(region, "shape_attributes", dict, where)
    attributes = member(region, "region_attributes", dict, where)
    if shape.get("name") != "rect":
        raise Refused(where, f"a {shown(shape.get('name'))}; draw it as a rectangle", item.clip_id)
    check_label(item, attributes.get("class"), where)
    numbers = [shape.get(key) for key in ("x", "y", "width", "height")]
    box = from_rectangle(numbers, size_of(item, where), item, place, where)
    return EventBox(box, radio_sounding(attributes.get("sounding"), where, item.clip_id))


FORMAT = Via2()
