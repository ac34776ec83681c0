"""Dependence on the sound: how far maps move, and what lights up when nothing sounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.dependence import (
    Dependence,
    DependenceScorer,
    equal_maps,
    moved_correlation,
    moved_mask,
    top_half,
)
from vggss_tools.evaluate.false_activation import (
    LevelStore,
    activated_area,
    area_over_curve,
    harmonic_mean,
    universal_thresholds,
)
from vggss_tools.evaluate.resizing import resize_map
from vggss_tools.evaluate.test_sets import Sample, TestSet

Rows = Sequence[tuple[str, str, np.ndarray]]

RAW = arrays(np.float32, (3, 4), elements=st.integers(-4, 4).map(float)) | arrays(
    np.float32, (3, 4), elements=st.floats(-100, 100, width=32)
)


def sample(name: str, label: str, *boxes: tuple[int, int, int, int], **more: Any) -> Sample:
    """Return a clip with its own sound."""
    edges = np.array(boxes or [(20, 30, 120, 200)], dtype=np.int64)
    return replace(Sample(name, name, name, label, edges), **more)


CLIPS = TestSet(
    "clips",
    "0" * 64,
    (
        sample("a", "dog"),
        sample("b", "cat", (0, 0, 100, 224)),
        sample("c", "dog", (50, 60, 224, 150), (0, 0, 10, 10)),
    ),
)


def score(
    own: dict[str, np.ndarray], others: Rows, test_set: TestSet = CLIPS, **more: Any
) -> Dependence:
    """Score raw maps: those of the own sounds, then rows of picture, sound and map."""
    scorer = DependenceScorer(test_set, **more)
    names = [one.name for one in test_set.samples]
    for name, raw in own.items():
        scorer.own(names.index(name), resize_map(raw), raw)
    for image, audio, raw in others:
        scorer.other(image, audio, resize_map(raw), raw)
    return scorer.result()


def maps(n: int, size: int = 7, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.standard_normal((n, size, size)).astype(np.float32))


# ------------------------------------------------------------------------------- how far it moves


@given(RAW, RAW)
def test_moves_are_bounded_and_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    """Masks move by 0..1, correlations by 0..2, and it does not matter which map is the own one."""
    one, other = resize_map(a), resize_map(b)
    assert 0 <= moved_mask(one, other) <= 1
    assert 0 <= moved_correlation(one, other) <= 2
    assert moved_mask(one, other) == moved_mask(other, one)
    assert moved_correlation(one, other) == pytest.approx(moved_correlation(other, one), abs=1e-12)
    assert equal_maps(one, other) == equal_maps(other, one)


@given(RAW, st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_a_map_that_only_grows_fainter_has_not_moved(raw: np.ndarray, factor: float) -> None:
    """A change of the scale moves nothing; the maps are equal only if the scale is the same."""
    one, other = resize_map(raw), resize_map(raw * np.float32(factor))
    assert moved_mask(one, other) == 0
    assert moved_correlation(one, other) == pytest.approx(0, abs=1e-6)
    assert equal_maps(one, one)
    assert equal_maps(one, other) == (not raw.any())


def test_moves_are_those_of_the_definitions() -> None:
    """1 - IoU of what lies above the median, and 1 - Pearson's of means of 8 x 8 pixels."""
    for a, b in zip(maps(5), maps(5, seed=1), strict=True):
        one, other = resize_map(a), resize_map(b)
        upper = [one > np.sort(one, axis=None)[25_088], other > np.sort(other, axis=None)[25_088]]
        iou = (upper[0] & upper[1]).sum() / (upper[0] | upper[1]).sum()
        assert moved_mask(one, other) == pytest.approx(1 - iou, abs=1e-12)
        means = [x.reshape(28, 8, 28, 8).mean(axis=(1, 3)).ravel() for x in (one, other)]
        assert moved_correlation(one, other) == pytest.approx(
            1 - np.corrcoef(*means)[0, 1], abs=1e-4
        )


