"""The published json of VGG-SS: what sounds, of every clip that was decided: yes.

See :mod:`vggss_tools.annotate.vggss_json`. Each entry that comes back is a yes. Broken boxes are
refused, but for the documented ones of the published file itself, which are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media
from vggss_tools.annotate.formats.field_checks import fraction_box, known_clip, same_class
from vggss_tools.annotate.items import documented_errata, raw_boxes
from vggss_tools.annotate.vggss_json import Entry, format_vggss_json, read_vggss_json


class VggssFormat:
    """See the module."""

    name = "vggss"
    suffix = ".json"
    needs: tuple[str, ...] = ()
    cannot_hold = (
        "clips whose decision is not yes, or that have no sounding box",
        "silent boxes",
        "frames, sounds and clips",
    )
    precision = 0.0
    holds_broken = True

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write the entries sorted by clip, as releases do."""
        boxes = {item.clip_id: raw_boxes(item) for item in items}
        text = format_vggss_json(
            Entry(item.clip_id, item.label, tuple(boxes[item.clip_id]))
            for item in items
            if self.holds(item)
        )
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def holds(self, item: Item) -> bool:
        """Whether the clip can stand in the file."""
        return item.decision is Decision.YES and bool(raw_boxes(item))

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read it; of the published file, told by its checksum, the errata are left out."""
        annotations = read_vggss_json(path)
        errata = documented_errata(annotations)
        answers = []
        for index, entry in enumerate(annotations.entries):
            where = f"entry {index}"
            item = known_clip(entry.file, known, where)
            same_class(entry.label, item, where)
            if entry.file in errata.dropped_clips:
                note = "its only box is broken (annotations/errata.csv)"
                answers.append(Answer(where, item.clip_id, item.label, left_out=(note,)))
                continue
            dropped = errata.dropped_boxes.get(entry.file, ())
            boxes = tuple(
                EventBox(fraction_box(list(box), item, f"{where}, box {place}"))
                for place, box in enumerate(entry.boxes)
                if place not in dropped
            )
            answers.append(
                Answer(
                    where,
                    item.clip_id,
                    item.label,
                    Decision.YES,
                    boxes,
                    only_sounding=True,
                    left_out=tuple(
                        f"box {place} is broken (annotations/errata.csv)" for place in dropped
                    ),
                )
            )
        return answers


FORMAT = VggssFormat()
