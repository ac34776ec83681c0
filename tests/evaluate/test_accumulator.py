"""Scoring map by map: the benchmark's own numbers, in any batches, and what is refused."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_maker import make_entries, make_map

from vggss_tools.annotate.vggss_json import Annotations, Entry
from vggss_tools.evaluate import Scorer, metrics
from vggss_tools.evaluate.benchmark import run_benchmark
from vggss_tools.evaluate.masks import GRID, box_mask
from vggss_tools.evaluate.predictions import predictions_from_arrays
from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.evaluate.test_set_files import read_test_set
from vggss_tools.evaluate.test_sets import Sample, TestSet

N = 30
ENTRIES = make_entries(N)
MAPS = np.stack([14 * make_map(1, entry.boxes, seed=i) for i, entry in enumerate(ENTRIES)])
IDS = [entry.file for entry in ENTRIES]
BOXES = [entry.boxes for entry in ENTRIES]
BOX = [[0.1, 0.2, 0.7, 0.9]]


def benchmark_of(
    entries: list[Entry], maps: np.ndarray, **options: Any
) -> dict[str, dict[str, Any]]:
    """What ``vggss benchmark`` says of the same maps, by protocol; no errata, no missing clip."""
    name = "vgg-ss"
    scored = run_benchmark(
        predictions_from_arrays(
            [entry.file for entry in entries], maps, object_map=options.pop("object_map", None)
        ),
        Annotations(name, "0" * 64, tuple(entries)),
        list(PROTOCOLS.values()),
        errata="keep",
        **options,
    )
    return {result["protocol"]: dict(result) for result in scored.json["results"]}


def assert_equal_scores(scorer: Scorer, expected: dict[str, dict[str, Any]]) -> None:
    for name, found in scorer.compute().items():
        result = expected[name]
        for key in ("ciou", "auc", "mean_ciou"):
            assert found[key] == result[key], (name, key)
        assert found["n"] == result["n_scored"]
        for key in ("threshold_ciou", "threshold_auc", "pixel_ap"):
            assert found.get(key) == result["extra"].get(key), (name, key)


def test_scores_are_the_benchmarks_under_every_protocol() -> None:
    """Clip by clip, and in cIoU, AUC, mean, sweep and pixel AP, to the last bit."""
    expected = benchmark_of(ENTRIES, MAPS)
    scorer = Scorer(tuple(PROTOCOLS))
    scorer.update(MAPS, BOXES, IDS)
    assert_equal_scores(scorer, expected)
    for name, cious in scorer.cious.items():
        best = 0
        if cious.shape[1] > 1:
            best = PROTOCOLS["acl"].threshold.thresholds.index(  # type: ignore[union-attr]
                expected[name]["extra"]["threshold_ciou"]
            )
        assert dict(zip(IDS, cious[:, best].tolist(), strict=True)) == expected[name]["per_clip"]


def test_scores_are_the_benchmarks_on_vgg_ss(reference_data: Path) -> None:
    """The same over the published annotations, in batches, on maps of every kind."""
    test_set = read_test_set(reference_data / "vggss" / "vggss.json").only(
        [True] * 400 + [False] * 4758
    )
    maps = [make_map(0, (), seed=i) for i in range(len(test_set))]
    names = [sample.name for sample in test_set.samples]
    expected = run_benchmark(
        predictions_from_arrays(names, np.stack(maps)), test_set, [PROTOCOLS["lvs"]]
    )
    scorer = Scorer("lvs")
    for start in range(0, len(names), 64):
        part = slice(start, start + 64)
        truth = [test_set.truth(i) for i in range(len(names))[part]]
        scorer.update(np.stack(maps[part]), truth, names[part])
    (result,) = expected.json["results"]
    found = scorer.compute()["lvs"]
    assert (found["ciou"], found["auc"]) == (result["ciou"], result["auc"])


@settings(max_examples=25)
@given(st.lists(st.integers(0, N), max_size=5), st.randoms(use_true_random=False))
def test_neither_batches_nor_processes_matter(cuts: list[int], random: Any) -> None:
    """Any cut into batches, over two scorers that are merged, gives the same scores."""
    whole = Scorer(("lvs", "paper", "acl"))
    whole.update(MAPS, BOXES, IDS)
    scorers = Scorer(("lvs", "paper", "acl")), Scorer(("lvs", "paper", "acl"))
    ends = [0, *sorted(cuts), N]
    for start, end in itertools.pairwise(ends):
        random.choice(scorers).update(MAPS[start:end], BOXES[start:end], IDS[start:end])
    one, other = scorers
    one.merge(pickle.loads(pickle.dumps(other)))
    assert sorted(one.clip_ids) == sorted(IDS)
    for name, expected in whole.compute().items():
        found = one.compute()[name]
        assert found["mean_ciou"] == pytest.approx(expected["mean_ciou"], abs=1e-14)
        for key in expected.keys() - {"mean_ciou"}:
            assert found[key] == expected[key], (name, key)


def test_masks_are_the_same_truth_as_their_boxes() -> None:
    """Boxes, masks, masks of zeros and ones, arrays of any kind with ``__array__``."""

    class Wrapped:
        def __init__(self, values: Any) -> None:
            self.values = np.asarray(values)
            self.shape = self.values.shape

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return self.values.astype(dtype or self.values.dtype)

        def __len__(self) -> int:
            return len(self.values)

        def __getitem__(self, index: int) -> Any:
            return self.values[index]

    masks = np.stack([box_mask(boxes) for boxes in BOXES])
    expected = Scorer()
    expected.update(MAPS, BOXES)
    for truth in (masks, masks.astype(np.uint8), masks.astype(np.float32), Wrapped(masks)):
        scorer = Scorer()
        scorer.update(Wrapped(MAPS), truth)
        np.testing.assert_array_equal(scorer.rows, expected.rows)
    one_by_one = Scorer()
    for values, boxes in zip(MAPS.astype(np.float64), BOXES, strict=True):
        one_by_one.update(values, np.array(boxes))
    np.testing.assert_array_equal(one_by_one.rows, expected.rows)


def test_a_consensus_is_scored_by_weight() -> None:
    """Two annotators' boxes give weights, as masks of such weights do, and the test set."""
    boxes = [[[0.1, 0.1, 0.6, 0.6], [0.3, 0.3, 0.9, 0.9]], [[0.2, 0.2, 0.5, 0.5]]]
    weights = np.stack([0.5 * sum(1.0 * box_mask([box]) for box in clip) for clip in boxes])
    names = tuple(PROTOCOLS)
    by_boxes, by_masks = Scorer(names, consensus=2), Scorer(names)
    by_boxes.update(MAPS[:2], boxes)
    by_masks.update(MAPS[:2], weights)
    np.testing.assert_array_equal(by_boxes.rows, by_masks.rows)
    lvs = metrics.ciou(weights, np.stack([PROTOCOLS["lvs"].predict(one) for one in MAPS[:2]]))
    np.testing.assert_allclose(by_boxes.cious["lvs"][:, 0], lvs, rtol=1e-15)
    test_set = TestSet(
        "vgg-ss",
        "0" * 64,
        tuple(
            Sample(name, name, name, "", (GRID * np.array(clip)).astype(int))
            for name, clip in zip("ab", boxes, strict=True)
        ),
        consensus=2,
    )
    scored = run_benchmark(
        predictions_from_arrays(["a", "b"], MAPS[:2]), test_set, list(PROTOCOLS.values())
    )
    assert_equal_scores(
        by_boxes, {result["protocol"]: dict(result) for result in scored.json["results"]}
    )