def test_the_opposite_map_moves_as_far_as_can_be() -> None:
    """A map upside down in its values moves by 1 and by 2."""
    ramp = np.arange(224 * 224, dtype=np.float32).reshape(224, 224)
    assert moved_mask(ramp, -ramp) == 1
    assert moved_correlation(ramp, -ramp) == pytest.approx(2)


def test_unrelated_maps_move_by_two_thirds() -> None:
    """The halves of independent maps share a third of their union; their correlation is 0."""
    pairs = [
        (resize_map(a), resize_map(b)) for a, b in zip(maps(60), maps(60, seed=1), strict=True)
    ]
    assert np.mean([moved_mask(*pair) for pair in pairs]) == pytest.approx(2 / 3, abs=0.03)
    assert np.mean([moved_correlation(*pair) for pair in pairs]) == pytest.approx(1, abs=0.08)


def test_constant_maps_move_by_rule() -> None:
    """From constant to constant nothing moves, from constant to any other map everything."""
    flat, high = np.zeros((224, 224), np.float32), np.ones((224, 224), np.float32)
    ramp = np.arange(224 * 224, dtype=np.float32).reshape(224, 224)
    assert (moved_mask(flat, high), moved_correlation(flat, high)) == (0, 0)
    assert (moved_mask(flat, ramp), moved_correlation(flat, ramp)) == (1, 1)
    assert equal_maps(high, high)
    assert not equal_maps(flat, high)
    assert not top_half(high).any()


def test_ties_with_the_median_are_not_in_the_upper_half() -> None:
    """Of a map that is clipped over more than half of the frame, only the rest counts."""
    clipped = np.zeros((224, 224), np.float32)
    clipped[:50] = 1
    assert (top_half(clipped) == (clipped > 0)).all()


# ---------------------------------------------------------------------------------- in two passes


def test_each_kind_of_sound_is_scored_for_itself() -> None:
    """Silence, noise, other sounds, and those of another class stand in their own rows."""
    a, b, c, moved = maps(4)
    found = score(
        {"a": a, "b": b, "c": c},
        [("a", "silence", a), ("b", "silence", moved), ("a", "b", moved), ("a", "c", a)],
    )
    silence, other, other_class = found["silence"], found["other"], found["other_class"]
    assert silence is not None
    assert other is not None
    assert other_class is not None
    assert (silence["n"], other["n"], other_class["n"]) == (2, 2, 1)
    assert found["noise"] is None
    moves = [0, moved_mask(resize_map(b), resize_map(moved))]
    assert silence["moved_mask"] == pytest.approx(np.mean(moves))
    assert silence["equal"] == 0.5
    assert other_class["moved_mask"] == moved_mask(resize_map(a), resize_map(moved))
    assert found["deaf"] is False
    assert found["n_no_own"] == 0


def test_a_model_that_does_not_listen_is_called_deaf() -> None:
    """Equal maps whatever sounds, but for rounding, are said; a change of strength is not equal."""
    a, b = maps(2)
    jitter = 1e-6 * maps(1, seed=1)[0]
    rows = [("a", "silence", a + jitter), ("b", "a", b), ("b", "noise", b)]
    found = score({"a": a, "b": b}, rows)
    assert found["deaf"] is True
    assert found["noise"] == {
        "n": 1, "moved_mask": 0, "moved_correlation": 0, "equal": 1, "own_higher": 0,
    }  # fmt: skip
    assert score({"a": a, "b": b}, [*rows, ("a", "noise", a / 2)])["deaf"] is False
    assert score({"a": a}, [])["deaf"] is None


def test_rows_without_an_own_map_are_counted() -> None:
    """A picture whose own sound was not predicted, or that is unknown, is left out and counted."""
    a, b = maps(2)
    found = score({"a": a}, [("b", "silence", b), ("zz", "silence", b), ("a", "noise", b)])
    assert found["n_no_own"] == 2
    assert found["silence"] is None
    assert found["noise"] is not None


