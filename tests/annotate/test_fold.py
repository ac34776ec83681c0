"""The fold: today's state, whatever order the events were merged in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.consensus import consensus, opinions_of
from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.fold import by_person, conflicting_ids, fold, in_order, only_boxes
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
    lambda number, minute, decision, clip, label, reviewer, stage, supersedes, boxes: act(
        number,
        minute,
        decision,
        stage=stage,
        clip_id=f"video{clip}_000000",
        label=label,
        reviewer=reviewer,
        supersedes=None if supersedes in (None, number) else str(UUID(int=supersedes)),
        boxes=boxes,
    ),
    number=st.integers(0, 12),
    minute=st.integers(0, 3),
    decision=st.sampled_from(list(Decision)),
    clip=st.integers(0, 1),
    label=st.sampled_from(["elk bugling", "dog barking"]),
    reviewer=st.sampled_from(["ada", "ben", "detector"]),
    stage=st.sampled_from(list(AnnotationStage)),
    supersedes=st.none() | st.integers(0, 12),
    boxes=st.sampled_from([(), (EventBox(Box(0.1, 0.1, 0.5, 0.5)),)]),
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
    """What counts is an event of the log; no opinion of a person is newer, or of anybody.

    Only where an event is about boxes alone, its decision is an earlier one's.
    """
    logged = {event.event_id: event for event in in_order(events)}
    for clip_id, state in fold(events).items():
        for label, about in state.classes.items():
            known = logged[about.newest.event_id]
            assert about.newest == known or only_boxes(known)
            assert about.newest.boxes == known.boxes
            assert (about.newest.clip_id, about.newest.label) == (clip_id, label)
            opinions = list(about.opinions.values())
            people = [event for event in opinions if by_person(event)]
            newest = max(people or opinions, key=lambda event: event.order)
            assert newest.event_id == about.newest.event_id


@given(st.lists(acts, min_size=1, max_size=12))
def test_every_question_that_was_asked_has_a_state(events: list[Event]) -> None:
    """Whatever takes back whatever, no clip and class falls out of the fold."""
    events = in_order(events)
    asked = {(event.clip_id, event.label) for event in events}
    states = fold(events)
    assert {(clip, label) for clip, state in states.items() for label in state.classes} == asked


@given(st.lists(acts, max_size=12))
def test_programs_never_override_people(events: list[Event]) -> None:
    """With or without the automatic events, what people decided and drew is the same."""
    people = [event for event in in_order(events) if by_person(event)]
    alone, merged = fold(people), fold(events)
    for clip_id, state in alone.items():
        for label, about in state.classes.items():
            newest = merged[clip_id].classes[label].newest
            assert (newest.event_id, newest.boxes) == (about.newest.event_id, about.newest.boxes)
            if about.decision is not Decision.UNSEEN:
                assert newest.decision is about.decision


def test_a_later_automatic_event_does_not_count_after_a_person() -> None:
    """A detector that runs again changes nothing that a person decided."""
    person = act(1, 0, "no", reviewer="ada")
    again = act(2, 9, "unseen", stage="auto", reviewer="detector", supersedes=person.event_id)
    state = fold([person, again])[CLIP].classes[LABEL]
    assert state.newest == person
    assert set(state.opinions) == {"ada", "detector"}


def test_a_program_under_a_persons_name_is_not_their_opinion() -> None:
    """Where one name stands for both, the person's own event is kept."""
    person, program = act(1, 0, "no"), act(2, 1, "yes", stage="auto")
    assert fold([person, program])[CLIP].classes[LABEL].opinions == {"ada": person}


def test_an_undo_brings_back_what_stood_before() -> None:
    """``unseen`` that takes an event back hides neither one's own nor another's decision."""
    bens = act(1, 0, "yes", reviewer="ben")
    first, second = act(2, 1, "no"), act(3, 2, "not_sure")
    undo = act(4, 3, "unseen", supersedes=second.event_id)
    both = act(5, 4, "unseen", supersedes=first.event_id)
    assert fold([bens, first, second, undo])[CLIP].classes[LABEL].newest == first
    state = fold([bens, first, second, undo, both])[CLIP].classes[LABEL]
    assert state.newest == bens
    assert set(state.opinions) == {"ben"}


