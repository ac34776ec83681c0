"""What holds for every protocol on any map: bounds, invariance, monotonicity, stated rules.

Full-size maps are used where a property is one of the threshold rule: resizing blends pixels, and
bicubic weights are partly negative, so that raising a coarse pixel lowers others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from map_maker import CLASSES

from vggss_tools.annotate.vggss_json import Annotations, Entry
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import Scorer, metrics
from vggss_tools.evaluate.benchmark import run_benchmark
from vggss_tools.evaluate.compare import compare_results
from vggss_tools.evaluate.masks import GRID, box_mask, pixel_edges
from vggss_tools.evaluate.predictions import predictions_from_arrays
from vggss_tools.evaluate.protocols import (
    HALF,
    PIXELS,
    PROTOCOLS,
    Protocol,
    RankedMap,
    SweepThreshold,
)
from vggss_tools.evaluate.ranking import average_precision
from vggss_tools.evaluate.test_sets import Sample, TestSet
from vggss_tools.evaluate.truths import Truth, TruthTable

ALL = list(PROTOCOLS.values())
RANKS = [protocol for protocol in ALL if protocol.ranks]
ABSOLUTE = [protocol for protocol in ALL if protocol.absolute]
# A fixed threshold on a map that is scaled by its own range.
BY_RANGE = [protocol for protocol in ALL if not protocol.ranks and not protocol.absolute]

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0, 1, width=16)
BOXES = st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS), max_size=3)
SMALL_MAPS = arrays(np.float32, (5, 7), elements=st.floats(-100, 100, width=16))
CLIPS = st.lists(st.tuples(SMALL_MAPS, BOXES), min_size=1, max_size=5)


def name_of(protocol: Protocol) -> str:
    return protocol.name


def shuffled(seed: int) -> np.ndarray:
    """A full-size map without ties: 0 … 50,175 in any order."""
    return np.random.default_rng(seed).permutation(PIXELS).reshape(GRID, GRID).astype(np.float32)


def tied(seed: int, levels: int = 9) -> np.ndarray:
    """A full-size map of a few whole values, some of them negative."""
    rng = np.random.default_rng(seed)
    return rng.integers(-4, levels - 4, (GRID, GRID)).astype(np.float32)


def for_scale(protocol: Protocol, values: np.ndarray) -> np.ndarray:
    """Bring a map to values among which an absolute protocol's thresholds lie."""
    if not protocol.absolute:
        return values
    return (8 * (values / PIXELS - 0.5)).astype(np.float32)


def masks_of(protocol: Protocol, values: np.ndarray, area: int) -> list[np.ndarray]:
    """The predicted mask, or those of all thresholds of a sweep."""
    if isinstance(protocol.threshold, SweepThreshold):
        return protocol.predict_sweep(values)
    return [protocol.predict(values, area)]


