"""The benchmark as a whole: coverage, baselines, ceiling, skill, swaps, proposals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from map_maker import CLASSES, make_entries, make_map

from vggss_tools.annotate.vggss_json import Annotations, Entry, write_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import baselines, metrics
from vggss_tools.evaluate.benchmark import Benchmark, is_stand_in, run_benchmark
from vggss_tools.evaluate.bootstrap import bootstrap_interval
from vggss_tools.evaluate.masks import GRID, box_mask
from vggss_tools.evaluate.predictions import Predictions, predictions_from_arrays
from vggss_tools.evaluate.proposal_scores import score_proposals
from vggss_tools.evaluate.protocols import LVS, PAPER, Protocol
from vggss_tools.evaluate.results import Result
from vggss_tools.evaluate.table import format_benchmark
from vggss_tools.propose.proposals import Proposal

BOTH = [PAPER, LVS]


def annotations_of(entries: list[Entry], name: str = "test") -> Annotations:
    return Annotations(name, f"{name:0<64}", tuple(entries))


def predictions_of(entries: list[Entry]) -> Predictions:
    maps = [14 * make_map(1, entry.boxes, seed=i) for i, entry in enumerate(entries)]
    return predictions_from_arrays([entry.file for entry in entries], np.stack(maps))


def result_of(benchmark: Benchmark, protocol: str) -> Result:
    return {result["protocol"]: result for result in benchmark.json["results"]}[protocol]


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return make_entries(60)


@pytest.fixture(scope="module")
def benchmark(entries: list[Entry]) -> Benchmark:
    return run_benchmark(predictions_of(entries), annotations_of(entries), BOTH)


@pytest.mark.parametrize("protocol", BOTH, ids=lambda protocol: protocol.name)
def test_scores_are_those_of_the_metrics(
    entries: list[Entry], benchmark: Benchmark, protocol: Protocol
) -> None:
    """The pass over the file gives what mask by mask the metrics give."""
    maps = list(predictions_of(entries).maps())
    masks = [protocol.predict(one) for one in maps]
    truth = [box_mask(entry.boxes) for entry in entries]
    cious = [float(metrics.ciou(*pair)) for pair in zip(truth, masks, strict=True)]
    assert benchmark.clip_ids == sorted(entry.file for entry in entries)
    np.testing.assert_array_equal(benchmark.cious[protocol.name], cious)
    result = result_of(benchmark, protocol.name)
    assert result["ciou"] == metrics.success_rate(cious, strict=protocol.strict)
    assert result["mean_ciou"] == np.mean(cious)
    curve = metrics.success_curve(cious, protocol.strict)
    assert result["auc"] == metrics.area_under_curve(curve)
    assert [point["share"] for point in result["success"]] == curve.tolist()
    assert [point["t"] for point in result["success"]][::10] == [0, 0.5, 1]


def test_the_contract_of_the_json(benchmark: Benchmark) -> None:
    """Every key of the contract is there, with scores as fractions."""
    assert benchmark.json["schema"] == "vggss-benchmark/1"
    for result in benchmark.json["results"]:
        assert {
            "protocol",
            "ciou",
            "auc",
            "n_scored",
            "n_total",
            "missing",
            "annotations",
            "baselines",
            "ceiling",
            "mean_ciou",
            "unknown",
            "skill",
            "swap_rate",
        } <= set(result)
        assert set(result["annotations"]) >= {"name", "sha256"}
        assert list(result["baselines"]) == ["ones", "disc"]
        for score in (*result["baselines"].values(), result["ceiling"], result):
            assert 0 <= score["ciou"] <= 1
            assert 0 <= score["auc"] <= 1
        low, high = result["ci95"]["ciou"]
        assert low <= result["ciou"] <= high
        assert sum(one["n"] for one in result["by_class"].values()) == result["n_scored"]
    assert json.loads(json.dumps(benchmark.json, allow_nan=False)) == benchmark.json


def test_equal_inputs_give_an_equal_result_in_any_order(
    entries: list[Entry], benchmark: Benchmark
) -> None:
    """Neither the order of the rows nor the time of the day is in the result."""
    back = list(reversed(entries))
    maps = list(predictions_of(entries).maps())[::-1]
    again = run_benchmark(
        predictions_from_arrays([entry.file for entry in back], np.stack(maps)),
        annotations_of(entries),
        BOTH,
    )
    # The file of the maps is another one; all that is said of it and of the scores is the same.
    sha256 = again.json["predictions"]["sha256"]
    assert sha256 != benchmark.json["predictions"]["sha256"]
    said = {**benchmark.json["predictions"], "sha256": sha256}
    assert again.json == {**benchmark.json, "predictions": said}


def test_missing_clips_are_named_and_not_scored(entries: list[Entry]) -> None:
    """The score is over the clips that have a map, the rest is listed and warned of."""
    part = run_benchmark(predictions_of(entries[:40]), annotations_of(entries), BOTH)
    result = result_of(part, "lvs")
    assert (result["n_scored"], result["n_total"]) == (40, 60)
    assert result["missing"] == part.missing == sorted(entry.file for entry in entries[40:])
    assert "20 of 60" in result["warnings"][0]
    whole = run_benchmark(predictions_of(entries[:40]), annotations_of(entries[:40]), BOTH)
    for key in ("ciou", "auc", "baselines", "ceiling", "skill", "by_class"):
        assert result[key] == result_of(whole, "lvs")[key]  # type: ignore[literal-required]


def test_unknown_clips_are_counted(entries: list[Entry]) -> None:
    """Maps of clips that the annotations do not have are left out, and said so."""
    part = run_benchmark(predictions_of(entries), annotations_of(entries[:50]), BOTH)
    assert result_of(part, "paper")["unknown"] == 10
    assert "10 map(s) of clips without annotation" in part.json["notes"][0]


def test_nothing_to_score_is_refused(entries: list[Entry]) -> None:
    """Strange ids, other sounds only, no rows, no annotations: one line each."""
    some = annotations_of(entries)
    maps = np.ones((1, 2, 2))
    with pytest.raises(InvalidInput, match=r"ids there look like 'clip0-0000_000030'"):
        run_benchmark(predictions_from_arrays(["x.mp4"], maps), some, BOTH)
    swapped = predictions_from_arrays(["a"], maps, audio_id=["b"])
    with pytest.raises(InvalidInput, match="--swap-predictions"):
        run_benchmark(swapped, some, BOTH)
    with pytest.raises(InvalidInput, match="no rows"):
        run_benchmark(predictions_from_arrays([], np.ones((0, 2, 2))), some, BOTH)
    with pytest.raises(InvalidInput, match="no annotated clips"):
        run_benchmark(predictions_of(entries), annotations_of([]), BOTH)


def test_perfect_maps_have_skill_one(entries: list[Entry]) -> None:
    """The truth without ties scores the ceiling under `lvs`, as a mask under `paper`."""
    rng = np.random.default_rng(0)
    noise = 0.4 * rng.random((len(entries), GRID, GRID), dtype=np.float32)
    perfect = np.stack([box_mask(entry.boxes) for entry in entries]) + noise
    ids = [entry.file for entry in entries]
    scored = run_benchmark(predictions_from_arrays(ids, perfect), annotations_of(entries), BOTH)
    for result in scored.json["results"]:
        assert result["skill"] == 1
        assert result["ciou"] == result["ceiling"]["ciou"]
        assert result["auc"] == pytest.approx(result["ceiling"]["auc"])
        assert result["own_hit_rate"] == sum(box_mask(e.boxes).any() for e in entries) / 60


def test_skill_is_the_way_from_the_best_trivial_baseline_to_the_ceiling() -> None:
    """0 at the baseline, 1 at the ceiling, none where there is no room between them."""
    assert baselines.skill(0.3, 0.2, 0.4) == pytest.approx(0.5)
    assert baselines.skill(0.1, 0.2, 0.4) == pytest.approx(-0.5)
    assert baselines.skill(0.3, 0.4, 0.4) is None
    assert baselines.best_trivial({"ones": 0.3, "disc": 0.3, "blind_union": 0.9}) == ("ones", 0.3)
    assert baselines.best_trivial({"ones": 0.2, "mean_box": 0.3}) == ("mean_box", 0.3)


def test_ties_and_constants_are_said(entries: list[Entry]) -> None:
    """The truth as a map beats the ceiling of `lvs` by its ties, and the result says so."""
    truth = np.stack([box_mask(entry.boxes) for entry in entries]).astype(np.float32)
    ids = [entry.file for entry in entries]
    scored = run_benchmark(predictions_from_arrays(ids, truth), annotations_of(entries), BOTH)
    result = result_of(scored, "lvs")
    small = truth.mean(axis=(1, 2)) < 0.5
    assert result["ties"] == small.mean()
    assert result["ciou"] > result["ceiling"]["ciou"]
    assert any("ceiling does not hold" in warning for warning in result["warnings"])
    assert result["n_constant"] == np.sum(truth.all(axis=(1, 2)) | ~truth.any(axis=(1, 2)))
    assert any("constant" in warning for warning in result["warnings"])
    assert any("no truth pixel" in warning for warning in result["warnings"])


def test_mean_box_learns_from_training_clips_only(entries: list[Entry]) -> None:
    """The mean box map comes from other clips; the test file or a shared clip is refused."""
    test, train = annotations_of(entries), annotations_of(make_entries(30, seed=1), "train")
    scored = run_benchmark(predictions_of(entries), test, BOTH, training=train)
    mean = np.mean([box_mask(entry.boxes) for entry in train.entries], axis=0)
    expected = LVS.predict(mean)
    cious = [float(metrics.ciou(box_mask(entry.boxes), expected)) for entry in entries]
    rate = metrics.success_rate(cious, strict=False)
    assert result_of(scored, "lvs")["baselines"]["mean_box"]["ciou"] == rate
    with pytest.raises(InvalidInput, match="the annotation file to be scored"):
        run_benchmark(predictions_of(entries), test, BOTH, training=test)
    leaky = annotations_of([*train.entries, entries[3]], "leaky")
    with pytest.raises(InvalidInput, match=rf"1 of its clips .*\({entries[3].file}"):
        run_benchmark(predictions_of(entries), test, BOTH, training=leaky)
    with pytest.raises(InvalidInput, match="no clips"):
        run_benchmark(predictions_of(entries), test, BOTH, training=annotations_of([], "none"))


def proposed(boxes: list[tuple[float, float, float, float]], label: str | None) -> list[Proposal]:
    return [Proposal("a_000000", Box(*box), "thing", 1.0, label) for box in boxes]


def test_sound_blind_baselines_take_all_boxes_whatever_sounds() -> None:
    """The union and the largest of all proposals, matched or not; none of a clip is a miss."""
    sounding, silent = (0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 1.0)
    entries = [Entry("a_000000", CLASSES[0], (sounding,)), Entry("b_000000", CLASSES[1], (silent,))]
    found = {"a_000000": proposed([sounding, silent], None)}
    scored = run_benchmark(predictions_of(entries), annotations_of(entries), BOTH, proposals=found)
    paper = result_of(scored, "paper")
    assert list(paper["baselines"]) == ["ones", "disc", "blind_union", "blind_largest"]
    # Clip a: union 0.25 / 0.75, largest misses; clip b has no proposals.
    assert paper["curves"]["blind_union"][6]["share"] == 0.5
    assert paper["curves"]["blind_union"][7]["share"] == 0
    assert paper["curves"]["blind_largest"][0]["share"] == 0
    assert paper["best_trivial"]["name"] in baselines.TRIVIAL
    # Under the median rule the largest box, half of the frame, is what is predicted.
    region = box_mask([silent])
    predicted = baselines.predict_region(LVS, region)
    assert metrics.ciou(region, predicted) > 0.98


def test_regions_under_the_median_rule_do_not_escape_the_ceiling(entries: list[Entry]) -> None:
    """A region is ranked by its signed distance, so that half of the frame is predicted."""
    for entry in entries:
        region = box_mask(entry.boxes)
        if region.any() and not region.all():
            predicted = baselines.predict_region(LVS, region)
            assert abs(int(predicted.sum()) - 25087) <= 40
            ceiling = LVS.ceiling(int(region.sum()))
            assert metrics.ciou(region, predicted) == pytest.approx(ceiling, abs=0.002)
            np.testing.assert_array_equal(baselines.predict_region(PAPER, region), region)
    for region in (np.zeros((GRID, GRID), bool), np.ones((GRID, GRID), bool)):
        np.testing.assert_array_equal(baselines.predict_region(LVS, region), region)


def test_proposals_are_scored_by_candidates_one_to_one() -> None:
    """Only boxes matched to the clip's class count; a second one on the same object is wrong."""
    box, off = (0.1, 0.1, 0.5, 0.5), (0.6, 0.6, 0.9, 0.9)
    broken = (0.2, 0.2, 0.2, 0.9)
    test = annotations_of(
        [Entry("a_000000", "owl hooting", (box, off, broken)), Entry("b_000000", "x", (box,))]
    )
    found = {
        "a_000000": [
            *proposed([box, (0.1, 0.1, 0.5, 0.49)], "owl hooting"),
            *proposed([off], None),
        ],
        "c_000000": proposed([box], "x"),
    }
    scores = score_proposals(found, test)
    assert scores == {
        "precision": 1 / 2,
        "recall": 1 / 3,
        "n_proposals": 2,
        "n_truth": 3,
        "n_clips": 2,
        "iou": 0.5,
    }
    nothing = score_proposals({}, test)
    assert (nothing["precision"], nothing["recall"]) == (None, 0.0)


