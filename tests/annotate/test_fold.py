"""The fold: today's state, whatever order the events were merged in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.fold import conflicting_ids, fold, in_order
from vggss_tools.boxes import Box

START = datetime(2026, 3, 1, tzinfo=UTC)
CLIP, LABEL = "zpWuikVorYg_000032", "elk bugling"


def act(number: int, minute: int, decision: str = "yes", **change: Any) -> Event:
    """Make one event by its number and the minute at which it happened."""
    values = {
        "event_id": str(UUID(int=number)),
        "clip_id": CLIP,
        "label": LABEL,
        "time": START + timedelta(minutes=minute),
        "stage": AnnotationStage.VERIFY,
        "reviewer": "ada",
        "tool": "by hand",
        "decision": Decision(decision),
    }
    return Event(**{**values, **change})


acts = st.builds(
    lambda number, minute, decision, clip, label, reviewer, supersedes: act(
        number,
        minute,
        decision,
        clip_id=f"video{clip}_000000",
        label=label,
        reviewer=reviewer,
        supersedes=None if supersedes in (None, number) else str(UUID(int=supersedes)),
    ),
    number=st.integers(0, 12),
    minute=st.integers(0, 3),
    decision=st.sampled_from(list(Decision)),
    clip=st.integers(0, 1),
    label=st.sampled_from(["elk bugling", "dog barking"]),
    reviewer=st.sampled_from(["ada", "ben"]),
    supersedes=st.none() | st.integers(0, 12),
)


@given(st.lists(acts, max_size=12), st.randoms())
def test_the_state_is_the_same_in_any_order_of_the_log(events: list[Event], random: Any) -> None:
    """Merging is concatenation: any order, and any event twice, give the same state."""
    merged = events + [event for event in events if random.random() < 0.5]
    random.shuffle(merged)
    assert fold(merged) == fold(events)
    assert in_order(merged) == in_order(events)


@given(st.lists(acts, max_size=12))
def test_each_clip_and_class_has_the_newest_event_that_stands(events: list[Event]) -> None:
    """What counts is an event of the log, and no other opinion on it is newer."""
    for clip_id, state in fold(events).items():
        for label, about in state.classes.items():
            assert about.newest in events
            assert (about.newest.clip_id, about.newest.label) == (clip_id, label)
            assert max(about.opinions.values(), key=lambda event: event.order) == about.newest


def test_the_newest_decision_and_boxes_count() -> None:
    """A later act replaces the decision and the boxes together."""
    box = EventBox(Box(0, 0, 0.5, 0.5))
    events = [act(1, 5, "no"), act(2, 1, "yes", boxes=(box,))]
    state = fold(events)[CLIP].classes[LABEL]
    assert state.decision is Decision.NO
    assert state.sounding_boxes == ()


def test_of_one_moment_the_larger_id_counts() -> None:
    """Equal times are settled by the id, so that everybody settles them alike."""
    assert fold([act(2, 0, "no"), act(1, 0, "yes")])[CLIP].classes[LABEL].decision == "no"


def test_each_reviewer_has_an_opinion() -> None:
    """The newest event of each reviewer is kept beside the one that counts."""
    events = [act(1, 0, "yes"), act(2, 1, "no", reviewer="ben"), act(3, 2, "not_sure")]
    opinions = fold(events)[CLIP].classes[LABEL].opinions
    assert {name: event.decision for name, event in opinions.items()} == {
        "ada": "not_sure",
        "ben": "no",
    }


def test_what_is_taken_back_does_not_count() -> None:
    """An event superseded by a later one leaves no trace in the state, not even as an opinion."""
    first = act(1, 0, "no", reviewer="ben")
    undo = act(2, 1, "yes", supersedes=first.event_id)
    state = fold([first, undo])[CLIP].classes[LABEL]
    assert set(state.opinions) == {"ada"}


def test_an_earlier_event_cannot_take_back_a_later_one() -> None:
    """Nor can an event on another class; so no log takes everything back at once."""
    first = act(1, 0, "yes", supersedes=str(UUID(int=2)))
    second = act(2, 1, "no", supersedes=str(UUID(int=1)))
    other = act(3, 2, "no", label="dog barking", supersedes=str(UUID(int=2)))
    assert fold([first, second, other])[CLIP].classes[LABEL].decision == "no"


def test_an_id_with_two_contents_counts_once_and_is_named() -> None:
    """Of two different events under one id the earlier counts, in any order of the log."""
    one, two = act(1, 0, "yes"), act(1, 1, "no")
    assert fold([one, two]) == fold([two, one])
    assert fold([two, one])[CLIP].classes[LABEL].decision == "yes"
    assert conflicting_ids([one, two, one]) == [one.event_id]
    assert conflicting_ids([one, one]) == []


def test_no_events_give_no_state() -> None:
    """An empty log folds to nothing."""
    assert fold([]) == {}