def test_the_order_of_rows_changes_nothing() -> None:
    """Own rows in any order, then other rows in any order, give the same bits."""
    own = dict(zip("abc", maps(3), strict=True))
    rows = [
        (image, audio, one)
        for (image, audio), one in zip(
            [(i, s) for i in "abc" for s in ("silence", "noise", "a", "b") if i != s],
            maps(10, seed=1),
            strict=True,
        )
    ]
    first = score(own, rows)
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, len(rows))
        again = score(dict(random.Random(seed).sample(list(own.items()), 3)), shuffled)
        assert again == first


def test_buffers_may_be_used_again() -> None:
    """The scorer keeps no view of the arrays that it is given."""
    a, moved = maps(2)
    scorer, raw = DependenceScorer(CLIPS), a.copy()
    grid = resize_map(raw)
    scorer.own(0, grid, raw)
    raw[:], grid[:] = moved, resize_map(moved)
    scorer.other("a", "silence", grid, raw)
    raw[:], grid[:] = 0, 0
    assert scorer.result() == score({"a": a}, [("a", "silence", moved)])


def test_where_no_raw_map_is_given_the_resized_one_stands_for_it() -> None:
    """Without raw maps the moves are the same, and false activation is said to be estimated."""
    a, moved = maps(2)
    scorer = DependenceScorer(CLIPS)
    scorer.own(0, resize_map(a))
    scorer.other("a", "silence", resize_map(moved))
    found, full = scorer.result(), score({"a": a}, [("a", "silence", moved)])
    assert found["silence"] == full["silence"]
    assert found["false_activation"] is not None
    assert full["false_activation"] is not None
    assert (found["false_activation"]["exact"], full["false_activation"]["exact"]) == (False, True)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_map_is_refused(bad: float) -> None:
    """NaN, infinities, wrong shapes and a second own map are errors, and nothing is counted."""
    scorer, good = DependenceScorer(CLIPS), resize_map(maps(1)[0])
    spoilt = good.copy()
    spoilt[100, 100] = bad
    for resized, raw in ((spoilt, None), (good, spoilt[100:101])):
        with pytest.raises(ValueError, match="NaN, an infinity"):
            scorer.own(0, resized, raw)
    with pytest.raises(ValueError, match="it is \\(224, 224\\)"):
        scorer.own(0, good[:100])
    with pytest.raises(ValueError, match="it is \\(h, w\\)"):
        scorer.own(0, good, good[0])
    scorer.own(0, good)
    with pytest.raises(ValueError, match="a: its map was given before"):
        scorer.own(0, good)


# ------------------------------------------------------------------------------- false activation


def slow_activation(
    own: dict[str, np.ndarray], negatives: dict[str, list[np.ndarray]], share: str
) -> dict[str, Any]:
    """Areas, AOC and F at one threshold, straight from all maps."""
    peaks = [float(one.max()) for rows in negatives.values() for one in rows]
    at = {"q3": np.quantile(peaks, 0.75), "mean": np.mean(peaks), "max": np.max(peaks)}[share]
    threshold = np.float32(at)

    def resized(one: np.ndarray) -> np.ndarray:
        return cv2.resize(one, (224, 224), interpolation=cv2.INTER_LINEAR)

    areas = {k: [(resized(one) > threshold).mean() for one in v] for k, v in negatives.items()}
    names = [one.name for one in CLIPS.samples]
    cious = [
        float(metrics.ciou(CLIPS.truth(names.index(name)), resized(one) > threshold))
        for name, one in own.items()
    ]
    pia = {sound: np.mean(found) for sound, found in areas.items()}
    low = 1 - np.mean(list(pia.values()))
    ciou = np.mean(cious)
    shares = {s: [np.mean(np.array(a) <= 0.05 * i) for i in range(21)] for s, a in areas.items()}
    return {
        "threshold": threshold,
        "pia": pia,
        "aoc": {
            s: np.trapezoid(curve, [0.05 * i for i in range(21)]) for s, curve in shares.items()
        },
        "mean_ciou": ciou,
        "f": 2 * ciou * low / (ciou + low) if ciou + low else 0,
    }