def test_swapped_sounds_move_a_map_that_listens() -> None:
    """A map on the silent object that is heard is a hit, one that stays put is not."""
    left, right = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)
    cello, owl = CLASSES[1], CLASSES[2]
    test = annotations_of([Entry("a_000000", owl, (left,)), Entry("b_000000", cello, (left,))])
    silent = [Entry("a_000000", cello, (right,)), Entry("b_000000", owl, (right,))]
    loud_left, loud_right = np.zeros((2, 14, 14), dtype=np.float32)
    loud_left[7, 2] = loud_right[7, 11] = 1
    own = predictions_from_arrays(["a_000000", "b_000000"], np.stack([loud_left] * 2))
    ids = ["a_000000", "b_000000", "a_000000", "elsewhere"]
    swapped = predictions_from_arrays(
        ids,
        np.stack([loud_right, loud_left, np.ones_like(loud_left), loud_right]),
        image_id=ids,
        audio_id=["b_000000", "a_000000", "lent_000000", "a_000000"],
    )
    scored = run_benchmark(
        own, test, BOTH, swapped=swapped, silent=silent, labels={"lent_000000": cello}
    )
    for result in scored.json["results"]:
        assert result["own_hit_rate"] == 1
        assert result["swap_n"] == 3
        assert result["swap_rate"] == 1 / 3
        assert result["swap_stay_rate"] == 1 / 3
    assert "1 row(s) left out" in scored.json["notes"][0]
    with pytest.raises(InvalidInput, match="no row has the sound of a class that is silent"):
        run_benchmark(own, test, BOTH, swapped=swapped, silent=[])


