"""Extended test sets: the released evaluator's numbers, and the exact ones beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.evaluate.extended import extended_scores, map_confidence

SIZES = [1, 2, 3, 9, 10, 11, 57, 199, 200, 201, 399, 400, 650]


class Slow:
    """The scores restated sample by sample and threshold by threshold."""

    def __init__(
        self, cious: Sequence[float], negative: Sequence[bool], confidence: Sequence[float]
    ) -> None:
        self.samples = list(zip(cious, negative, confidence, strict=True))
        self.ascending = sorted(confidence)

    def precision_recall(self, threshold: float) -> tuple[float, float, float]:
        right = wrong = missed = positives = 0
        for ciou, negative, sure in self.samples:
            answered = sure >= threshold
            positives += not negative
            right += answered and not negative and ciou >= 0.5
            wrong += answered and (negative or ciou < 0.5)
            missed += not negative and not answered
        precision = right / (right + wrong) if right + wrong else 1.0
        recall = right / (right + missed) if right + missed else 1.0
        return precision, recall, right / positives if positives else 0.0

    def ap(self) -> float:
        thresholds = self.ascending[:-1]
        thresholds.reverse()
        curve = [self.precision_recall(t) for t in thresholds[:: max(1, len(self.samples) // 200)]]
        total = 0.0
        for i in range(len(curve) - 1):
            total += max(p for p, _, _ in curve[i:]) * (curve[i + 1][1] - curve[i][1])
        return total

    def max_f1(self) -> float:
        found = []
        for t in self.ascending[:: max(1, len(self.samples) // 10)]:
            precision, recall, _ = self.precision_recall(t)
            both = precision + recall
            found.append(2 * precision * recall / both if both else 0.0)
        return max(found)

    def exact(self, which: int) -> float:
        total = before = 0.0
        curve = [self.precision_recall(t) for t in sorted(set(self.ascending), reverse=True)]
        for i, point in enumerate(curve):
            total += max(p for p, _, _ in curve[i:]) * (point[which] - before)
            before = point[which]
        return total


def draw(n: int, kind: str, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Draw cIoUs, negatives and confidences of one kind."""
    negative = rng.random(n) < rng.choice([0.0, 0.2, 0.5, 0.9, 1.0])
    cious = np.where(negative, 0.0, rng.choice([rng.random(n), rng.integers(0, 3, n) / 2]))
    confidence = {
        "random": rng.random(n),
        "tied": rng.integers(0, 4, n) / 3,
        "constant": np.full(n, 0.3),
        "knowing": cious + 0.3 * rng.standard_normal(n),
        "float32": rng.random(n).astype(np.float32),
    }[kind]
    return cious, negative, confidence


@pytest.mark.parametrize("kind", ["random", "tied", "constant", "knowing", "float32"])
@pytest.mark.parametrize("n", SIZES)
def test_scores_are_those_of_a_loop_over_samples(n: int, kind: str) -> None:
    """Counting in sorted arrays gives what counting one by one gives, to 1e-12."""
    rng = np.random.default_rng(n)
    for _ in range(2):
        cious, negative, confidence = draw(n, kind, rng)
        found = extended_scores(cious, negative, confidence)
        slow = Slow(cious.tolist(), negative.tolist(), confidence.tolist())
        assert found["ap"] == pytest.approx(slow.ap(), abs=1e-12)
        assert found["max_f1"] == pytest.approx(slow.max_f1(), abs=1e-12)
        assert found["precision_all"] == slow.precision_recall(-np.inf)[0]
        if n < 100:
            assert found["ap_exact"] == pytest.approx(slow.exact(1), abs=1e-12)
            assert found["ap_found"] == pytest.approx(slow.exact(2), abs=1e-12)


# What the released EvaluatorFull of stoneMo/SLAVC gives for the samples of `golden_samples`:
# AP-all@50, the largest of F1-all@50, Precision-visible@50.
GOLDEN = {
    "knowing": (0.6382046630057675, 0.5478424015009381, 0.5),
    "tied": (0.676926433454611, 0.5401459854014599, 0.5),
}


def golden_samples(kind: str) -> tuple[Any, Any, Any]:
    """1,000 positives and 1,000 negatives by plain arithmetic, the same on every machine."""
    i = np.arange(2000)
    negative = i >= 1000
    cious = np.where(negative, 0.0, (i * 7919 % 1000) / 1000)
    confidence = (i * 104_729 % 2003) / 2003 + np.where(negative, 0.0, cious)
    return cious, negative, np.floor(confidence * 4) if kind == "tied" else confidence


@pytest.mark.parametrize("kind", GOLDEN)
def test_scores_are_those_of_the_released_evaluator(kind: str) -> None:
    """AP, F1 and LocAcc are what the released code itself computed."""
    found = extended_scores(*golden_samples(kind))
    assert (found["ap"], found["max_f1"], found["loc_acc"]) == pytest.approx(
        GOLDEN[kind], abs=1e-12
    )


