"""The consensus of several reviewers, by the paper's C opinions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.consensus import Verdict, consensus, join_boxes
from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.fold import fold
from vggss_tools.boxes import Box, iou

START = datetime(2026, 3, 1, tzinfo=UTC)
LABEL = "elk bugling"
LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)


def said(
    number: int,
    reviewer: str,
    decision: str,
    *boxes: Box | EventBox,
    clip: str = "clip1_000000",
    stage: str = "verify",
) -> Event:
    """Make one reviewer's answer; later numbers happen later."""
    return Event(
        event_id=str(UUID(int=number)),
        clip_id=clip,
        label=LABEL,
        time=START + timedelta(minutes=number),
        stage=AnnotationStage(stage),
        reviewer=reviewer,
        tool="by hand",
        decision=Decision(decision),
        boxes=tuple(box if isinstance(box, EventBox) else EventBox(box) for box in boxes),
    )


def together(*events: Event, needed: int = 2) -> Verdict:
    """Return the consensus on the one clip of the events."""
    (state,) = fold(events).values()
    return consensus(state.classes[LABEL], needed)


def test_two_reviewers_on_overlapping_assignments_as_worked_by_hand() -> None:
    """Ada has clips 1 to 3 and ben 2 to 4; what they share is agreed, the rest stands alone.

    Clip 1, ada alone: her yes and her box stand.
    Clip 2, both yes. Ada's box is 0.4 x 0.4 at (0.10, 0.20), ben's first the same at (0.14, 0.20):
    they share 0.36 x 0.40 = 0.144 of 0.16 + 0.16 - 0.144 = 0.176, an IoU of 0.818. They are one
    box, at (0.12, 0.20). Ben's second box has no partner: one opinion of two, so it falls.
    Clip 3, ada yes and ben no: one opinion each, disputed.
    Clip 4, ben alone: his no stands.
    """
    adas = [
        said(1, "ada", "yes", Box(0.1, 0.1, 0.5, 0.5), clip="clip1_000000"),
        said(2, "ada", "yes", Box(0.10, 0.20, 0.50, 0.60), clip="clip2_000000"),
        said(3, "ada", "yes", LEFT, clip="clip3_000000"),
    ]
    bens = [
        said(
            4,
            "ben",
            "yes",
            Box(0.14, 0.20, 0.54, 0.60),
            Box(0.7, 0.7, 0.9, 0.9),
            clip="clip2_000000",
        ),
        said(5, "ben", "no", LEFT, clip="clip3_000000"),
        said(6, "ben", "no", clip="clip4_000000"),
    ]
    verdicts = {
        clip_id: consensus(state.classes[LABEL]) for clip_id, state in fold(adas + bens).items()
    }
    found = {
        clip_id: (str(verdict.decision), verdict.disputed, verdict.n_opinions, verdict.n_dropped)
        for clip_id, verdict in verdicts.items()
    }
    assert found == {
        "clip1_000000": ("yes", False, 1, 0),
        "clip2_000000": ("yes", False, 2, 1),
        "clip3_000000": ("not_sure", True, 2, 0),
        "clip4_000000": ("no", False, 1, 0),
    }
    assert verdicts["clip1_000000"].sounding_boxes == (Box(0.1, 0.1, 0.5, 0.5),)
    (box,) = verdicts["clip2_000000"].sounding_boxes
    assert box.as_list() == pytest.approx([0.12, 0.20, 0.52, 0.60])


@pytest.mark.parametrize(
    ("decisions", "needed", "expected"),
    [
        (["yes", "yes", "no"], 2, "yes"),
        (["yes", "no", "no"], 2, "no"),
        (["yes", "no", "not_sure"], 2, "disputed"),
        (["yes", "yes", "no"], 3, "disputed"),
        (["yes", "yes", "no", "no"], 2, "disputed"),
        (["yes", "yes", "no", "not_sure"], 2, "yes"),
        (["yes", "no"], 1, "disputed"),
        (["yes", "yes"], 3, "yes"),
        (["not_sure", "not_sure"], 2, "not_sure"),
        (["yes", "unseen"], 2, "yes"),
    ],
)
def test_a_decision_needs_enough_opinions_and_more_than_any_other(
    decisions: list[str], needed: int, expected: str
) -> None:
    """At least C, or all where fewer reviewed, and no tie; ``unseen`` is no opinion."""
    events = [said(n, f"reviewer{n}", decision, LEFT) for n, decision in enumerate(decisions)]
    verdict = together(*events, needed=needed)
    assert ("disputed" if verdict.disputed else str(verdict.decision)) == expected