def test_rows_with_other_sounds_are_not_scored_as_own(entries: list[Entry]) -> None:
    """A file may hold swaps beside the own sounds; only the own ones make the score."""
    ids = [entry.file for entry in entries]
    maps = np.stack(list(predictions_of(entries).maps()))
    both = predictions_from_arrays(
        [*ids, *ids], np.concatenate([maps, -maps]), audio_id=[*ids, *ids[1:], ids[0]]
    )
    scored = run_benchmark(both, annotations_of(entries), BOTH)
    alone = run_benchmark(predictions_of(entries), annotations_of(entries), BOTH)
    assert scored.json["results"] == alone.json["results"]
    assert "60 row(s) with another sound" in scored.json["notes"][0]


def test_bootstrap_intervals_are_seeded_and_narrow_with_more_clips() -> None:
    """Equal seeds give equal intervals, about 1.96 standard errors to each side."""
    values = np.random.default_rng(0).random(1000) < 0.3
    interval = bootstrap_interval(values)
    np.testing.assert_array_equal(interval, bootstrap_interval(values))
    error = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose(interval, values.mean() + np.array([-error, error]), atol=0.004)
    wide = bootstrap_interval(values[:100])
    assert wide[1] - wide[0] > 2 * (interval[1] - interval[0])
    np.testing.assert_array_equal(bootstrap_interval(np.ones((5, 2))), np.ones((2, 2)))


