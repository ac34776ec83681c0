"""Today's state of the annotations: a fold over the events, whatever order they were merged in.

Events are taken by time, then by id. Of each clip and class the newest event counts, with its
decision and its boxes as they then stood. An event with the same id as another counts once. An
event that a later one supersedes (on the same clip and class) does not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vggss_tools.annotate.events import Decision, Event
from vggss_tools.boxes import Box


@dataclass(frozen=True, slots=True)
class ClassState:
    """What is decided about one class in one clip.

    Attributes
    ----------
    newest : Event
        The event that counts.
    opinions : mapping of reviewer to Event
        Each reviewer's own newest event, by name.
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
    ordered = sorted(events, key=lambda event: (*event.order, event.as_line()))
    once: dict[str, Event] = {}
    for event in ordered:
        once.setdefault(event.event_id, event)
    return list(once.values())


def conflicting_ids(events: Iterable[Event]) -> list[str]:
    """Return the ids, sorted, that stand for more than one event."""
    by_id: dict[str, set[Event]] = defaultdict(set)
    for event in events:
        by_id[event.event_id].add(event)
    return sorted(event_id for event_id, same in by_id.items() if len(same) > 1)


def fold(events: Iterable[Event]) -> dict[str, ClipState]:
    """Fold events into the state of each clip, by clip id.

    The result does not depend on the order in which the events are given.
    """
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in in_order(events):
        groups[event.clip_id, event.label].append(event)

    states: dict[str, dict[str, ClassState]] = defaultdict(dict)
    for (clip_id, label), group in sorted(groups.items()):
        standing = _standing(group)
        if standing:
            opinions = {event.reviewer: event for event in standing}
            states[clip_id][label] = ClassState(
                standing[-1], MappingProxyType(dict(sorted(opinions.items())))
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


def _standing(group: list[Event]) -> list[Event]:
    """Leave out the events that a later one of the same clip and class takes back."""
    seen: set[str] = set()
    taken_back: set[str] = set()
    for event in group:
        if event.supersedes in seen:
            taken_back.add(event.supersedes)
        seen.add(event.event_id)
    return [event for event in group if event.event_id not in taken_back]
