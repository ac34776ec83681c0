"""Events: what can stand in the log, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.events import (
    AnnotationStage,
    Decision,
    Event,
    EventBox,
    new_event,
)
from vggss_tools.boxes import Box

EVENT: dict[str, Any] = {
    "schema": "vggss-event/1",
    "event_id": "00000000-0000-4000-8000-000000000001",
    "clip_id": "zpWuikVorYg_000032",
    "class": "elk bugling",
    "time": "2026-03-01T12:00:00Z",
    "stage": "verify",
    "reviewer": "ada",
    "tool": "by hand",
    "decision": "yes",
    "boxes": [{"bbox": [0.1, 0.2, 0.5, 0.9], "sounding": True}],
    "supersedes": None,
}

shares = st.floats(0, 1, allow_subnormal=False)
boxes = (
    st.tuples(shares, shares, shares, shares)
    .filter(lambda b: b[0] != b[2] and b[1] != b[3])
    .map(lambda b: Box(min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])))
)
printable = st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable() and bool(t.strip()))
events = st.builds(
    Event,
    event_id=st.uuids().map(str),
    clip_id=st.from_regex(r"[A-Za-z0-9_-]{11}_[0-9]{6}", fullmatch=True),
    label=printable,
    time=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC])),
    stage=st.sampled_from(AnnotationStage),
    reviewer=printable,
    tool=printable,
    decision=st.sampled_from(Decision),
    boxes=st.lists(st.builds(EventBox, boxes, st.booleans()), max_size=3).map(tuple),
    supersedes=st.none() | st.uuids().map(str),
)


@given(events)
def test_an_event_comes_back_from_its_line(event: Event) -> None:
    """A line of the log is one line of ASCII and holds all of the event."""
    line = event.as_line()
    assert line.isascii()
    assert line.count("\n") == 1
    assert Event.from_json(json.loads(line)) == event


def test_the_line_of_an_event_has_the_documented_form() -> None:
    """The keys, their order and their values are those of the format."""
    event = Event.from_json(EVENT)
    assert event.as_json() == EVENT
    assert list(event.as_json()) == list(EVENT)
    assert event.sounding_boxes == (Box(0.1, 0.2, 0.5, 0.9),)
    assert event.silent_boxes == ()


def test_keys_of_later_versions_are_let_be() -> None:
    """An event with more keys than we know is read."""
    assert Event.from_json({**EVENT, "mood": "good"}).as_json() == EVENT


def test_times_are_kept_in_utc() -> None:
    """The same moment is the same time, in whichever zone it was written."""
    zone = timezone(timedelta(hours=2))
    moment = datetime(2026, 3, 1, 14, tzinfo=zone)
    event = Event.from_json({**EVENT, "time": moment.isoformat()})
    assert event == Event.from_json(EVENT)
    assert event.time.utcoffset() == timedelta(0)


def test_ids_are_spelt_in_one_way() -> None:
    """A UUID in capitals is the same id."""
    assert Event.from_json({**EVENT, "event_id": EVENT["event_id"].upper()}).as_json() == EVENT


def test_a_new_event_happens_now_under_an_id_of_its_own() -> None:
    """Two acts are two events, in their order."""
    first, second = (
        new_event("zpWuikVorYg_000032", "elk bugling", "no", stage="manual", reviewer="a", tool="t")
        for _ in range(2)
    )
    assert first.event_id != second.event_id
    assert first.time <= second.time <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"schema": "vggss-event/2"}, "schema is 'vggss-event/2'"),
        ({"event_id": "1"}, "event_id '1' is not a UUID"),
        ({"clip_id": "../x_000000"}, "'../x_000000' is not a clip id"),
        ({"class": " "}, "class is empty"),
        ({"class": "a\nb"}, "cannot be printed"),
        ({"class": "a" * 501}, "class is 501 characters long"),
        ({"reviewer": 7}, "reviewer is 7, not a string"),
        ({"time": "yesterday"}, "time 'yesterday' is not ISO 8601"),
        ({"time": "2026-03-01T12:00:00"}, "no UTC offset"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "out of range"),
        ({"stage": "later"}, "stage 'later' is not one of auto, manual, verify"),
        ({"decision": "maybe"}, "decision 'maybe' is not one of yes, no, not_sure, unseen"),
        ({"supersedes": EVENT["event_id"]}, "supersedes is the event itself"),
        ({"supersedes": 3}, "supersedes is 3, not a string"),
        ({"boxes": {}}, "boxes is {}, not a list"),
        ({"boxes": [[0, 0, 1, 1]]}, "box 0 is [0, 0, 1, 1], not an object"),
        ({"boxes": [{"bbox": [0, 0, 1, 1]}]}, "box 0: sounding is None"),
        ({"boxes": [{"bbox": [0, 0, 1], "sounding": True}]}, "not four numbers"),
        ({"boxes": [{"bbox": [0, 0, 1, 10**400], "sounding": True}]}, "not four numbers"),
        ({"boxes": [{"bbox": [0, 0, 1, 1.5], "sounding": True}]}, "leaves the frame"),
        ({"boxes": [{"bbox": [0.5, 0, 0.5, 1], "sounding": True}]}, "has no area"),
    ],
)
def test_a_malformed_event_is_refused_with_its_cause(change: dict[str, Any], cause: str) -> None:
    """The refusal names the field and what is wrong with it, in one short line."""
    with pytest.raises(ValueError, match=r".") as caught:
        Event.from_json({**EVENT, **change})
    assert cause in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [None, 1, "event", [], [EVENT]])
def test_what_is_no_object_is_no_event(value: Any) -> None:
    """Only a JSON object can be an event."""
    with pytest.raises(ValueError, match="an event is a JSON object"):
        Event.from_json(value)


def test_a_missing_key_is_named() -> None:
    """Every key but `supersedes` must be there."""
    short = {key: value for key, value in EVENT.items() if key not in ("boxes", "supersedes")}
    with pytest.raises(ValueError, match="no boxes"):
        Event.from_json(short)
