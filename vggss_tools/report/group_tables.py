"""Scores of parts of the test set: by class, by the truth's area, by the number of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vggss_tools.report.scores import ProtocolSection

# The truth's area in pixels of 224 x 224, and as shares of the frame: 2.0%, 18.4%, 41.3%.
AREAS = {
    "small": "small: below 32², 2% of the frame",
    "medium": "medium: below 96², 18%",
    "large": "large: below 144², 41%",
    "huge": "huge: 144² and more",
}

Group = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Some of the clips: their number, and by run the share that succeeds and the mean cIoU."""

    label: str
    n: int
    scores: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True, slots=True)
class GroupTables:
    """Tables under one protocol; without rows where the result does not have them."""

    section: ProtocolSection
    areas: tuple[GroupRow, ...]
    boxes: tuple[GroupRow, ...]
    classes: tuple[GroupRow, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.areas or self.boxes or self.classes)


def group_tables(sections: Sequence[ProtocolSection]) -> list[GroupTables]:
    """Return the tables of each protocol that has some."""
    found = [_tables(section) for section in sections]
    return [tables for tables in found if tables]


def _tables(section: ProtocolSection) -> GroupTables:
    areas = _groups(section, "by_area")
    boxes = _groups(section, "by_boxes")
    classes = _groups(section, "by_class")
    order = [*AREAS, *sorted(set(areas) - set(AREAS))]
    counts = sorted(boxes, key=lambda key: (not key.isdigit(), int(key) if key.isdigit() else 0))
    # The best first, by the mean over the runs; among equals by mean cIoU.
    best_first = sorted(
        (_row(label or "no class", classes[label]) for label in sorted(classes)),
        key=lambda row: tuple(-sum(s[k] for s in row.scores if s) for k in (0, 1)),
    )
    return GroupTables(
        section,
        tuple(_row(AREAS.get(key, key), areas[key]) for key in order if key in areas),
        tuple(_row(key, boxes[key]) for key in counts),
        tuple(best_first),
    )


def _groups(section: ProtocolSection, key: str) -> dict[str, list[Group | None]]:
    """Return group → its score in each run."""
    tables = [entry.result.get(key) or {} for entry in section.entries]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: [table.get(name) for table in tables] for name in names}


def _row(label: str, scores: Sequence[Group | None]) -> GroupRow:
    return GroupRow(
        label,
        max(score["n"] for score in scores if score),
        tuple((score["ciou"], score["mean_ciou"]) if score else None for score in scores),
    )
