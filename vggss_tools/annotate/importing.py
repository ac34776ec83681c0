"""Answers of a file become events: only what was changed, and the whole file or nothing of it.

Each answer is compared with its *base*: the event that stood when the file was written, where the
file says which and the log has it, else what stands today. Boxes that came back closer than the
format's precision are the boxes that went out. What differs becomes one event:

- of stage ``verify`` where a decision was given (other than the base's, or under a name that the
  file itself gives), with the boxes as they then were;
- of stage ``manual`` where only boxes changed; the decision stays.

An event's id follows from the whole of the file's answers, so a file that is imported again adds
nothing, whatever happened in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from vggss_tools.annotate.events import (
    STAND_IN_REVIEWER,
    AnnotationStage,
    Decision,
    Event,
    EventBox,
)
from vggss_tools.annotate.fold import ClassState, fold, only_boxes
from vggss_tools.annotate.formats.exchange import Answer, Item, Refused
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.settled_boxes import settled_boxes
from vggss_tools.errors import InvalidInput

SCHEMA = "vggss-import/1"
_NAMESPACE = UUID("4c1f6a0e-6a58-5a3c-9d0e-6f3c1f0f5b7d")
# A project for several reviewers goes out without anybody's decision (see `blind`).
_BLIND = "blind:"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers of one file or folder.

    Attributes
    ----------
    name : str
        For people.
    reviewer : str or None
        Whom its name was assigned to.
    precision : float
        Of its format, in pixels.
    """

    name: str
    answers: Sequence[Answer]
    precision: float = 0.0
    reviewer: str | None = None