def cases(size: int) -> tuple[dict[str, np.ndarray], dict[str, list[np.ndarray]], Rows]:
    """Own maps, and negatives of three kinds with lower values, as lists and as rows."""
    own = dict(zip("abc", maps(3, size), strict=True))
    negatives = {
        "silence": [one * np.float32(0.7) for one in maps(3, size, seed=1)],
        "noise": [one * np.float32(0.9) for one in maps(2, size, seed=2)],
        "other": [one * np.float32(0.8) for one in maps(2, size, seed=3)],
    }
    pictures = {
        "silence": [("a", "silence"), ("b", "silence"), ("c", "silence")],
        "noise": [("a", "noise"), ("b", "noise")],
        "other": [("a", "b"), ("b", "c")],
    }
    rows = [
        (*pair, one)
        for sound in negatives
        for pair, one in zip(pictures[sound], negatives[sound], strict=True)
    ]
    return own, negatives, rows


@pytest.mark.parametrize("share", ["q3", "mean", "max"])
@pytest.mark.parametrize("size", [7, 14, 16])
def test_small_maps_are_scored_exactly(size: int, share: str) -> None:
    """What is kept of small maps gives what all maps at once give."""
    own, negatives, rows = cases(size)
    found = score(own, rows)["false_activation"]
    assert found is not None
    assert found["exact"]
    slow = slow_activation(own, negatives, share)
    at = found["at"][share]
    assert at["threshold"] == slow["threshold"]
    for name in ("pia", "aoc"):
        assert at[name] == pytest.approx(slow[name], abs=1e-12)  # type: ignore[literal-required]
    assert at["mean_ciou"] == pytest.approx(slow["mean_ciou"], abs=1e-12)
    assert at["f"] == pytest.approx(slow["f"], abs=1e-12)
    assert list(at["pia"]) == ["other", "silence", "noise"]


def test_large_maps_are_scored_nearly() -> None:
    """Of larger maps areas are kept to 0.2% of the frame, cIoUs to 2%."""
    own, negatives, rows = cases(20)
    found = score(own, rows)["false_activation"]
    assert found is not None
    assert not found["exact"]
    for share in ("q3", "mean", "max"):
        slow = slow_activation(own, negatives, share)
        assert found["at"][share]["pia"] == pytest.approx(slow["pia"], abs=0.002)
        assert found["at"][share]["mean_ciou"] == pytest.approx(slow["mean_ciou"], abs=0.02)


@settings(max_examples=30)
@given(
    arrays(np.float32, (224, 224), elements=st.integers(-9, 9).map(float), fill=st.just(0.0)),
    st.floats(-10, 10, width=32),
)
def test_kept_levels_are_off_by_little(resized: np.ndarray, threshold: float) -> None:
    """A count of pixels that was kept in 1 KiB is off by 1/512 of the frame, a pixel more or less.

    With a truth of two weights it is off by 1/256 of the pixels of each.
    """
    store, truth = LevelStore(), np.zeros((224, 224), dtype=bool)
    truth[30:90, 40:200] = True
    store.add(resized, resized)
    store.add(resized, resized, truth)
    active = resized > threshold
    ((_, false),) = store.above(0, [threshold])
    assert abs(false - active.sum()) <= 50_176 / 512 + 1
    ((hit, false),) = store.above(1, [threshold], truth)
    assert abs(hit - (active & truth).sum()) <= truth.sum() / 256 + 1
    assert abs(false - (active & ~truth).sum()) <= (~truth).sum() / 256 + 1
    assert len(store) == 2


