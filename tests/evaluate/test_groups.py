"""IIoU: a scene counts only if each of its sounds is found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.groups import group_minima, group_scores

CIOUS = st.lists(st.sampled_from([0.05 * i for i in range(21)]) | st.floats(0, 1), min_size=1)
SCORED = CIOUS.flatmap(
    lambda cious: st.tuples(
        st.just(cious),
        st.lists(st.sampled_from(["a", "b", "c"]), min_size=len(cious), max_size=len(cious)),
    )
)


def slow_scores(cious: list[float], groups: list[str]) -> tuple[float, float]:
    """IIoU and IAUC by looking at each group under each threshold."""
    members: dict[str, list[float]] = {}
    for ciou, group in zip(cious, groups, strict=True):
        members.setdefault(group, []).append(ciou)

    def share(t: float) -> float:
        return sum(min(float(c >= t) for c in found) for found in members.values()) / len(members)

    curve = [share(0.05 * i) for i in range(21)]
    return share(0.5), sum((a + b) / 2 * 0.05 for a, b in itertools.pairwise(curve))


@given(SCORED)
def test_scores_are_those_of_each_threshold_in_turn(scored: tuple[list[float], list[str]]) -> None:
    """The success of the minimum is the minimum of the successes, at every threshold."""
    found = group_scores(*scored)
    iiou, iauc = slow_scores(*scored)
    assert found["iiou"] == pytest.approx(iiou, abs=1e-12)
    assert found["iauc"] == pytest.approx(iauc, abs=1e-12)
    assert found["n_groups"] == len(set(scored[1]))
    assert found["n_incomplete"] == 0


@given(SCORED, st.randoms())
def test_the_order_of_samples_does_not_matter(
    scored: tuple[list[float], list[str]], shuffle: object
) -> None:
    """Shuffled samples give the same scores."""
    pairs = list(zip(*scored, strict=True))
    shuffle.shuffle(pairs)  # type: ignore[attr-defined]
    again = group_scores(*zip(*pairs, strict=True))  # type: ignore[arg-type]
    assert again == group_scores(*scored)


@given(CIOUS)
def test_samples_without_a_group_stand_for_themselves(cious: list[float]) -> None:
    """With empty labels, IIoU and IAUC are the plain success rate and area under the curve."""
    found = group_scores(cious, [""] * len(cious))
    assert found["iiou"] == metrics.success_rate(cious, strict=False)
    curve = metrics.success_curve(cious, strict=False)
    assert found["iauc"] == metrics.area_under_curve(curve)
    assert found["n_groups"] == len(cious)


@given(SCORED)
def test_a_group_is_never_better_than_its_members(scored: tuple[list[float], list[str]]) -> None:
    """No group's minimum lies above one of its members."""
    cious, groups = scored
    minima = dict(zip(dict.fromkeys(groups), group_minima(cious, groups), strict=True))
    assert all(minima[g] <= c for c, g in zip(cious, groups, strict=True))


def test_incomplete_groups_are_left_out_and_counted() -> None:
    """A pair of which one map is missing does not count as a group of one."""
    found = group_scores([0.9, 0.8, 0.9, 0.7], ["a", "a", "b", ""], sizes={"a": 2, "b": 2})
    assert (found["iiou"], found["n_groups"], found["n_incomplete"]) == (1, 2, 1)
    with pytest.raises(ValueError, match="none of 1 groups is complete"):
        group_scores([0.9], ["b"], sizes={"b": 2})


@pytest.mark.parametrize(
    ("cious", "groups", "message"),
    [([0.5], [], "1 values for 0 groups"), ([np.nan], ["a"], "NaN"), ([], [], "none of 0")],
    ids=["lengths", "nan", "nothing"],
)
def test_what_cannot_be_grouped_is_refused(
    cious: list[float], groups: list[str], message: str
) -> None:
    """Lengths that differ, NaN and nothing at all are errors that say so."""
    with pytest.raises(ValueError, match=message):
        group_scores(cious, groups)