def test_object_priors_are_mixed_in_as_in_the_benchmark() -> None:
    """With ``ogl`` a prior is asked for, without it one is refused."""
    priors = np.random.default_rng(1).random((N, 7, 7), dtype=np.float32)
    scorer = Scorer(tuple(PROTOCOLS), ogl=0.4)
    scorer.update(MAPS, BOXES, object_maps=priors)
    expected = benchmark_of(ENTRIES, MAPS, object_map=priors, ogl=0.4)
    for result in expected.values():  # an order that has no prior in it
        result["extra"].pop("pixel_ap", None)
    found = scorer.compute()
    for name, result in expected.items():
        assert [found[name][key] for key in ("ciou", "auc")] == [result["ciou"], result["auc"]]
    with pytest.raises(ValueError, match="object_maps go with ogl"):
        scorer.update(MAPS, BOXES)
    with pytest.raises(ValueError, match="object_maps go with ogl"):
        Scorer().update(MAPS, BOXES, object_maps=priors)
    with pytest.raises(ValueError, match="30 maps and 2 object maps"):
        scorer.update(MAPS, BOXES, object_maps=priors[:2])


def test_other_test_sets_are_resized_as_the_source_does() -> None:
    """SSLalignment resizes other sets' maps by torch's rule; the two differ."""
    own, other = Scorer("sslalign"), Scorer("sslalign", vgg_ss=False)
    for scorer in (own, other):
        scorer.update(MAPS, BOXES)
    expected = [
        float(metrics.ciou(box_mask(boxes), PROTOCOLS["sslalign"].predict(one, vgg_ss=False)))
        for one, boxes in zip(MAPS, BOXES, strict=True)
    ]
    assert other.rows[:, 0].tolist() == expected
    assert (own.rows != other.rows).any()