def test_boxes_that_replace_a_detectors_are_no_undo() -> None:
    """A person who corrects boxes without deciding supersedes the detector, and that counts."""
    answer = act(1, 0, "yes", reviewer="ben")
    detected = act(2, 1, "unseen", stage="auto", reviewer="detector")
    drawn = act(3, 2, "unseen", stage="manual", supersedes=detected.event_id)
    state = fold([answer, detected, drawn])[CLIP].classes[LABEL]
    assert state.newest == drawn
    assert set(state.opinions) == {"ada", "ben"}


def test_an_undo_of_everything_leaves_the_clip_undecided() -> None:
    """Where nothing else was said by a person, the undo itself stands, with its boxes."""
    detected = act(1, 0, "unseen", stage="auto", reviewer="detector")
    answer = act(2, 1, "yes")
    undo = act(3, 2, "unseen", supersedes=answer.event_id)
    assert fold([detected, answer, undo])[CLIP].classes[LABEL].newest == undo


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


BOX, OTHER = EventBox(Box(0.1, 0.1, 0.5, 0.5)), EventBox(Box(0.2, 0.2, 0.9, 0.9), sounding=False)


def test_boxes_alone_take_no_decision_away() -> None:
    """Ben says yes, Ann moves a box: it is still a yes, with Ann's boxes and Ben's opinion."""
    bens = act(1, 0, "yes", reviewer="ben", boxes=(BOX,))
    anns = act(2, 1, "unseen", reviewer="ann", stage="manual", boxes=(BOX, OTHER))
    about = fold([bens, anns])[CLIP].classes[LABEL]
    assert (about.decision, about.newest.boxes) == ("yes", (BOX, OTHER))
    assert (about.newest.event_id, about.newest.reviewer) == (anns.event_id, "ann")
    assert set(opinions_of(about)) == {"ben"}
    assert consensus(about).decision == "yes"


def test_boxes_alone_keep_the_reviewers_own_opinion() -> None:
    """Ann said no before: with new boxes that is still hers, beside Ben's newer yes."""
    anns, bens = act(1, 0, "no", reviewer="ann"), act(2, 1, "yes", reviewer="ben")
    moved = act(3, 2, "unseen", reviewer="ann", stage="manual", boxes=(BOX,))
    about = fold([anns, bens, moved])[CLIP].classes[LABEL]
    assert about.decision == "yes"
    own = opinions_of(about)["ann"]
    assert (own.decision, own.boxes, own.event_id) == ("no", (BOX,), moved.event_id)


def test_boxes_alone_can_be_taken_back() -> None:
    """An undo after them brings back boxes and decision; an undo of the yes takes it away."""
    bens = act(1, 0, "yes", reviewer="ben", boxes=(BOX,))
    moved = act(2, 1, "unseen", reviewer="ann", stage="manual", boxes=(OTHER,))
    undo = act(3, 2, "unseen", reviewer="ann", boxes=(BOX,), supersedes=moved.event_id)
    assert fold([bens, moved, undo])[CLIP].classes[LABEL].newest == bens
    gone = act(4, 3, "unseen", reviewer="ben", boxes=(BOX,), supersedes=bens.event_id)
    assert fold([bens, moved, gone])[CLIP].classes[LABEL].newest == moved


def test_unseen_without_boxes_or_of_a_program_is_as_it_says() -> None:
    """Only a person's boxes are about boxes alone."""
    yes = act(1, 0, "yes", stage="auto", reviewer="detector")
    again = act(2, 1, "unseen", stage="auto", reviewer="detector", boxes=(BOX,))
    assert fold([yes, again])[CLIP].classes[LABEL].decision == "unseen"
    bens, empty = act(3, 0, "yes", reviewer="ben"), act(4, 1, "unseen", reviewer="ann")
    assert fold([bens, empty])[CLIP].classes[LABEL].decision == "unseen"