def test_negatives_of_the_same_class_are_left_out_of_the_clean_scores() -> None:
    """``clean`` is what the rest alone scores, and the number left out is said."""
    cious, negative, confidence = golden_samples("knowing")
    doubtful = negative & (np.arange(2000) % 3 == 0)
    found = extended_scores(cious, negative, confidence, doubtful)
    kept = ~doubtful
    alone = extended_scores(cious[kept], negative[kept], confidence[kept])
    assert found["clean"] == {key: alone[key] for key in found["clean"] or {}}  # type: ignore[literal-required]
    assert found["n_same_class"] == doubtful.sum() == 333
    assert (alone["n_same_class"], alone["clean"]) == (None, None)


SAMPLES = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.integers(-4, 4).map(float)), min_size=1
)


@given(SAMPLES, st.randoms())
def test_scores_are_bounded_and_know_no_order(
    samples: list[tuple[float, bool, float]], shuffle: Any
) -> None:
    """Every score lies in 0..1, and shuffled samples score the same, to the last bit."""
    found = extended_scores(*map(np.array, zip(*samples, strict=True)))
    numbers = ("ap", "max_f1", "ap_exact", "ap_found", "precision_all")
    assert all(0 <= found[name] <= 1 + 1e-12 for name in numbers)  # type: ignore[literal-required]
    assert found["ap_found"] <= found["ap_exact"] + 1e-12
    shuffle.shuffle(samples)
    assert extended_scores(*map(np.array, zip(*samples, strict=True))) == found


@given(SAMPLES, st.floats(0.01, 100), st.floats(-100, 100))
def test_only_the_order_of_confidences_counts(
    samples: list[tuple[float, bool, float]], slope: float, shift: float
) -> None:
    """Another scale of the confidences changes nothing."""
    cious, negative, confidence = map(np.array, zip(*samples, strict=True))
    rescaled = np.exp(confidence) * slope + shift
    assert extended_scores(cious, negative, rescaled) == extended_scores(
        cious, negative, confidence
    )


@given(SAMPLES)
def test_the_map_on_a_negative_does_not_count(samples: list[tuple[float, bool, float]]) -> None:
    """The cIoU of a negative, 0/0 where nothing is predicted, is not looked at."""
    cious, negative, confidence = map(np.array, zip(*samples, strict=True))
    spoilt = np.where(negative, np.nan, cious)
    assert extended_scores(spoilt, negative, confidence) == extended_scores(
        cious, negative, confidence
    )


def test_a_model_that_knows_scores_one() -> None:
    """All positives found, surer than of any negative: every AP is 1, F1 as near as it gets."""
    negative = np.arange(400) >= 200
    found = extended_scores(np.where(negative, 0, 1.0), negative, np.where(negative, 0, 1.0))
    assert (found["ap_exact"], found["ap_found"], found["max_f1"]) == (1, 1, 1)
    # The released thresholds begin after recall has risen: ties at the top give no AP at all.
    assert found["ap"] == 0


def test_confidence_of_a_map_is_the_mean_of_its_top_quarter() -> None:
    """As the released slice ``[-n // 4:]`` takes it, for sizes that four does not divide, too."""
    rng = np.random.default_rng(5)
    for shape in ((224, 224), (7, 7), (1, 1), (2, 3)):
        values = rng.standard_normal(shape).astype(np.float32)
        slow = np.sort(values.ravel())[-values.size // 4 :].astype(np.float64).mean()
        assert map_confidence(values) == pytest.approx(slow, abs=1e-12)
    with pytest.raises(ValueError, match="empty map"):
        map_confidence(np.zeros((0, 0)))


ONE: dict[str, Any] = {"cious": [0.5], "negative": [False], "confidence": [1.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": [1.0, 2.0]}, "different lengths"),
        ({"same_class": [True, False]}, "different lengths"),
        ({"same_class": [True]}, "not a negative"),
        ({"confidence": [np.nan]}, "no rank"),
        ({"cious": [np.nan]}, "0/0 counts as 0"),
        ({"negative": [0]}, "it is bool"),
        ({"cious": [], "negative": np.zeros(0, bool), "confidence": []}, "no samples"),
    ],
)
def test_what_cannot_be_scored_is_refused(change: dict[str, Any], message: str) -> None:
    """Lengths, NaN, types and contradictions are errors that say what is wrong."""
    with pytest.raises(ValueError, match=message):
        extended_scores(**{**ONE, **change})


def test_without_positives_there_is_no_accuracy() -> None:
    """LocAcc over no positives is None; without negatives the scores are still defined."""
    assert extended_scores([0.0], [True], [1.0])["loc_acc"] is None
    assert extended_scores(**ONE)["loc_acc"] == 1
    only = extended_scores([0.0, 0.0], [True, True], [1.0, 0.0], [True, True])
    assert (only["n_same_class"], only["clean"]) == (2, None)