def test_truths_without_a_pixel_score_zero() -> None:
    """No box, an empty box and an empty mask: the cIoU is 0 by rule."""
    scorer = Scorer(tuple(PROTOCOLS))
    scorer.update(MAPS[:2], [[], [[0.5, 0.1, 0.4, 0.9]]])
    scorer.update(MAPS[2], np.zeros((GRID, GRID), bool))
    assert not scorer.rows[:, :-2].any()


@pytest.mark.parametrize(
    ("value", "cause"),
    [(np.nan, "NaN"), (np.inf, "an infinity"), (-np.inf, "an infinity"), (1e39, "too large")],
)
def test_maps_without_finite_values_are_refused_by_name(value: float, cause: str) -> None:
    """The message names the clip, and nothing of the batch is counted."""
    maps = np.ones((3, 4, 4))
    maps[1, 2, 3] = value
    scorer = Scorer()
    with pytest.raises(ValueError, match=f"b_000000: the map holds .*{cause}"):
        scorer.update(maps, [BOX] * 3, ["a_000000", "b_000000", "c_000000"])
    with pytest.raises(ValueError, match=f"map 1: the map holds .*{cause}"):
        scorer.update(maps, [BOX] * 3)
    scorer.update(maps[0], BOX)
    with pytest.raises(ValueError, match=f"map 2: the map holds .*{cause}"):
        scorer.update(maps, [BOX] * 3)
    assert len(scorer) == 1


@pytest.mark.parametrize(
    ("maps", "truth", "clip_id", "cause"),
    [
        (np.ones((2, 1, 7, 7)), [BOX, BOX], None, r"shape \(2, 1, 7, 7\)"),
        (np.ones(7), BOX, None, r"shape \(7,\)"),
        (np.ones((0, 7)), BOX, None, r"shape \(0, 7\)"),
        ([np.ones((7, 7)), np.ones((8, 8))], [BOX, BOX], None, "not one array"),
        (np.ones((7, 7), complex), BOX, None, "complex128; they are numbers"),
        (np.array([["a"]]), BOX, None, "they are numbers"),
        (np.ones((2, 7, 7)), [BOX], None, "2 maps and 1 truths"),
        (np.ones((2, 7, 7)), [BOX, BOX], ["a"], "1 clip ids for 2 maps"),
        (np.ones((2, 7, 7)), [BOX, BOX], "a", r"one clip_id \(a\) for 2 maps"),
        (np.ones((7, 7)), BOX[0], "a", "a: boxes are n times"),
        (np.ones((7, 7)), [[0, 0, 1]], "a", "a: boxes are n times"),
        (np.ones((7, 7)), [["x", 0, 1, 1]], "a", "a: boxes are n times"),
        (np.ones((7, 7)), None, "a", "a: boxes are n times"),
        (np.ones((7, 7)), [[0, 0, np.nan, 1]], "a", "a: a box holds NaN"),
        (np.ones((7, 7)), [[10, 20, 180, 200]], "a", "a: a box has the coordinate 200.*not pixels"),
        (np.ones((7, 7)), np.ones((7, 7)), "a", r"a: the mask has shape \(7, 7\)"),
        (np.ones((7, 7)), np.full((GRID, GRID), 255), "a", "neither bool nor weights"),
        (np.ones((7, 7)), np.full((GRID, GRID), np.nan), "a", "neither bool nor weights"),
        (np.ones((2, 7, 7)), [BOX, BOX], ["a", "a"], "a: scored already"),
    ],
)
def test_what_does_not_fit_is_refused(maps: Any, truth: Any, clip_id: Any, cause: str) -> None:
    """Shapes, types, truths and ids; nothing is counted."""
    scorer = Scorer()
    with pytest.raises(ValueError, match=cause):
        scorer.update(maps, truth, clip_id)
    assert len(scorer) == 0