def test_a_consensus_counts_by_weight() -> None:
    """Half votes count half, in small maps and in large ones."""
    consensus = replace(
        CLIPS, samples=(sample("a", "", (0, 0, 100, 100), (50, 0, 150, 100)),), consensus=2
    )
    for size, room in ((7, 1e-12), (40, 0.02)):
        a, quiet = maps(2, size)
        quiet /= 4
        found = score({"a": a}, [("a", "silence", quiet)], consensus)["false_activation"]
        assert found is not None
        predicted = resize_map(a) > np.float32(quiet.max())
        wanted = metrics.ciou(consensus.truth(0), predicted)
        assert found["at"]["max"]["mean_ciou"] == pytest.approx(float(wanted), abs=room)


def test_nothing_is_activated_above_the_largest_maximum() -> None:
    """At ``max`` every negative is empty, so that pIA is 0 and AOC 1."""
    for size in (7, 30):
        own, _, rows = cases(size)
        found = score(own, rows)["false_activation"]
        assert found is not None
        assert (found["at"]["max"]["pia_mean"], found["at"]["max"]["aoc_mean"]) == (0, 1)


def test_the_scale_of_the_model_does_not_matter() -> None:
    """One scale and offset for all maps leaves areas, cIoU and F as they are."""
    own, _, rows = cases(7)
    first = score(own, rows)
    again = score(
        {name: one * 4 + 2 for name, one in own.items()},
        [(image, audio, one * 4 + 2) for image, audio, one in rows],
    )
    assert first["false_activation"] is not None
    assert again["false_activation"] is not None
    for share, at in first["false_activation"]["at"].items():
        other = again["false_activation"]["at"][share]
        for name in ("pia", "aoc", "mean_ciou", "f", "f_auc"):
            assert other[name] == pytest.approx(at[name], abs=1e-3)  # type: ignore[literal-required]


def test_a_picture_that_shows_the_sounds_class_is_no_negative() -> None:
    """Sounds of the picture's class, or of a silent object in it, count as moves only."""
    a, moved = maps(2)
    rows = [("a", "c", moved), ("a", "b", moved), ("a", "lent", moved)]
    labels = {"lent": "piano"}
    found = score({"a": a}, rows, labels=labels)
    assert found["n_not_negative"] == 1
    found = score({"a": a}, rows, labels=labels, visible={("a", "piano"), ("a", "cat")})
    assert found["n_not_negative"] == 3
    assert found["false_activation"] is None
    assert found["other"] is not None
    assert found["other"]["n"] == 3


def test_scenes_of_one_group_show_all_of_its_classes() -> None:
    """Where one scene is heard with two sounds, neither is a negative for the other's picture."""
    pair = TestSet(
        "pairs",
        "0" * 64,
        (
            sample("x_dog", "dog", group="x"),
            sample("x_cat", "cat", group="x"),
            sample("y_dog", "dog", group="y"),
        ),
    )
    a, moved = maps(2)
    rows = [("x_dog", "x_cat", moved), ("y_dog", "x_cat", moved)]
    found = score({"x_dog": a, "y_dog": a}, rows, pair)
    assert found["n_not_negative"] == 1
    assert found["false_activation"] is not None
    assert found["false_activation"]["peaks"]["other"]["n"] == 1


def test_negatives_of_the_test_set_are_no_own_sounds() -> None:
    """A negative's map stands for its picture only if the sound is the picture's own."""
    none = np.empty((0, 4), dtype=np.int64)
    extended = replace(
        CLIPS,
        samples=(
            Sample("a+b", "a", "b", "", none, negative=True),
            Sample("a+c", "a", "c", "", none, negative=True, same_class=True),
            *CLIPS.samples,
            Sample("out", "out", "out", "", none, negative=True),
        ),
    )
    a, moved, outside = maps(3)
    own = {"a+b": moved, "a": a, "out": outside}
    rows = [("a", "silence", a), ("out", "silence", outside), ("a", "b", moved), ("a", "c", moved)]
    found = score(own, rows, extended)
    assert found["silence"] is not None
    assert found["silence"]["equal"] == 1
    assert (found["n_no_own"], found["n_not_negative"]) == (0, 1)
    assert found["false_activation"] is not None
    assert found["false_activation"]["peaks"]["own"]["n"] == 1


