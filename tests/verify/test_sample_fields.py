"""Clips as FiftyOne's fields and tags, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.events import Decision, EventBox, new_event
from vggss_tools.annotate.fold import fold
from vggss_tools.boxes import Box
from vggss_tools.verify.sample_fields import (
    Edited,
    boxes_changed,
    decided,
    fields_of,
    from_detection,
    to_xywh,
)

edges = st.tuples(*[st.floats(0, 1, width=32)] * 4).filter(
    lambda e: abs(e[0] - e[2]) > 1e-3 and abs(e[1] - e[3]) > 1e-3
)
boxes = edges.map(lambda e: Box(min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3])))


@given(boxes, st.booleans())
def test_a_box_comes_back_as_it_went(box: Box, sounding: bool) -> None:
    """Left, top, width and height make the same box, and no edit is seen in it."""
    fields = fields_of(None, [EventBox(box, sounding)], "test", Decision.UNSEEN)
    found = from_detection({"bounding_box": to_xywh(box), "sounding": sounding})
    assert found.box.as_list() == pytest.approx(box.as_list(), abs=1e-9)
    assert found.sounding is sounding
    edited = Edited(fields.decision, fields.tags, (found,))
    assert not boxes_changed(edited, fields.as_written(with_boxes=True))
    assert decided(edited, fields.as_written(with_boxes=True)) is None


@pytest.mark.parametrize(
    ("detection", "sounding"),
    [({}, True), ({"sounding": None}, True), ({"sounding": False}, False),
     ({"tags": ["silent"]}, False), ({"sounding": False, "tags": ["sounding"]}, True)],
)  # fmt: skip
def test_a_box_sounds_unless_it_is_said_to_be_silent(
    detection: dict[str, object], sounding: bool
) -> None:
    """A box drawn in FiftyOne has no attribute yet; its tags count where somebody set them."""
    row = {"bounding_box": [0.1, 0.1, 0.2, 0.2], **detection}
    assert from_detection(row).sounding is sounding


def test_what_is_drawn_over_the_edge_is_cut_there() -> None:
    """FiftyOne lets a box leave the frame."""
    found = from_detection({"bounding_box": [-0.1, 0.5, 0.3, 0.7]})
    assert found.box.as_list() == pytest.approx([0, 0.5, 0.2, 1])


@pytest.mark.parametrize(
    ("decision", "tags", "expected"),
    [
        (None, ("test", "auto"), None),
        ("not sure", ("test", "auto"), Decision.NOT_SURE),
        (None, ("test", "auto", "verified"), Decision.YES),
        ("no", ("test", "auto", "verified"), Decision.NO),
    ],
)
def test_decisions_by_field_or_tag_are_found(
    decision: str | None, tags: tuple[str, ...], expected: Decision | None
) -> None:
    """A changed field counts first, then a tag that was added."""
    line = fields_of(None, [], "test", Decision.UNSEEN).as_written(with_boxes=False)
    assert decided(Edited(decision, tags, None), line) is expected


def test_two_tags_that_contradict_each_other_are_refused() -> None:
    """Nobody guesses which of the two was meant."""
    line = fields_of(None, [], "test", Decision.UNSEEN).as_written(with_boxes=False)
    with pytest.raises(ValueError, match="tagged both"):
        decided(Edited(None, ("verified", "rejected"), None), line)


def test_people_who_disagree_are_named() -> None:
    """The newest answer stands, all opinions are listed, and the stand-in is nobody."""
    events = [
        new_event("a_000000", "dog", decision, stage="verify", reviewer=who, tool="test")
        for who, decision in (("sample-world", "yes"), ("ann", "yes"), ("bob", "no"))
    ]
    fields = fields_of(fold(events)["a_000000"].classes["dog"], [], "test", Decision.UNSEEN)
    assert (fields.decision, fields.disagreement) == ("no", True)
    assert fields.opinions == ("ann: yes", "bob: no")
    assert fields.tags == ("test", "rejected")
    assert fields.with_others(["test", "verified", "mine"]) == ["test", "rejected", "mine"]