def test_clips_count_once() -> None:
    """A clip id twice is an error, or passed over where the sampler repeats clips."""
    scorer = Scorer()
    scorer.update(MAPS[:2], BOXES[:2], IDS[:2])
    with pytest.raises(ValueError, match=rf"{IDS[1]}: scored already"):
        scorer.update(MAPS[1:4], BOXES[1:4], IDS[1:4])
    assert len(scorer) == 2
    other = Scorer()
    other.update(MAPS[1:4], BOXES[1:4], IDS[1:4])
    with pytest.raises(ValueError, match=rf"{IDS[1]}: scored already"):
        scorer.merge(other)
    first = Scorer(repeats="first")
    first.update(MAPS[:2], BOXES[:2], IDS[:2])
    first.update(MAPS[1:3], BOXES[1:3], IDS[1:3])
    first.merge(other)
    assert first.clip_ids == IDS[:4]
    expected = Scorer()
    expected.update(MAPS[:4], BOXES[:4])
    np.testing.assert_array_equal(first.rows, expected.rows)
    with pytest.raises(ValueError, match="some clips came with clip_id"):
        scorer.update(MAPS[5], BOXES[5])
    with pytest.raises(ValueError, match="one scorer has clip ids"):
        scorer.merge(expected)


def test_scorers_that_score_otherwise_are_not_merged() -> None:
    """Protocols, consensus and prior's weight have to be equal."""
    for other in (Scorer("lvs"), Scorer(consensus=2), Scorer(ogl=0.4)):
        with pytest.raises(ValueError, match="not merged"):
            Scorer().merge(other)
    with pytest.raises(ValueError, match=r"rows have shape \(3, 4\)"):
        Scorer().from_rows(np.zeros((3, 4)))


def test_reset_forgets_all_clips() -> None:
    """After it, the same clips may come again, and scores are theirs alone."""
    scorer = Scorer()
    scorer.update(-MAPS, BOXES, IDS)
    scorer.reset()
    with pytest.raises(ValueError, match="no clip was scored"):
        scorer.compute()
    scorer.update(MAPS, BOXES, IDS)
    fresh = Scorer()
    fresh.update(MAPS, BOXES)
    assert scorer.compute() == fresh.compute()
    scorer.update(np.empty((0, 7, 7)), [], [])
    assert len(scorer) == N


@pytest.mark.parametrize(
    ("arguments", "options", "cause"),
    [
        ((["lsv"],), {}, "no protocol 'lsv'; there are paper, lvs"),
        (([],), {}, "at least one"),
        ((["lvs", "lvs"],), {}, "each once"),
        ((), {"ogl": 1.5}, "ogl is 1.5"),
        ((), {"ogl": float("nan")}, "ogl is nan"),
        ((), {"consensus": 0}, "consensus is 0"),
        ((), {"repeats": "last"}, "repeats is 'last'"),
    ],
)
def test_a_scorer_that_cannot_be_is_refused(
    arguments: Any, options: dict[str, Any], cause: str
) -> None:
    """Names, weights and rules are checked before the first clip."""
    with pytest.raises(ValueError, match=cause):
        Scorer(*arguments, **options)


def test_memory_does_not_grow_with_the_maps() -> None:
    """Of a hundred maps of 224 x 224 some numbers are kept, not the maps."""
    scorer = Scorer(("lvs", "acl"))
    rng = np.random.default_rng(0)
    scorer.update(rng.random((GRID, GRID), dtype=np.float32), BOX)
    tracemalloc.start()
    for _ in range(100):
        scorer.update(rng.random((GRID, GRID), dtype=np.float32), BOX)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000  # 100 maps are 20 MB
    assert peak < 5_000_000