def test_where_a_picture_has_several_own_sounds_the_first_sample_stands_for_it() -> None:
    """Whatever the order of the rows, the picture's first sample is compared with."""
    several = TestSet(
        "several",
        "0" * 64,
        (sample("p1", "dog", image_id="p"), sample("p2", "cat", image_id="p")),
    )
    first, second = maps(2)
    for own in ({"p1": first, "p2": second}, {"p2": second, "p1": first}):
        found = score(own, [("p", "silence", first), ("p", "p1", first)], several)
        assert found["deaf"] is True
        assert found["n_not_negative"] == 1


def test_mistyped_ids_find_their_pictures() -> None:
    """The id that Flickr-SoundNet's list mistypes means the photo with boxes."""
    photos = TestSet("photos", "0" * 64, (sample("3908875350", ""),))
    (a,) = maps(1)
    assert score({"3908875350": a}, [("3908875357", "silence", a)], photos)["n_no_own"] == 0


def test_without_positives_there_is_no_f() -> None:
    """Where every own sample is a negative, areas are scored and localisation is None."""
    none = np.empty((0, 4), dtype=np.int64)
    only = TestSet("only", "0" * 64, (Sample("o", "o", "o", "", none, negative=True),))
    a, b = maps(2)
    found = score({"o": a}, [("o", "silence", b)], only)["false_activation"]
    assert found is not None
    at = found["at"]["q3"]
    assert [at[k] for k in ("mean_ciou", "auc", "f", "f_auc")] == [None] * 4  # type: ignore[literal-required]
    assert "own" not in found["peaks"]


# ------------------------------------------------------------------------------- their definitions


def test_areas_and_curves_are_those_of_the_definitions() -> None:
    """PIA is strict, AOC counts areas at most t, and the harmonic mean of nothing is 0."""
    assert activated_area(np.array([[0.0, 1.0], [2.0, 3.0]]), 1.0) == 0.5
    assert area_over_curve([0.0, 0.0]) == pytest.approx(1)
    assert area_over_curve([1.0]) == pytest.approx(0.025)
    # 0.05 * 3 is a little more than 0.15: the area falls on the side of the released code.
    assert area_over_curve([0.15]) == pytest.approx(0.05 / 2 + 0.85)
    assert harmonic_mean(0, 0) == 0
    assert harmonic_mean(0.5, 1) == pytest.approx(2 / 3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_more_activation_never_raises_the_area_over_the_curve(
    areas: list[float], more: float
) -> None:
    """AOC falls as areas grow, and lies in 0.025..1."""
    worse = [min(area + more, 1.0) for area in areas]
    assert 0.025 - 1e-12 <= area_over_curve(worse) <= area_over_curve(areas) <= 1 + 1e-12


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30))
def test_universal_thresholds_lie_among_the_maxima(peaks: list[float]) -> None:
    """Every threshold lies between the lowest and the highest maximum; ``max`` is the highest."""
    found = universal_thresholds(peaks)
    assert found["max"] == max(peaks)
    for value in found.values():
        assert min(peaks) <= value + 1e-6 * abs(value)
        assert value <= max(peaks) + 1e-6 * abs(value)


def test_no_negatives_no_threshold() -> None:
    """Without a maximum or an area there is nothing to say, and an error says so."""
    with pytest.raises(ValueError, match="no negatives"):
        universal_thresholds([])
    with pytest.raises(ValueError, match="no areas"):
        area_over_curve([])