def test_the_table_never_shows_a_score_alone(entries: list[Entry], benchmark: Benchmark) -> None:
    """Protocol, coverage, annotations, baselines and ceiling stand beside every score."""
    text = format_benchmark(benchmark.json)
    for result in benchmark.json["results"]:
        assert f"Protocol {result['protocol']}" in text
        assert f"{100 * result['ciou']:.2f}" in text
        assert f"{100 * result['ceiling']['ciou']:.2f}" in text
    assert text.count("60 of 60 clips scored against test") == 2
    for name in ("ones", "disc", "ceiling", "skill"):
        assert text.count(f"  {name}") == 2
    assert max(map(len, text.splitlines())) <= 110


def test_a_releases_manifest_says_that_it_is_a_stand_in(tmp_path: Path) -> None:
    """A sample world's release is marked in the result; a plain file is not."""
    path = tmp_path / "vggss.json"
    entries = make_entries(2)
    write_vggss_json(path, entries)
    plain = annotations_of(entries)
    assert not is_stand_in(path, plain.name)
    manifest = path.with_name("release.json")
    manifest.write_text('{"stand_in": true}')
    assert is_stand_in(path, plain.name)
    manifest.write_text("{")
    with pytest.raises(InvalidInput, match="not JSON"):
        is_stand_in(path, plain.name)
