"""The files of proposals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.detector import Detection
from vggss_tools.propose.matching import Match, NameMatcher
from vggss_tools.propose.proposals import (
    Proposal,
    by_clip,
    match_detections,
    read_detections,
    read_proposals,
    usable_matches,
    write_detections,
    write_proposals,
)

share = st.floats(0, 1)
boxes = st.builds(
    lambda x, y: Box(min(x), min(y), max(x), max(y)),
    st.tuples(share, share).filter(lambda pair: pair[0] != pair[1]),
    st.tuples(share, share).filter(lambda pair: pair[0] != pair[1]),
)
detections = st.builds(Detection, boxes, st.text(max_size=9), share)
proposals = st.builds(
    Proposal,
    st.sampled_from(["a_000001", "b_000002"]),
    boxes,
    st.text(max_size=9),
    share,
    st.none() | st.text(max_size=9),
    st.none() | share,
    st.text(max_size=9),
    st.booleans(),
    st.text(max_size=9),
)

DOG = Detection(Box(0.1, 0.2, 0.3, 0.4), "Dog", 0.9)
CAR = Detection(Box(0.5, 0.5, 1.0, 1.0), "Car", 0.8)


@settings(max_examples=40, deadline=None)  # each example is flushed to disk
@given(st.lists(detections, max_size=5))
def test_detections_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Detection]
) -> None:
    """Writing and reading loses nothing, not even a bit of a number."""
    path = tmp_path_factory.mktemp("d") / "a_000001.json"
    write_detections(path, "a_000001", rows, {"detector": "none"})
    assert read_detections(path) == rows


@settings(max_examples=40, deadline=None)  # each example is flushed to disk
@given(st.lists(proposals, max_size=5))
def test_proposals_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Proposal]
) -> None:
    """The table keeps every field and the order; an empty table has its columns too."""
    path = tmp_path_factory.mktemp("p") / "proposals.parquet"
    assert write_proposals(path, rows)
    assert read_proposals(path) == rows
    assert list(pd.read_parquet(path)) == [
        "clip_id", "xmin", "ymin", "xmax", "ymax", "score", "detector_class", "sound_class",
        "similarity", "detector", "kept", "reason",
    ]  # fmt: skip


def test_an_equal_table_is_not_written_again(tmp_path: Path) -> None:
    """What depends on the table's date is not made stale for nothing."""
    path = tmp_path / "proposals.parquet"
    rows = match_detections("a_000001", "dog barking", [DOG], {})
    assert write_proposals(path, rows)
    before = path.stat().st_mtime_ns
    assert not write_proposals(path, rows)
    assert path.stat().st_mtime_ns == before
    assert write_proposals(path, [])


def test_only_matched_classes_become_candidates() -> None:
    """All detections stay, those of the label's class know it."""
    matches = {"Dog": Match("Dog", 0.75, "table")}
    dog, car = match_detections("a_000001", "dog barking", [DOG, CAR], matches)
    assert (dog.sound_class, dog.similarity, dog.is_candidate) == ("dog barking", 0.75, True)
    assert (car.sound_class, car.similarity, car.is_candidate) == (None, None, False)


def test_weak_matches_are_not_used() -> None:
    """The threshold decides, and itself counts."""
    vocabulary = ["Dog", "Hot dog"]
    assert set(usable_matches(NameMatcher(), "dog barking", vocabulary)) == {"Dog"}
    assert set(usable_matches(NameMatcher(), "dog barking", vocabulary, 0.2)) == set(vocabulary)
    assert set(usable_matches(NameMatcher(), "dog barking", vocabulary, 1.0)) == {"Dog"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"schema": "other"}', '{"schema": "vggss-detections/1"}',
     '{"schema": "vggss-detections/1", "detections": [{"class": "Dog"}]}'],
)  # fmt: skip
def test_damaged_detections_are_refused(tmp_path: Path, text: str) -> None:
    """One line names the file and what to do."""
    path = tmp_path / "a_000001.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"a_000001\.json: not a file of detections"):
        read_detections(path)


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    """The message says which command makes it."""
    with pytest.raises(VggssError, match="make it with `vggss propose-boxes`"):
        read_proposals(tmp_path / "proposals.parquet")


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    """Not Parquet, a column missing, a box outside of the frame: each says what it is."""
    path = tmp_path / "proposals.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InvalidInput, match=r"not a readable Parquet file.*make it again"):
        read_proposals(path)
    write_proposals(path, match_detections("a_000001", "dog barking", [DOG], {}))
    table = pd.read_parquet(path)
    table.assign(xmax=1.5).to_parquet(path)
    with pytest.raises(InvalidInput, match=r"row 0 \(a_000001\): .* leaves the frame"):
        read_proposals(path)
    table.drop(columns="score").to_parquet(path)
    with pytest.raises(InvalidInput, match="no column 'score'"):
        read_proposals(path)


def test_proposals_are_grouped_by_clip() -> None:
    """Each clip has its own, in the table's order."""
    rows = [p for clip in "aba" for p in match_detections(clip, "dog barking", [DOG], {})]
    assert by_clip(rows) == {"a": [rows[0], rows[2]], "b": [rows[1]]}


def test_tables_without_a_choice_are_read(tmp_path: Path) -> None:
    """Before boxes were chosen, every candidate was proposed; such a table still says so."""
    path = tmp_path / "proposals.parquet"
    matches = {"Dog": Match("Dog", 1.0, "table")}
    write_proposals(path, match_detections("a_000001", "dog barking", [DOG, CAR], matches, "mine"))
    table = pd.read_parquet(path)
    assert table.kept.tolist() == [True, False]
    table.drop(columns=["detector", "kept", "reason"]).to_parquet(path)
    dog, car = read_proposals(path)
    assert (dog.kept, dog.detector, dog.reason) == (True, "", "")
    assert (car.kept, car.is_candidate) == (False, False)
