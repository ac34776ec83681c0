"""Who looks at which clips."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.assigning import assign, project_name, reviewer_in_name
from vggss_tools.errors import WrongUsage

CLIPS = st.sets(st.from_regex(r"[a-z]{3}_[0-9]{6}", fullmatch=True), max_size=40)


@given(clips=CLIPS, n_reviewers=st.integers(1, 6), data=st.data())
def test_loads_are_even_and_every_clip_is_seen_often_enough(
    clips: set[str], n_reviewers: int, data: st.DataObject
) -> None:
    """Each clip goes to as many different people as asked; none has two clips more than another."""
    overlap = data.draw(st.integers(1, n_reviewers))
    reviewers = [f"r{i}" for i in range(n_reviewers)]
    given_ = assign(clips, reviewers, overlap)
    assert Counter(itertools.chain.from_iterable(given_.values())) == Counter(
        dict.fromkeys(clips, overlap)
    )
    loads = [len(mine) for mine in given_.values()]
    assert max(loads) - min(loads) <= 1
    assert given_ == assign(sorted(clips, reverse=True), reviewers, overlap)


def test_all_pairs_of_reviewers_share_clips() -> None:
    """Agreement can be computed for each two of them."""
    given_ = assign([f"clip_{i:06d}" for i in range(120)], ["a", "b", "c", "d"], 2)
    shared = [
        len(set(given_[one]) & set(given_[other]))
        for one, other in itertools.combinations("abcd", 2)
    ]
    assert sum(shared) == 120
    assert min(shared) >= 15


@given(
    reviewer=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._]{0,10}(-[A-Za-z0-9._]{1,5})?", fullmatch=True),
    number=st.none() | st.integers(1, 2000),
    format_name=st.sampled_from(["via2", "review-page", "csv"]),
    download=st.sampled_from(["", " (1)", "(2)"]),
)
def test_a_reviewer_is_found_in_the_name_of_the_project(
    reviewer: str, number: int | None, format_name: str, download: str
) -> None:
    """Also after a browser has numbered a second download."""
    name = project_name(format_name, reviewer, number)
    if reviewer.startswith("part-"):
        return
    assert reviewer_in_name(Path(f"{name}{download}.json")) == reviewer


@pytest.mark.parametrize(
    "name", ["via2.json", "via2--part-001.json", "via_project_1Jan2026.json", "x--..%2f.json"]
)
def test_other_names_name_nobody(name: str) -> None:
    """No reviewer is made up from a name that we did not give."""
    assert reviewer_in_name(Path(name)) is None


@pytest.mark.parametrize(
    "names", [["../x"], [""], ["a b"], ["a", "A"], ["part-1"], ["a--b"], ["sample-world"]]
)
def test_names_that_cannot_stand_in_a_file_name_are_refused(names: list[str]) -> None:
    """Nothing is written outside of the folder, and no project over another."""
    with pytest.raises(WrongUsage):
        assign(["a_000000"], names)
