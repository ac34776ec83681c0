"""Annotation events: what people and programs decided about clips, appended and never changed.

The log is JSON Lines, one event a line, so that two logs merge by concatenation::

    {"schema": "vggss-event/1", "event_id": uuid, "clip_id", "class", "time": UTC ISO 8601,
     "stage": "auto|manual|verify", "reviewer", "tool", "decision": "yes|no|not_sure|unseen",
     "boxes": [{"bbox": [xmin, ymin, xmax, ymax], "sounding": true}], "supersedes": null}

Boxes are fractions of the frame, y down: the boxes as they stood after the act, not a difference.
The file is read and written by :mod:`vggss_tools.annotate.log`; today's state is a fold over the
events (:mod:`vggss_tools.annotate.fold`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID, uuid4

from vggss_tools.annotate.json_values import is_number_row, shown
from vggss_tools.boxes import Box
from vggss_tools.clips import parse_clip_id

SCHEMA = "vggss-event/1"

# Who the boxes of a sample world come from: exact by construction, nobody looked at them.
STAND_IN_REVIEWER = "sample-world"

# A name, a label or a tool is a line for people; longer ones are a broken or hostile file.
MAX_TEXT = 500

Choice = TypeVar("Choice", bound=StrEnum)


class Decision(StrEnum):
    """Whether the class is heard and comes from the sounding boxes."""

    YES = "yes"
    NO = "no"
    NOT_SURE = "not_sure"
    UNSEEN = "unseen"


class AnnotationStage(StrEnum):
    """Which of the paper's three steps (section 4.1) an event belongs to."""

    AUTO = "auto"
    MANUAL = "manual"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class EventBox:
    """A box and whether what it shows makes the sound."""

    box: Box
    sounding: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One act on one clip and class.

    Attributes
    ----------
    event_id : str
        UUID in its canonical spelling; the same event merged twice counts once.
    label : str
        Sound class that was asked about; ``class`` in the file.
    time : datetime
        With a UTC offset; kept in UTC.
    boxes : tuple of EventBox
        All boxes as they then stood.
    supersedes : str or None
        The ``event_id`` of an earlier event on the same clip and class that this one takes back.

    Raises
    ------
    ValueError
        If any value cannot stand in the log; the message names the field.
    """

    event_id: str
    clip_id: str
    label: str
    time: datetime
    stage: AnnotationStage
    reviewer: str
    tool: str
    decision: Decision
    boxes: tuple[EventBox, ...] = ()
    supersedes: str | None = None

    def __post_init__(self) -> None:
        settle = object.__setattr__
        settle(self, "event_id", _uuid(self.event_id, "event_id"))
        if self.supersedes is not None:
            settle(self, "supersedes", _uuid(self.supersedes, "supersedes"))
        if self.supersedes == self.event_id:
            raise ValueError("supersedes is the event itself")
        parse_clip_id(self.clip_id)
        for name in ("label", "reviewer", "tool"):
            _check_text(getattr(self, name), "class" if name == "label" else name)
        settle(self, "stage", _choice(AnnotationStage, self.stage, "stage"))
        settle(self, "decision", _choice(Decision, self.decision, "decision"))
        if self.time.tzinfo is None:
            raise ValueError(f"time {self.time.isoformat()} has no UTC offset")
        try:
            settle(self, "time", self.time.astimezone(UTC))
        except OverflowError:
            raise ValueError(f"time {self.time.isoformat()} is out of range in UTC") from None
        settle(self, "boxes", tuple(self.boxes))

    @property
    def order(self) -> tuple[datetime, str]:
        """The place of the event among others: by time, then by id."""
        return self.time, self.event_id

    @property
    def sounding_boxes(self) -> tuple[Box, ...]:
        """Boxes of what makes the sound."""
        return tuple(item.box for item in self.boxes if item.sounding)

    @property
    def silent_boxes(self) -> tuple[Box, ...]:
        """Boxes of what is visible and does not make the sound."""
        return tuple(item.box for item in self.boxes if not item.sounding)

    def as_json(self) -> dict[str, Any]:
        """Return the event as it stands in the log."""
        return {
            "schema": SCHEMA,
            "event_id": self.event_id,
            "clip_id": self.clip_id,
            "class": self.label,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "stage": str(self.stage),
            "reviewer": self.reviewer,
            "tool": self.tool,
            "decision": str(self.decision),
            "boxes": [
                {"bbox": item.box.as_list(), "sounding": item.sounding} for item in self.boxes
            ],
            "supersedes": self.supersedes,
        }

    def as_line(self) -> str:
        """Return the event as one line of the log, with its line end."""
        # ASCII only: no line separator of Unicode can split the line in anybody's editor.
        return json.dumps(self.as_json(), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, value: Any) -> Event:
        """Read what :meth:`as_json` writes; unknown keys are let be.

        Raises
        ------
        ValueError
            Naming the field and what is wrong with it.
        """
        if not isinstance(value, dict):
            raise ValueError("an event is a JSON object")
        if value.get("schema") != SCHEMA:
            raise ValueError(f"schema is {shown(value.get('schema'))}, not {SCHEMA!r}")
        missing = [key for key in _REQUIRED if key not in value]
        if missing:
            raise ValueError(f"no {', '.join(missing)}")
        texts = {key: value[key] for key in _REQUIRED if key != "boxes"}
        if value.get("supersedes") is not None:
            texts["supersedes"] = value["supersedes"]
        for key, text in texts.items():
            if not isinstance(text, str):
                raise ValueError(f"{key} is {shown(text)}, not a string")
        return cls(
            event_id=texts["event_id"],
            clip_id=texts["clip_id"],
            label=texts["class"],
            time=_time(texts["time"]),
            stage=_choice(AnnotationStage, texts["stage"], "stage"),
            reviewer=texts["reviewer"],
            tool=texts["tool"],
            decision=_choice(Decision, texts["decision"], "decision"),
            boxes=_boxes(value["boxes"]),
            supersedes=texts.get("supersedes"),
        )


_REQUIRED = (
    "event_id",
    "clip_id",
    "class",
    "time",
    "stage",
    "reviewer",
    "tool",
    "decision",
    "boxes",
)


def new_event(
    clip_id: str,
    label: str,
    decision: Decision | str,
    boxes: Iterable[EventBox] = (),
    *,
    stage: AnnotationStage | str,
    reviewer: str,
    tool: str,
    supersedes: str | None = None,
) -> Event:
    """Make an event that happens now, with a random id.

    A writer whose events must be the same on every run gives ``Event`` an id of its own
    (``uuid5``) and a fixed time instead.
    """
    return Event(
        event_id=str(uuid4()),
        clip_id=clip_id,
        label=label,
        time=datetime.now(UTC),
        stage=AnnotationStage(stage),
        reviewer=reviewer,
        tool=tool,
        decision=Decision(decision),
        boxes=tuple(boxes),
        supersedes=supersedes,
    )


def _uuid(text: str, name: str) -> str:
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{name} {shown(text)} is not a UUID") from None


def _check_text(text: str, name: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} is empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} is {len(text)} characters long, more than {MAX_TEXT}")
    if not text.isprintable():
        raise ValueError(f"{name} {shown(text)} has a character that cannot be printed")


def _choice(kind: type[Choice], text: str, name: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} {shown(text)} is not one of {', '.join(kind)}") from None


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time {shown(text)} is not ISO 8601") from None


def _boxes(items: Any) -> tuple[EventBox, ...]:
    if not isinstance(items, list):
        raise ValueError(f"boxes is {shown(items)}, not a list")
    return tuple(_event_box(item, index) for index, item in enumerate(items))


def _event_box(item: Any, index: int) -> EventBox:
    if not isinstance(item, dict):
        raise ValueError(f"box {index} is {shown(item)}, not an object")
    numbers, sounding = item.get("bbox"), item.get("sounding")
    if not isinstance(sounding, bool):
        raise ValueError(f"box {index}: sounding is {shown(sounding)}, not true or false")
    if not is_number_row(numbers):
        raise ValueError(f"box {index}: bbox is {shown(numbers)}, not four numbers")
    try:
        return EventBox(Box.from_sequence(numbers), sounding)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"box {index}: {error}") from None
