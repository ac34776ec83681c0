"""CSV: one row a box, or one without a box for a clip that has none.

Coordinates are fractions of the frame with all their digits. Only ``clip_id`` and the four
coordinates are needed when a file comes back; a clip's rows may stand anywhere in it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.field_checks import (
    MAX_BOXES,
    base_of,
    decision_of,
    fraction_box,
    known_clip,
    same_class,
    text_of,
    time_of,
)
from vggss_tools.annotate.json_values import cause, shown

_EDGES = ("xmin", "ymin", "xmax", "ymax")
COLUMNS = (
    "clip_id", "class", "split", "decision", *_EDGES, "sounding", "reviewer", "time",
    "last_reviewer", "last_event",
)  # fmt: skip
_NEEDED = ("clip_id", *_EDGES)
_FLAGS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# `csv` would call a short or a long row None; no column of ours has this name.
_MISSING, _REST = "missing", "rest"


class CsvFormat:
    """See the module."""

    name = "csv"
    suffix = ".csv"
    needs: tuple[str, ...] = ()
    cannot_hold = ("frames, sounds and clips",)
    precision = 0.0
    holds_broken = True

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write one row a box; ``reviewer`` and ``time`` are left for whoever answers."""
        with path.open("x", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for item in items:
                about = (item.clip_id, item.label, item.split, str(item.decision))
                # An empty last_event says: there was none. Without the column nothing is said.
                last = ("", "", item.reviewer or "", item.event_id or "")
                boxes = [
                    (*map(repr, one.box.as_list()), str(one.sounding).lower()) for one in item.boxes
                ]
                for place, box in item.broken:
                    boxes.insert(place, (*map(repr, box), "true"))
                for row in boxes or [("",) * 5]:
                    rows.writerow((*about, *row, *last))

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read it; rows of one clip must agree on everything but their boxes."""
        answers: dict[str, Answer] = {}
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file, restkey=_REST, restval=_MISSING, strict=True)
                _check_header(rows.fieldnames or [])
                for row in rows:
                    _add(answers, _answer(row, f"line {rows.line_num}", known))
        except (csv.Error, UnicodeDecodeError) as error:
            raise Refused(path.name, f"not a CSV file in UTF-8 ({cause(error)})") from None
        return list(answers.values())


def _check_header(header: Sequence[str]) -> None:
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise Refused("line 1", f"no column {', '.join(missing)}")
    if len(set(header)) != len(header):
        raise Refused("line 1", "a column stands there twice")


def _answer(row: Mapping[str, Any], where: str, known: Mapping[str, Item]) -> Answer:
    if _REST in row or _MISSING in row.values():
        raise Refused(where, "it has more or fewer cells than the header")
    item = known_clip(row["clip_id"], known, where)
    boxes: tuple[EventBox, ...] = ()
    cells = [row[name].strip() for name in _EDGES]
    if any(cells):
        flag = row.get("sounding", "").strip().lower()
        if flag not in _FLAGS:
            raise Refused(
                where, f"sounding is {shown(row['sounding'])}, not true or false", item.clip_id
            )
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            raise Refused(where, f"box {shown(cells)} is not four numbers", item.clip_id) from None
        boxes = (EventBox(fraction_box(numbers, item, where), _FLAGS[flag]),)
    return Answer(
        where=where,
        clip_id=item.clip_id,
        label=same_class(row.get("class") or None, item, where),
        decision=decision_of(row.get("decision"), where, item.clip_id),
        boxes=boxes,
        reviewer=text_of(row.get("reviewer"), "reviewer", where, item.clip_id),
        time=time_of(row.get("time"), where, item.clip_id),
        base=base_of(row.get("last_event"), where, item.clip_id),
    )


def _add(answers: dict[str, Answer], row: Answer) -> None:
    first = answers.setdefault(row.clip_id, row)
    if first is row:
        return
    if replace(row, where=first.where, boxes=first.boxes) != first:
        raise Refused(
            row.where,
            f"decision, reviewer, time or last_event differ from {first.where}",
            row.clip_id,
        )
    boxes = (*(first.boxes or ()), *(row.boxes or ()))
    if len(boxes) > MAX_BOXES:
        raise Refused(row.where, f"more than {MAX_BOXES} boxes", row.clip_id)
    answers[row.clip_id] = replace(first, boxes=boxes)


FORMAT = CsvFormat()
