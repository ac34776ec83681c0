"""Today's state of the annotations: a fold over the events, whatever order they were merged in.

Events are taken by time, then by id; an event with the same id as another counts once. Of each
clip and class the newest event counts, with its decision and its boxes as they then stood, but

- **people before programs**: where a person has spoken (stage ``manual`` or ``verify``), no
  automatic event counts, however new it is, nor can it take back what a person said;
- an event that a later one supersedes (on the same clip and class) does not count;
- a person's event that supersedes a person's and says ``unseen`` takes that one back and puts
  nothing in its place: what stood before counts again. It counts itself only where no person says
  anything else. The same holds among programs;
- a person's ``unseen`` that supersedes nothing and has boxes, or is of stage ``manual`` (all boxes
  were taken away), is about the boxes alone: they count, and the decision that stood before stays.
  It is no opinion of that person, unless they decided before.

What several reviewers say together is :mod:`vggss_tools.annotate.consensus`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from vggss_tools.annotate.events import AnnotationStage, Decision, Event
from vggss_tools.boxes import Box


@dataclass(frozen=True, slots=True)
class ClassState:
    """What is decided about one class in one clip.

    Attributes
    ----------
    newest : Event
        The event that counts; with the decision that stood before where it is about boxes alone.
    opinions : mapping of reviewer to Event
        Each reviewer's own newest event, by name; a person's before a program's under one name.
        Of one about boxes alone the decision is the reviewer's own earlier one, else ``unseen``.
    """

    newest: Event
    opinions: Mapping[str, Event]

    @property
    def label(self) -> str:
        """The sound class."""
        return self.newest.label

    @property
    def decision(self) -> Decision:
        """The newest decision."""
        return self.newest.decision

    @property
    def sounding_boxes(self) -> tuple[Box, ...]:
        """Boxes of what makes the sound, as they stand."""
        return self.newest.sounding_boxes

    @property
    def silent_boxes(self) -> tuple[Box, ...]:
        """Boxes of what is visible and silent, as they stand."""
        return self.newest.silent_boxes


@dataclass(frozen=True, slots=True)
class ClipState:
    """What is decided about one clip: a state per class that was asked about, by name."""

    clip_id: str
    classes: Mapping[str, ClassState]


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return the events in the order of the fold, each id once.

    Where an id was given to two different events, which no tool of ours does, the first of them
    counts; :func:`conflicting_ids` names such ids.
    """
    once: dict[str, Event] = {}
    for event in events:
        known = once.setdefault(event.event_id, event)
        if known != event and _place(event) < _place(known):
            once[event.event_id] = event
    return sorted(once.values(), key=lambda event: event.order)


def conflicting_ids(events: Iterable[Event]) -> list[str]:
    """Return the ids, sorted, that stand for more than one event."""
    first: dict[str, Event] = {}
    return sorted({e.event_id for e in events if first.setdefault(e.event_id, e) != e})


def fold(events: Iterable[Event]) -> dict[str, ClipState]:
    """Fold events into the state of each clip, by clip id.

    The result does not depend on the order in which the events are given.
    """
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in in_order(events):
        groups[event.clip_id, event.label].append(event)

    states: dict[str, dict[str, ClassState]] = defaultdict(dict)
    for (clip_id, label), group in sorted(groups.items()):
        newest: Event | None = None
        opinions: dict[str, Event] = {}
        for event in _people_last(_standing(group)):
            newest = _decided(event, newest)
            own = opinions.get(event.reviewer)
            opinions[event.reviewer] = _decided(event, own if own and by_person(own) else None)
        assert newest is not None  # something of a group always stands
        states[clip_id][label] = ClassState(
            newest, MappingProxyType(dict(sorted(opinions.items())))
        )
    return {clip_id: ClipState(clip_id, MappingProxyType(c)) for clip_id, c in states.items()}


def outcome(state: ClipState | None, label: str) -> str:
    """Say in one word where a clip stands on one class.

    Returns
    -------
    str
        A decision; ``none`` where nobody was asked, ``yes_without_box`` for a yes that has
        nothing to show.
    """
    about = state.classes.get(label) if state else None
    if about is None:
        return "none"
    if about.decision is Decision.YES and not about.sounding_boxes:
        return "yes_without_box"
    return str(about.decision)


def by_person(event: Event) -> bool:
    """Whether a person made the event, not a program."""
    return event.stage is not AnnotationStage.AUTO


def only_boxes(event: Event) -> bool:
    """Whether a person's event is about the boxes alone, and says nothing about the class."""
    return (
        by_person(event)
        and event.decision is Decision.UNSEEN
        and event.supersedes is None
        and (bool(event.boxes) or event.stage is AnnotationStage.MANUAL)
    )


def _decided(event: Event, before: Event | None) -> Event:
    """Return the event, with the decision that stood before where it is about boxes alone."""
    if before is None or not only_boxes(event):
        return event
    return replace(event, decision=before.decision)


def _place(event: Event) -> tuple[datetime, str, str]:
    """The place of an event among all, those with the same id included."""
    return (*event.order, event.as_line())


def _standing(group: list[Event]) -> list[Event]:
    """Leave out what a later event of the same clip and class takes back; something is left."""
    seen: dict[str, Event] = {}
    taken_back: set[str] = set()
    retractions: set[str] = set()
    for event in group:
        earlier = seen.get(event.supersedes) if event.supersedes else None
        if earlier is not None and (by_person(event) or not by_person(earlier)):
            taken_back.add(earlier.event_id)
            if event.decision is Decision.UNSEEN and by_person(event) == by_person(earlier):
                retractions.add(event.event_id)
        seen[event.event_id] = event
    left = [event for event in group if event.event_id not in taken_back]
    said = [event for event in left if event.event_id not in retractions]
    says_more = any(map(by_person, said)) or not any(map(by_person, left))
    return said if said and says_more else left


def _people_last(events: list[Event]) -> list[Event]:
    """Move people's events behind the automatic ones; each keep their order."""
    return sorted(events, key=by_person)