@dataclass(slots=True)
class Import:
    """What an import adds to the log.

    Attributes
    ----------
    clips : set of str
        Clips that the files speak of.
    events : list of Event
        To be appended, in the files' order.
    ignored : list of dict
        ``where``, ``clip_id``, ``class`` and ``reason`` of each answer that gave no event, and of
        what the files hold beyond it.
    """

    clips: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    ignored: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the import as ``--json`` shows it."""
        return {
            "schema": SCHEMA,
            "clips": len(self.clips),
            "events": len(self.events),
            "ignored": self.ignored,
        }


def blind(items: Iterable[Item]) -> list[Item]:
    """Return the items without decisions, so that each reviewer answers alone.

    Which event stood is kept, and that it went out without its decision.
    """
    return [
        replace(
            item,
            decision=Decision.UNSEEN,
            event_id=_BLIND + item.event_id if item.event_id else None,
        )
        for item in items
    ]


def plan_import(
    files: Sequence[AnswerFile],
    known: WorkspaceItems,
    *,
    tool: str,
    reviewer: str | None = None,
    now: datetime | None = None,
) -> Import:
    """Find the events that the files' answers are; nothing is written.

    Parameters
    ----------
    reviewer : str, optional
        Whose answers they are where a file does not say.

    Raises
    ------
    Refused
        At an answer about an unknown clip or another class than the clip's, or a second one
        about the same clip by the same person that says something else.
    InvalidInput
        If it is not known whose answers they are.
    """
    found = Import()
    by_id = {event.event_id: event for event in known.events}
    digest = _digest(files)
    seen: dict[tuple[str, str], tuple[str, Answer]] = {}
    now = now or datetime.now(UTC)
    for file in files:
        for answer in file.answers:
            where = f"{file.name}: {answer.where}"
            item = known.get(answer.clip_id)
            if item is None:
                raise Refused(where, "not among the clips of the data directory", answer.clip_id)
            if answer.label != item.label:
                raise Refused(
                    where, f"class {answer.label!r} is not the clip's, {item.label!r}", item.clip_id
                )
            found.clips.add(item.clip_id)
            for note in answer.left_out:
                _ignore(found, where, answer, note)
            if answer.left_out and answer.decision is None and answer.boxes is None:
                continue
            own_name = _own_name(answer.reviewer)
            assigned = _own_name(file.reviewer)
            person = own_name or assigned or reviewer
            # A decision under such a name is that person's own, also where it agrees.
            named = own_name is not None or (assigned is not None and answer.base is None)
            key = (item.clip_id, person or "")
            if key in seen:
                first, other = seen[key]
                if _same_answer(other, answer):
                    _ignore(found, where, answer, f"said already in {first}")
                    continue
                raise Refused(where, f"{first} says something else about it", item.clip_id)
            seen[key] = (where, answer)
            state = known.states.get(item.clip_id)
            own = state.classes.get(item.label) if state else None
            event = _event(
                answer, item, own, by_id, known.proposed(item.clip_id),
                where=where, tool=tool, person=person, named=named,
                precision=file.precision, digest=digest, now=now,
            )  # fmt: skip
            if isinstance(event, str):
                _ignore(found, where, answer, event)
            elif event.event_id in by_id:
                _ignore(found, where, answer, "imported before")
            else:
                found.events.append(event)
    return found


def _event(
    answer: Answer,
    item: Item,
    state: ClassState | None,
    by_id: Mapping[str, Event],
    proposed: tuple[EventBox, ...],
    *,
    where: str,
    tool: str,
    person: str | None,
    named: bool,
    precision: float,
    digest: str,
    now: datetime,
) -> Event | str:
    """Return the event that an answer is, or why it is none."""
    opinion = state.opinions.get(person) if state and person else None
    base_decision, base_boxes = _base(answer, item, by_id, proposed)
    boxes = settled_boxes(answer, base_boxes, item, precision)
    decision = None if answer.decision in (None, Decision.UNSEEN) else answer.decision
    moved = boxes != base_boxes
    agrees = decision == base_decision and not (named and opinion is None)
    if not moved and (decision is None or agrees):
        return "nothing was changed"
    if opinion is not None:
        again = settled_boxes(answer, opinion.boxes, item, precision)
        if again == opinion.boxes and decision in (None, opinion.decision):
            return f"{person} has said so already"
    if person is None:
        raise InvalidInput(
            f"{where}: {item.clip_id}: it does not say whose answer it is; nothing was imported; "
            "give --reviewer NAME"
        )
    given = decision is not None and not agrees
    try:
        return Event(
            event_id=str(uuid5(_NAMESPACE, f"{digest}/{item.clip_id}/{person}")),
            clip_id=item.clip_id,
            label=item.label,
            time=answer.time or now,
            stage=AnnotationStage.VERIFY if given else AnnotationStage.MANUAL,
            reviewer=person,
            tool=tool,
            decision=decision or base_decision,
            boxes=boxes,
        )
    except ValueError as error:
        raise Refused(where, str(error), item.clip_id) from None


def _base(
    answer: Answer,
    item: Item,
    by_id: Mapping[str, Event],
    proposed: tuple[EventBox, ...],
) -> tuple[Decision, tuple[EventBox, ...]]:
    """Return what the file showed about the clip when it was written."""
    if answer.base == "":
        return Decision.UNSEEN, proposed
    event_id = (answer.base or "").removeprefix(_BLIND)
    event = by_id.get(event_id)
    if event is None or (event.clip_id, event.label) != (item.clip_id, item.label):
        return item.decision, item.boxes  # nothing is said, or it was written beside another log
    if event_id != answer.base:
        return Decision.UNSEEN, event.boxes
    return _decision_then(event, item, by_id), event.boxes


def _decision_then(event: Event, item: Item, by_id: Mapping[str, Event]) -> Decision:
    """Return the decision that stood when the event did, which may be about boxes alone."""
    if event.event_id == item.event_id:
        return item.decision
    if not only_boxes(event):
        return event.decision
    about = (event.clip_id, event.label)
    then = fold(
        one
        for one in by_id.values()
        if (one.clip_id, one.label) == about and one.order <= event.order
    )
    return then[event.clip_id].classes[event.label].decision


def _own_name(reviewer: str | None) -> str | None:
    """Return the reviewer that a file names, without blanks around, if it is a person."""
    name = (reviewer or "").strip()
    return None if name in ("", STAND_IN_REVIEWER) else name


def _same_answer(one: Answer, other: Answer) -> bool:
    return replace(one, where="", time=None) == replace(other, where="", time=None)


def _ignore(found: Import, where: str, answer: Answer, reason: str) -> None:
    found.ignored.append(
        {"where": where, "clip_id": answer.clip_id, "class": answer.label, "reason": reason}
    )


def _digest(files: Sequence[AnswerFile]) -> str:
    """Return a checksum of what the files say, wherever in them it stands."""
    rows = sorted(
        json.dumps(
            [
                answer.clip_id,
                answer.label,
                answer.decision,
                [[*one.box.as_list(), one.sounding] for one in answer.boxes or ()],
                answer.boxes is None,
                answer.reviewer or file.reviewer,
                answer.time.isoformat() if answer.time else None,
                answer.base,
            ]
        )
        for file in files
        for answer in file.answers
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