def cious_of(protocol: Protocol, values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    area = int(truth.sum())
    return np.array([float(metrics.ciou(truth, m)) for m in masks_of(protocol, values, area)])


def entries_of(boxes: Sequence[Any]) -> list[Entry]:
    return [
        Entry(f"clip-{i:04d}_000000", CLASSES[i % 3], tuple(one)) for i, one in enumerate(boxes)
    ]


def annotations_of(entries: Sequence[Entry]) -> Annotations:
    return Annotations("any", "0" * 64, tuple(entries))


def scored(
    entries: Sequence[Entry], ids: Sequence[str], maps: Any, **options: Any
) -> dict[str, Any]:
    """The benchmark's JSON under every protocol."""
    predictions = predictions_from_arrays(ids, np.stack(list(maps)))
    return dict(run_benchmark(predictions, annotations_of(entries), ALL, **options).json)


def test_every_protocol_is_of_one_kind() -> None:
    """The threshold follows the order of the values, or their range, or takes them as they are."""
    assert {p.name for p in BY_RANGE} == {"paper", "sspl"}
    assert {p.name for p in ABSOLUTE} == {"slavc", "acl"}
    assert len(RANKS) + len(BY_RANGE) + len(ABSOLUTE) == len(ALL)


# ------------------------------------------------------------------------------------- one map


@settings(max_examples=60)
@given(CLIPS)
def test_scores_are_fractions(clips: list[Any]) -> None:
    """Whatever the maps and boxes, every score of every clip and of all is within 0..1."""
    scorer = Scorer(ALL)
    scorer.update(np.stack([one for one, _ in clips]), [boxes for _, boxes in clips])
    for cious in scorer.cious.values():
        assert ((cious >= 0) & (cious <= 1)).all()
    for protocol, scores in zip(ALL, scorer.compute().values(), strict=True):
        for name in ("ciou", "auc", "mean_ciou"):
            assert 0 <= scores[name] <= 1
        # `>` never passes at 1; `>=` always does at 0.
        assert scores["auc"] <= 0.975 if protocol.strict else scores["auc"] >= 0.025


@pytest.mark.parametrize("protocol", RANKS + BY_RANGE, ids=name_of)
@settings(max_examples=8)
@given(SEEDS, st.integers(-8, 8), st.integers(-1000, 1000), st.booleans())
def test_rising_lines_change_nothing(
    protocol: Protocol, seed: int, power: int, shift: int, ties: bool
) -> None:
    """``a * map + b`` with a > 0 predicts what the map does, ties included.

    For thresholds by rank and by range; a power of two and whole numbers, which floats hold
    exactly. Not for constant maps, whose value some rules look at.
    """
    values = tied(seed) if ties else shuffled(seed)
    line = np.float32(2.0**power) * (values + np.float32(shift))
    for area in (1, 5000, PIXELS - 1):
        np.testing.assert_array_equal(protocol.predict(line, area), protocol.predict(values, area))


@pytest.mark.parametrize("protocol", RANKS, ids=name_of)
@settings(max_examples=8)
@given(SEEDS)
def test_only_the_order_counts_under_a_rank(protocol: Protocol, seed: int) -> None:
    """Any rising function of a map without ties predicts what the map does."""
    values = shuffled(seed)
    # Not so steep that the range swallows differences: the normalised values are float32.
    bent = (np.sqrt(values.astype(np.float64) + 1) * 64).astype(np.float32)
    assume(len(np.unique(bent)) == PIXELS)
    np.testing.assert_array_equal(protocol.predict(bent, 5000), protocol.predict(values, 5000))


@pytest.mark.parametrize("protocol", RANKS, ids=name_of)
@settings(max_examples=8)
@given(SEEDS, st.integers(1, PIXELS))
def test_as_many_pixels_as_the_rule_says(protocol: Protocol, seed: int, area: int) -> None:
    """A map without ties predicts its highest pixels, exactly as many as ``pixels`` says."""
    values = shuffled(seed)
    predicted = protocol.predict(values, area)
    count = protocol.pixels(area)
    assert predicted.sum() == count
    np.testing.assert_array_equal(predicted, values >= PIXELS - (count or 0))


@pytest.mark.parametrize("protocol", ALL, ids=name_of)
@settings(max_examples=8)
@given(SEEDS, BOXES)
def test_no_map_without_ties_beats_the_ceiling(
    protocol: Protocol, seed: int, boxes: list[Any]
) -> None:
    """Neither one in any order nor a perfect one; by rank the perfect one reaches it."""
    truth = box_mask(boxes)
    area = int(truth.sum())
    ceiling = protocol.ceiling(area)
    values = shuffled(seed)
    perfect = np.empty((GRID, GRID), dtype=np.float32)
    perfect.flat[np.lexsort([values.ravel(), truth.ravel()])] = np.arange(PIXELS)
    assert cious_of(protocol, for_scale(protocol, values), truth).max() <= ceiling
    best = cious_of(protocol, for_scale(protocol, perfect), truth).max()
    assert best == ceiling if protocol.ranks else best <= ceiling


@pytest.mark.parametrize("protocol", ALL, ids=name_of)
@settings(max_examples=12)
@given(SEEDS, BOXES, st.integers(0, PIXELS - 1), st.integers(1, PIXELS), st.booleans())
def test_a_better_pixel_never_costs(
    protocol: Protocol, seed: int, boxes: list[Any], place: int, step: int, ties: bool
) -> None:
    """Raising a pixel of the truth, or lowering one outside of it, never lowers the cIoU.

    Under absolute thresholds on any map. Under ranks on maps without ties: a pixel that rises into
    the upper half pushes out one, and with it all that tie with that one. Under thresholds by range
    as long as the range stays.
    """
    truth = box_mask(boxes)
    values = for_scale(
        protocol, tied(seed) * 6000 if ties and protocol.absolute else shuffled(seed)
    )
    before = cious_of(protocol, values, truth)
    better = values.copy()
    sign = 1 if truth.flat[place] else -1
    # Between two values that are there, so that nothing ties.
    half = 0.5 if not protocol.absolute else 0.5 * 8 / PIXELS
    better.flat[place] += np.float32(sign * (step * 2 * half + half))
    if protocol in BY_RANGE:
        better = np.clip(better, values.min(), values.max())
        assume(better.min() == values.min() and better.max() == values.max())
    assert (cious_of(protocol, better, truth) >= before).all()


@settings(max_examples=40)
@given(SEEDS, BOXES, st.integers(0, PIXELS - 1), st.integers(1, 6), st.booleans())
def test_a_better_pixel_never_costs_average_precision(
    seed: int, boxes: list[Any], place: int, step: int, ties: bool
) -> None:
    """The ranking of ``vggss`` is monotone on any map, with ties or without."""
    truth = box_mask(boxes)
    values = tied(seed) if ties else shuffled(seed)
    better = values.copy()
    better.flat[place] += step if truth.flat[place] else -step
    # The mean of thousands of fractions is rounded.
    assert average_precision(better, truth) >= average_precision(values, truth) - 1e-12


CONSTANTS = {
    "paper": lambda c: False,
    "lvs": lambda c: c >= 0,
    "ezvsl": lambda c: True,
    "ezvsl-val": lambda c: True,
    "slavc": lambda c: c >= 0,
    "slavc-relative": lambda c: True,
    "fnac-a": lambda c: True,
    "fnac-b": lambda c: True,
    "ssltie": lambda c: c >= 0,
    "sslalign": lambda c: False,
    "sslalign-adap": lambda c: False,
    "acl": lambda c: c >= 0,  # at 0.5, the threshold of its pictures
    "sspl": lambda c: False,
    "htf": lambda c: c >= 1,
    "vcs": lambda c: True,
    "vggss": lambda c: False,
}


@pytest.mark.parametrize("protocol", ALL, ids=name_of)
@settings(max_examples=20)
@given(st.floats(-20, 20, width=16))
def test_constant_maps_by_the_stated_rule(protocol: Protocol, constant: float) -> None:
    """All of the frame or nothing, as each source has it; full-size, so that nothing is rounded."""
    # Nearer to 0 than this the fixed range of SLAVC rounds to its middle.
    assume(constant == 0 or abs(constant) > 1e-3)
    predicted = protocol.predict(np.full((GRID, GRID), constant, dtype=np.float32))
    whole = CONSTANTS[protocol.name](constant)
    assert predicted.all() == whole
    assert predicted.any() == whole


@settings(max_examples=30)
@given(SMALL_MAPS)
def test_a_truth_without_a_pixel_scores_zero(values: np.ndarray) -> None:
    """Whatever is predicted, under every protocol."""
    scorer = Scorer(ALL)
    scorer.update(values, [])
    assert not any(cious.any() for cious in scorer.cious.values())
    assert all(protocol.ceiling(0) == 0 for protocol in ALL)


@settings(max_examples=25)
@given(SEEDS, st.lists(st.integers(0, PIXELS - 1), min_size=1, max_size=6), st.booleans())
@example(0, [25454], False)
@example(0, [0, HALF - 2, HALF + 1, PIXELS - 1], True)
def test_ranks_are_those_of_the_sorted_map(seed: int, ranks: list[int], ties: bool) -> None:
    """In whatever order they are asked for: what is known of one does not spoil another."""
    values = tied(seed) if ties else shuffled(seed) - 20000
    expected = np.sort(values, axis=None)
    ranked, prepared = RankedMap(values.copy()), RankedMap(values.copy())
    prepared.sort()
    for rank in [*ranks, HALF, HALF - 1, *ranks]:
        assert ranked.order(rank) == prepared.order(rank) == expected[rank]
    assert ranked.median() == np.median(values)
    np.testing.assert_array_equal(ranked.values, values)


def min_max(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return values if low == high else (values - low) / (high - low)


def cosine(values: np.ndarray) -> np.ndarray:
    return (values + 1 / 0.03) / (2 / 0.03)


def above_middle(values: np.ndarray, area: int) -> np.ndarray:
    return values > np.sort(values, axis=None)[PIXELS // 2]


def from_middle(values: np.ndarray, area: int) -> np.ndarray:
    return values >= np.sort(values, axis=None)[PIXELS // 2]


def released(values: np.ndarray, area: int) -> np.ndarray:
    values = 1 - min_max(-values)
    return above_middle(values, area) | (values >= 1)


# Each rule in the plainest words, with a full sort, as its source has it.
PLAIN = {
    "paper": lambda v, a: metrics.min_max(v) > 0.5,
    "lvs": released,
    "ezvsl": lambda v, a: from_middle(min_max(v), a),
    "ezvsl-val": lambda v, a: from_middle(min_max(v), a),
    "slavc": lambda v, a: cosine(v) >= 0.5,
    "slavc-relative": lambda v, a: from_middle(min_max(cosine(v)), a),
    "fnac-a": lambda v, a: from_middle(min_max(v), a),
    "fnac-b": lambda v, a: from_middle(min_max(v), a),
    "ssltie": released,
    "sslalign": lambda v, a: above_middle(1 - min_max(-v), a),
    "sslalign-adap": lambda v, a: (
        (1 - min_max(-v)) > np.sort(1 - min_max(-v), axis=None)[PIXELS - a]
    ),
    "sspl": lambda v, a: metrics.min_max(v) >= 0.5,
    "htf": lambda v, a: above_middle(min_max(v), a) | (min_max(v) >= 1),
    "vcs": lambda v, a: v >= np.median(v),
    "vggss": lambda v, a: v > np.sort(v, axis=None)[PIXELS - a - 1],
}


@pytest.mark.parametrize("kind", ["shuffled", "tied", "signed", "crowded", "near-zero", "constant"])
@pytest.mark.parametrize("protocol", [PROTOCOLS[name] for name in PLAIN], ids=name_of)
@settings(max_examples=4)
@given(SEEDS, st.integers(1, PIXELS - 1))
def test_predictions_are_the_plain_rule(
    kind: str, protocol: Protocol, seed: int, area: int
) -> None:
    """To the last bit, on maps with ties and on maps whose values the scaling rounds together."""
    rng = np.random.default_rng(seed)
    values = {
        "shuffled": lambda: shuffled(seed),
        "tied": lambda: tied(seed),
        "signed": lambda: rng.normal(size=(GRID, GRID)),
        # A few outliers stretch the range: the middle of the map falls within a few float32 steps.
        "crowded": lambda: np.where(shuffled(seed) > 10, 1 + 1e-6 * rng.random((GRID, GRID)), -9),
        "near-zero": lambda: np.where(shuffled(seed) > 10, 1e-12 * rng.random((GRID, GRID)), 1),
        "constant": lambda: np.full((GRID, GRID), rng.integers(-2, 3) / 2),
    }[kind]()
    values = np.asarray(values, dtype=np.float32)
    expected = PLAIN[protocol.name](values, area)
    np.testing.assert_array_equal(protocol.predict(values, area), expected)


@settings(max_examples=40)
@given(st.lists(BOXES, min_size=1, max_size=4), SEEDS, st.integers(1, 3))
def test_counting_is_counting(boxes: list[Any], seed: int, consensus: int) -> None:
    """Windows and tables of sums give what the formula gives, for any boxes and mask."""
    samples = tuple(Sample(str(i), str(i), str(i), "", pixel_edges(b)) for i, b in enumerate(boxes))
    test_set = TestSet("any", "", samples, consensus)
    predicted = tied(seed, levels=2) > -4
    table = TruthTable(test_set, range(len(boxes)))
    for i, ciou in enumerate(table.ciou(predicted)):
        expected = metrics.ciou(test_set.truth(i), predicted)
        assert ciou == pytest.approx(float(expected), rel=1e-14)
        truth = Truth(test_set, i)
        hit, false = truth.count(predicted)
        assert metrics.ciou_of_counts(hit, truth.total, false) == ciou
        assert (table.areas[i], table.totals[i]) == (truth.area, truth.total)


# ----------------------------------------------------------------------------------- many clips


@settings(max_examples=12)
@given(CLIPS, st.randoms(use_true_random=False))
def test_the_order_of_clips_means_nothing(clips: list[Any], random: Any) -> None:
    """Neither that of the annotations nor that of the predictions; means to rounding."""
    entries = entries_of([boxes for _, boxes in clips])
    ids = [entry.file for entry in entries]
    maps = [one for one, _ in clips]
    rows, lines = list(range(len(clips))), list(range(len(clips)))
    random.shuffle(rows)
    random.shuffle(lines)
    one = scored(entries, ids, maps)
    other = scored([entries[i] for i in lines], [ids[i] for i in rows], [maps[i] for i in rows])
    for a, b in zip(one["results"], other["results"], strict=True):
        for key in a.keys() - {"extra", "mean_ciou", "by_class", "by_area", "by_boxes"}:
            assert a[key] == b[key], (a["protocol"], key)
        assert a["mean_ciou"] == pytest.approx(b["mean_ciou"], abs=1e-14)


@settings(max_examples=12)
@given(CLIPS, CLIPS, st.integers(0, 3), st.integers(0, 3))
def test_missing_and_unknown_clips_by_rule(
    clips: list[Any], more: list[Any], n_missing: int, n_unknown: int
) -> None:
    """Missing ones are named and not scored, unknown ones counted; neither moves a score.

    And whatever maps the missing ones would get, the score stays within the bounds.
    """
    pairs = [*clips, *more]
    entries = entries_of([boxes for _, boxes in pairs])
    ids = [entry.file for entry in entries]
    maps = [one for one, _ in pairs]
    known = len(pairs) - min(n_missing, len(more))
    strangers = [f"stranger{i}" for i in range(n_unknown)]
    part = scored(entries, [*ids[:known], *strangers], [*maps[:known], *[maps[0]] * n_unknown])
    alone = scored(entries[:known], ids[:known], maps[:known])
    whole = scored(entries, ids, maps)
    for some, same, full in zip(part["results"], alone["results"], whole["results"], strict=True):
        assert some["unknown"] == n_unknown
        assert some["missing"] == ids[known:]
        assert (some["n_scored"], some["n_total"]) == (known, len(pairs))
        for key in ("ciou", "auc", "mean_ciou", "ci95", "baselines", "ceiling", "per_clip"):
            assert some[key] == same[key], key
        for key in ("ciou", "auc"):
            low, high = some["bounds"][key]
            assert low - 1e-12 <= full[key] <= high + 1e-12
            assert same["bounds"][key] == pytest.approx([same[key]] * 2, abs=1e-12)


@settings(max_examples=15)
@given(CLIPS, st.integers(0, 2**31))
def test_the_interval_contains_the_score(clips: list[Any], seed: int) -> None:
    """Whatever the seed, for cIoU and AUC under every protocol, to rounding."""
    entries = entries_of([boxes for _, boxes in clips])
    found = scored(entries, [e.file for e in entries], [one for one, _ in clips], seed=seed)
    for result in found["results"]:
        for key in ("ciou", "auc"):
            low, high = result["ci95"][key]
            assert low - 1e-12 <= result[key] <= high + 1e-12


@settings(max_examples=15)
@given(CLIPS, CLIPS)
def test_comparing_is_fair(clips: list[Any], others: list[Any]) -> None:
    """A run does not differ from itself; exchanging two runs turns the difference about."""
    n = min(len(clips), len(others))
    entries = entries_of([boxes for _, boxes in clips[:n]])
    ids = [entry.file for entry in entries]
    mine = scored(entries, ids, [one for one, _ in clips[:n]])
    its = scored(entries, ids, [one for one, _ in others[:n]])
    for one in compare_results(mine, mine, "itself"):
        for key in ("ciou", "auc"):
            assert one[key]["difference"] == 0  # type: ignore[literal-required]
            assert one[key]["ci95"] == [0, 0]  # type: ignore[literal-required]
            assert not one[key]["holds"]  # type: ignore[literal-required]
    there, back = compare_results(mine, its, "b"), compare_results(its, mine, "a")
    for one, other in zip(there, back, strict=True):
        for key in ("ciou", "auc"):
            a, b = one[key], other[key]  # type: ignore[literal-required]
            assert a["difference"] == -b["difference"]
            np.testing.assert_allclose(a["ci95"], [-v for v in b["ci95"][::-1]], atol=1e-12)
            assert a["holds"] == b["holds"]


@settings(max_examples=20)
@given(
    st.sampled_from([np.nan, np.inf, -np.inf, 1e39]),
    st.integers(0, 2),
    st.integers(0, 4),
    st.integers(0, 6),
    st.booleans(),
)
def test_what_is_not_finite_is_refused(
    value: float, clip: int, row: int, column: int, prior: bool
) -> None:
    """One such pixel anywhere, in a map or in an object prior, is an error that names the clip."""
    entries = entries_of([[(0.1, 0.1, 0.9, 0.9)]] * 3)
    maps, priors = np.ones((2, 3, 5, 7))
    (priors if prior else maps)[clip, row, column] = value
    with (
        pytest.raises(InvalidInput, match=rf"{entries[clip].file} holds|object_map"),
        np.errstate(over="ignore"),
    ):
        run_benchmark(
            predictions_from_arrays([e.file for e in entries], maps, object_map=priors),
            annotations_of(entries),
            ALL,
            ogl=0.5,
        )


@settings(max_examples=10)
@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=6))
def test_a_clip_twice_is_refused(ids: list[str]) -> None:
    """Repeated ids are an error that names one of them; ids each once are not."""
    maps = np.ones((len(ids), 2, 2), dtype=np.float32)
    if len(set(ids)) == len(ids):
        assert len(predictions_from_arrays(ids, maps)) == len(ids)
        return
    with pytest.raises(InvalidInput, match="twice"):
        predictions_from_arrays(ids, maps)
