"""What one clip is in the FiftyOne data set: fields and tags, and back.

========================  ===========================================================
``clip_id``               on both slices
``label``                 Classification: the sound class
``ground_truth``          Detections, on the slice ``frame``; each with ``sounding``
``decision``              Classification: yes, no, not sure; empty where nobody decided
``reviewer``              whose event stands
``reviewed_at``           when it was made
``opinions``              ``NAME: decision`` of each person
``disagreement``          whether people decided differently
``doubt``                 why the clip is doubtful, if somebody said so
``as_written``            what we wrote last, by which edits made elsewhere are found
========================  ===========================================================

Tags: the split, and one of ``auto``, ``manual``, ``verified``, ``rejected``, ``not-sure``.
Nothing here imports FiftyOne.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vggss_tools.annotate.events import AnnotationStage, Decision, EventBox
from vggss_tools.annotate.fold import ClassState
from vggss_tools.boxes import Box
from vggss_tools.verify.tally import people_decisions

NAMES = {Decision.YES: "yes", Decision.NO: "no", Decision.NOT_SURE: "not sure"}
DECISIONS = {name: decision for decision, name in NAMES.items()}
TAGS = {Decision.YES: "verified", Decision.NO: "rejected", Decision.NOT_SURE: "not-sure"}
TAGGED = {tag: decision for decision, tag in TAGS.items()}
STATE_TAGS = frozenset({"auto", "manual", *TAGGED})
# Tags on single boxes, for those who use the App's tagging.
SILENT_TAG, SOUNDING_TAG = "silent", "sounding"


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of one clip's samples."""

    decision: str | None
    tags: tuple[str, ...]
    boxes: tuple[EventBox, ...]
    reviewer: str | None
    reviewed_at: datetime | None
    opinions: tuple[str, ...]
    disagreement: bool
    event_id: str = ""

    def with_others(self, tags: Iterable[str]) -> list[str]:
        """Return our tags, then those of other people that say nothing about the state."""
        others = [tag for tag in tags if tag not in STATE_TAGS]
        return list(dict.fromkeys([*self.tags, *others]))

    def as_written(self, *, with_boxes: bool) -> str:
        """Return the part that people can edit, as a line to compare with later."""
        boxes = self.boxes if with_boxes else ()
        return written(self.decision, self.tags, boxes, self.event_id)


@dataclass(frozen=True, slots=True)
class Edited:
    """What people can edit of a sample, as it is found in the data set."""

    decision: str | None
    tags: tuple[str, ...]
    boxes: tuple[EventBox, ...] | None  # None on the slice without boxes

    def line(self) -> str:
        """Return it in the form of :meth:`Fields.as_written`."""
        return written(self.decision, self.tags, self.boxes or ())


def fields_of(
    state: ClassState | None, proposed: Sequence[EventBox], split: str, decision: Decision
) -> Fields:
    """Make the values of a clip.

    Parameters
    ----------
    state : ClassState or None
        What the log says on the clip's own class.
    proposed, decision
        What stands where the log says nothing.
    """
    if state is None:
        tag = TAGS.get(decision, "auto")
        return Fields(NAMES.get(decision), (split, tag), tuple(proposed), None, None, (), False)
    event = state.newest
    untold = "auto" if event.stage is AnnotationStage.AUTO else "manual"
    people = people_decisions(state)
    return Fields(
        decision=NAMES.get(event.decision),
        tags=(split, TAGS.get(event.decision, untold)),
        boxes=event.boxes,
        reviewer=event.reviewer,
        reviewed_at=event.time,
        opinions=tuple(f"{name}: {NAMES[each]}" for name, each in sorted(people.items())),
        disagreement=len(set(people.values())) > 1,
        event_id=event.event_id,
    )


def written(
    decision: str | None, tags: Iterable[str], boxes: Iterable[EventBox], event_id: str = ""
) -> str:
    """Return what people can edit as one line, and the event that it comes from."""
    rows = [[*(round(v, 9) for v in to_xywh(item.box)), item.sounding] for item in boxes]
    state = sorted(set(tags) & STATE_TAGS)
    value = {"decision": decision, "tags": state, "boxes": rows, "event": event_id}
    return json.dumps(value)


def written_event(line: str) -> str | None:
    """Return the id of the event that a line was written from; "" where there was none yet."""
    found = json.loads(line).get("event")
    return found if isinstance(found, str) else None


def decided(found: Edited, line: str) -> Decision | None:
    """Return the decision that somebody made by field or tag since ``line`` was written.

    Raises
    ------
    ValueError
        If the tags say two things at once.
    """
    before = json.loads(line)
    if found.decision != before["decision"]:
        if found.decision is None:
            return Decision.UNSEEN
        try:
            return DECISIONS[found.decision]
        except KeyError:
            raise ValueError(f"decision {found.decision!r} is not yes, no or not sure") from None
    new = sorted(set(found.tags) & set(TAGGED) - set(before["tags"]))
    if len(new) > 1:
        raise ValueError(f"tagged both {' and '.join(new)}")
    return TAGGED[new[0]] if new else None


def boxes_changed(found: Edited, line: str) -> bool:
    """Whether somebody changed boxes since ``line`` was written."""
    return (
        found.boxes is not None and json.loads(found.line())["boxes"] != json.loads(line)["boxes"]
    )


def to_xywh(box: Box) -> list[float]:
    """Return a box as FiftyOne writes it: left, top, width, height, as fractions."""
    return [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin]


def from_detection(detection: Mapping[str, Any]) -> EventBox:
    """Read one of FiftyOne's detections; what overlaps the frame's edge is cut there.

    Raises
    ------
    ValueError
        If it is no box.
    """
    x, y, width, height = (float(value) for value in detection["bounding_box"])
    edges = (max(x, 0.0), max(y, 0.0), min(x + width, 1.0), min(y + height, 1.0))
    tags = detection.get("tags") or ()
    sounding = detection.get("sounding") is not False
    if SILENT_TAG in tags:
        sounding = False
    elif SOUNDING_TAG in tags:
        sounding = True
    return EventBox(Box(*edges), sounding)