def test_only_the_reviewers_who_won_say_where_it_is() -> None:
    """The boxes of a no are not evidence of what sounds, though two reviewers drew them."""
    events = [
        said(1, "ada", "yes", LEFT),
        said(2, "ben", "yes", LEFT),
        said(3, "cy", "no", RIGHT),
        said(4, "dee", "yes", RIGHT),
    ]
    verdict = together(*events)
    assert verdict.sounding_boxes == (LEFT,)
    assert [event.reviewer for event in verdict.sources] == ["ada", "ben", "dee"]


def test_a_disputed_clip_keeps_the_boxes_that_are_shared() -> None:
    """Where the decision is open, the boxes of all reviewers are joined."""
    verdict = together(said(1, "ada", "yes", LEFT, RIGHT), said(2, "ben", "not_sure", LEFT))
    assert verdict.disputed
    assert verdict.sounding_boxes == (LEFT,)


def test_a_sounding_and_a_silent_box_are_not_one() -> None:
    """Two who drew the same box and disagree on whether it sounds have no box in common."""
    silent = EventBox(LEFT, sounding=False)
    verdict = together(said(1, "ada", "yes", LEFT, RIGHT), said(2, "ben", "yes", silent, RIGHT))
    assert verdict.boxes == (EventBox(RIGHT),)
    assert verdict.n_dropped == 2


def test_programs_have_no_opinion() -> None:
    """A detector's boxes do not count beside a person's, and stand where no person decided."""
    detected = said(1, "faster-rcnn", "unseen", RIGHT, stage="auto")
    assert together(detected).sounding_boxes == (RIGHT,)
    verdict = together(detected, said(2, "ada", "yes", LEFT))
    assert verdict.sounding_boxes == (LEFT,)
    assert verdict.n_opinions == 1


def test_the_truth_of_a_sample_world_is_nobodys_opinion() -> None:
    """It stands where no person decided, and is not counted beside one."""
    truth = said(1, "sample-world", "yes", RIGHT)
    assert together(truth).sounding_boxes == (RIGHT,)
    verdict = together(truth, said(2, "ada", "no"))
    assert (verdict.decision, verdict.n_opinions) == ("no", 1)


def test_a_chain_of_boxes_does_not_drift_across_the_frame() -> None:
    """Of three boxes in a row, the ends of which do not overlap enough, only two are joined."""
    row = [Box(x, 0.0, x + 0.4, 1.0) for x in (0.0, 0.125, 0.25)]
    assert all(iou(a, b) > 0.5 for a, b in pairwise(row))
    assert iou(row[0], row[2]) < 0.5
    found = join_boxes({"ada": [row[0]], "ben": [row[1]], "cy": [row[2]]})
    assert sorted(len(group) for group in found) == [1, 2]


def test_equal_boxes_stay_what_they_are() -> None:
    """The mean of three equal coordinates is that coordinate, to the last bit."""
    box = Box(0.1, 1 / 3, 0.7, 0.9)
    verdict = together(*(said(n, f"reviewer{n}", "yes", box) for n in range(3)), needed=3)
    assert verdict.sounding_boxes == (box,)


edges = st.integers(0, 8)
some_boxes = st.builds(
    lambda x, y, width, height: Box(x / 16, y / 16, (x + width) / 16, (y + height) / 16),
    edges,
    edges,
    st.integers(1, 8),
    st.integers(1, 8),
)
answers = st.builds(
    lambda number, reviewer, decision, boxes: said(number, reviewer, decision, *boxes),
    st.integers(0, 40),
    st.sampled_from(["ada", "ben", "cy", "dee"]),
    st.sampled_from(list(Decision)),
    st.lists(st.builds(EventBox, some_boxes, st.booleans()), max_size=4),
)


@given(st.lists(answers, min_size=1, max_size=8), st.integers(1, 4), st.randoms())
def test_the_order_of_the_log_does_not_matter(
    events: list[Event], needed: int, random: Any
) -> None:
    """Merged in any order, and with any event twice, the log gives the same consensus."""
    merged = events + [event for event in events if random.random() < 0.5]
    random.shuffle(merged)
    assert together(*merged, needed=needed) == together(*events, needed=needed)


@given(
    st.dictionaries(
        st.sampled_from(["ada", "ben", "cy"]), st.lists(some_boxes, max_size=4), max_size=3
    ),
    st.randoms(),
)
def test_boxes_are_joined_one_to_one_whatever_their_order(
    drawn: dict[str, list[Box]], random: Any
) -> None:
    """Every box is in exactly one group, each of whose pairs overlap by at least a half."""
    found = join_boxes(drawn)
    assert sorted((name, box) for group in found for name, box in group.items()) == sorted(
        (name, box) for name, own in drawn.items() for box in own
    )
    for group in found:
        assert all(iou(a, b) >= 0.5 for a in group.values() for b in group.values())
    shuffled = {
        name: random.sample(own, len(own))
        for name, own in random.sample(list(drawn.items()), len(drawn))
    }
    assert join_boxes(shuffled) == found
