"""What `vggss benchmark` can be asked for beside a score: parts, priors, comparisons, leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from map_maker import make_entries

from vggss_tools.annotate.vggss_json import write_vggss_json
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.leaderboard import place
from vggss_tools.evaluate.masks import box_mask
from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.evaluate.protocols import EZVSL, LVS, PROTOCOLS

Invoke = Callable[..., Result]

ENTRIES = make_entries(40)
IDS = [entry.file for entry in ENTRIES]
RNG = np.random.default_rng(3)
TRUTH = np.stack([box_mask(e.boxes).reshape(14, 16, 14, 16).mean((1, 3)) for e in ENTRIES])
MAPS = (TRUTH + RNG.random((40, 14, 14))).astype(np.float32)
PRIORS = (TRUTH[:, ::2, ::2] + RNG.random((40, 7, 7))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with annotations, good and bad predictions, and a training list."""
    write_vggss_json(tmp_path / "vggss.json", ENTRIES)
    write_predictions(tmp_path / "good.npz", IDS, MAPS, object_map=PRIORS)
    write_predictions(tmp_path / "bad.npz", IDS, RNG.random((40, 14, 14), dtype=np.float32))
    write_predictions(tmp_path / "half.npz", IDS[:20], MAPS[:20])
    (tmp_path / "train.txt").write_text("".join(f"{one}\n" for one in [*IDS[:3], "other_000001"]))
    (tmp_path / "part.txt").write_text("".join(f"{one}\n" for one in IDS[:10]))
    return tmp_path


def score(invoke: Invoke, folder: Path, *more: str | Path, of: str = "good.npz") -> dict[str, Any]:
    """Run the command with ``--json -`` and return the object."""
    line = ["benchmark", "--predictions", folder / of, "--annotations", folder / "vggss.json"]
    result = invoke(*line, *more, "--json", "-")
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_all_protocols_in_one_call(folder: Path, invoke: Invoke) -> None:
    """`--protocol all` is every protocol, each with what the contract says of a result."""
    value = score(invoke, folder, "--protocol", "all")
    assert [one["protocol"] for one in value["results"]] == list(PROTOCOLS)
    for one in value["results"]:
        keys = ("ci95", "ceiling", "bounds", "by_area", "by_boxes", "by_class", "extra")
        assert all(key in one for key in keys)
        assert one["leakage"] is None
        low, high = one["ci95"]["auc"]
        assert low <= one["auc"] <= high
        assert sum(group["n"] for group in one["by_area"].values()) == one["n_scored"]
        assert sum(group["n"] for group in one["by_boxes"].values()) == one["n_scored"]
        assert one["ciou"] == pytest.approx(
            sum(group["n"] * group["ciou"] for group in one["by_class"].values()) / 40
        )
    sweep = next(one for one in value["results"] if one["protocol"] == "acl")["extra"]
    assert len(sweep["sweep"]) == 19
    assert max(one["ciou"] for one in sweep["sweep"]) == next(
        one["ciou"] for one in value["results"] if one["protocol"] == "acl"
    )


def test_a_pass_for_all_scores_as_one_for_each(folder: Path, invoke: Invoke) -> None:
    """What protocols share in one pass does not change what each of them says."""
    together = score(invoke, folder, "--protocol", "all")["results"]
    for result in together:
        alone = score(invoke, folder, "--protocol", result["protocol"])["results"][0]
        assert alone["per_clip"] == result["per_clip"]
        assert alone["baselines"] == result["baselines"]


def test_an_object_prior_is_mixed_in_by_its_formula(folder: Path, invoke: Invoke) -> None:
    """A * norm(map) + (1 - A) * norm(prior), normalised again; with A = 1 the map alone."""
    found = score(invoke, folder, "--protocol", "ezvsl", "--ogl", "0.4")["results"][0]
    assert found["ogl"] == 0.4
    for i, name in enumerate(IDS):
        ours, prior = (
            metrics.min_max(PROTOCOLS["ezvsl"].guided(one, one, 1.0))
            for one in (MAPS[i], PRIORS[i])
        )
        mixed = metrics.min_max(0.4 * ours + 0.6 * prior)
        predicted = EZVSL.predict(mixed.astype(np.float32))
        truth = box_mask(ENTRIES[i].boxes)
        assert found["per_clip"][name] == pytest.approx(
            float(metrics.ciou(truth, predicted)), abs=3e-4
        )
    alone = score(invoke, folder, "--protocol", "lvs")["results"][0]
    map_only = score(invoke, folder, "--protocol", "lvs", "--ogl", "1")["results"][0]
    assert map_only["ciou"] == alone["ciou"]


def test_without_ogl_the_prior_is_unused(folder: Path, invoke: Invoke) -> None:
    """The same maps with and without object maps score the same."""
    write_predictions(folder / "plain.npz", IDS, MAPS)
    with_prior, plain = score(invoke, folder), score(invoke, folder, of="plain.npz")
    assert with_prior["results"] == plain["results"]


def test_ogl_without_object_maps_is_refused(folder: Path, invoke: Invoke) -> None:
    """One line says what is missing and how it is written."""
    line = ["benchmark", "--predictions", folder / "bad.npz", "--annotations"]
    result = invoke(*line, folder / "vggss.json", "--ogl", "0.4")
    assert result.exit_code == 6
    assert "object_map" in result.stderr
    for wrong in ("1.5", "nan", "-1"):
        assert invoke(*line, folder / "vggss.json", "--ogl", wrong).exit_code == 2


def test_a_subset_is_scored_and_named(folder: Path, invoke: Invoke) -> None:
    """A list of clips or a class narrows the test set down, and the result says so."""
    part = score(invoke, folder, "--subset", folder / "part.txt")["results"][0]
    assert part["n_total"] == 10
    assert part["annotations"]["subset"] == ["file:part.txt"]
    assert set(part["per_clip"]) == set(IDS[:10])
    owls = score(invoke, folder, "--subset", "class:owl hooting")["results"][0]
    assert list(owls["by_class"]) == ["owl hooting"]
    both = score(invoke, folder, "--subset", folder / "part.txt", "--subset", "class:owl hooting")[
        "results"
    ][0]
    assert both["n_total"] == 3
    wrong = invoke(
        *["benchmark", "--predictions", folder / "good.npz", "--annotations"],
        *[folder / "vggss.json", "--subset", "nonsense"],
    )
    assert wrong.exit_code != 0
    assert "nonsense" in wrong.stderr


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("good.npz", ["--per-clip", "good.npz"]),
        ("vggss.json", ["--json", "vggss.json"]),
        ("train.txt", ["--train-list", "train.txt", "--missing", "train.txt"]),
        ("part.txt", ["--subset", "part.txt", "--missing", "part.txt"]),
        ("part.txt", ["--subset", "not:part.txt", "--missing", "./part.txt"]),
        ("mine.yaml", ["--protocol", "mine.yaml", "--json", "mine.yaml"]),
        ("silent.json", ["--json", "silent.json"]),
        ("link.json", ["--json", "link.json"]),
        ("out", ["--json", "out", "--per-clip", "out"]),
    ],
)
def test_nothing_is_written_over_an_input_or_another_output(
    folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, output: str, options: list[str]
) -> None:
    """One line names the file, and its bytes stay."""
    monkeypatch.chdir(folder)
    write_vggss_json(folder / "silent.json", ENTRIES)
    (folder / "link.json").symlink_to("vggss.json")
    (folder / "mine.yaml").write_text(
        "name: mine\nresize: opencv-linear\nnormalise: min-max\n"
        'threshold: {kind: sweep, thresholds: [0.2, 0.5]}\nsuccess: ">="\n'
    )
    path = folder / output
    before = path.read_bytes() if path.exists() else None
    refused = invoke(
        "benchmark", "--predictions", "good.npz", "--annotations", "vggss.json", *options
    )
    assert refused.exit_code == 6, refused.output
    assert output in refused.stderr
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_folder_of_maps_is_not_written_into(folder: Path, invoke: Invoke) -> None:
    """Its index is an input; a result beside its maps is not."""
    maps = folder / "maps"
    maps.mkdir()
    np.save(maps / "map-00000.npy", MAPS)
    pq.write_table(pa.table({"clip_id": IDS}), maps / "index.parquet")
    line = ["benchmark", "--predictions", maps, "--annotations", folder / "vggss.json"]
    for _ in range(2):
        assert invoke(*line, "--json", maps / "scores.json").exit_code == 0
    refused = invoke(*line, "--per-clip", maps / "index.parquet")
    assert refused.exit_code == 6
    assert pq.read_table(maps / "index.parquet").column_names == ["clip_id"]


def test_bare_errata_is_apply(folder: Path, invoke: Invoke) -> None:
    """`--errata` alone, before another option too, leaves out what the errata name."""
    for more in (["--errata"], ["--errata", "apply"]):
        assert score(invoke, folder, *more)["results"][0]["annotations"]["errata"] == "applied"
    kept = score(invoke, folder, "--errata", "keep", "--protocol", "vggss")["results"][0]
    assert kept["annotations"]["errata"] == "kept"


def test_options_of_a_model_are_refused_without_one(folder: Path, invoke: Invoke) -> None:
    """What would do nothing is a usage error."""
    line = ["benchmark", "--predictions", folder / "good.npz", "--annotations"]
    for option in (
        ["--twin", "online"],
        ["--allow-partial"],
        ["--object-weights", "x.pth"],
        ["--device", "cpu"],
    ):
        refused = invoke(*line, folder / "vggss.json", *option)
        assert refused.exit_code == 2
        assert f"{option[0]} is about --model" in refused.stderr


def test_a_sweep_of_ones_own_says_how_its_threshold_was_chosen(
    folder: Path, invoke: Invoke
) -> None:
    """The warning goes with the kind of threshold, whatever the family."""
    own = folder / "mine.yaml"
    own.write_text(
        "name: mine\nresize: opencv-linear\nnormalise: min-max\n"
        'threshold: {kind: sweep, thresholds: [0.2, 0.5]}\nsuccess: ">="\n'
    )
    result = score(invoke, folder, "--protocol", own)["results"][0]
    assert any("chosen on the test set" in warning for warning in result["warnings"])


def test_constant_maps_are_not_counted_as_tied(folder: Path, invoke: Invoke) -> None:
    """Each map is warned of once."""
    maps = MAPS.copy()
    maps[:3] = 0.5
    maps[3, 4:] = maps[3].min()
    write_predictions(folder / "odd.npz", IDS, maps)
    warnings = score(invoke, folder, "--protocol", "lvs", of="odd.npz")["results"][0]["warnings"]
    assert any(one.startswith("3 map(s) are constant") for one in warnings)
    assert any(one.startswith("1 map(s) have more than half") for one in warnings)


def test_pixels_for_fractions_are_refused(folder: Path, invoke: Invoke) -> None:
    """Annotations of which no box covers a pixel are no test set."""
    pixels = [
        type(e)(e.file, e.label, tuple((10.0 + b[0], 20.0, 100.0, 200.0) for b in e.boxes))
        for e in ENTRIES
    ]
    write_vggss_json(folder / "pixels.json", pixels)
    line = ["benchmark", "--predictions", folder / "good.npz", "--annotations"]
    refused = invoke(*line, folder / "pixels.json")
    assert refused.exit_code == 6
    assert "no box covers a pixel" in refused.stderr


def test_missing_clips_bound_the_score(folder: Path, invoke: Invoke) -> None:
    """The bounds are the score with all missing clips wrong and all right; the ids are written."""
    out = folder / "missing.txt"
    found = score(invoke, folder, "--missing", out, "--protocol", "lvs", of="half.npz")
    result = found["results"][0]
    assert out.read_text().split() == result["missing"] == sorted(IDS[20:])
    hits = result["ciou"] * 20
    assert result["bounds"]["ciou"] == pytest.approx([hits / 40, (hits + 20) / 40])
    whole = score(invoke, folder, "--protocol", "lvs")["results"][0]
    low, high = result["bounds"]["ciou"]
    assert low <= whole["ciou"] <= high
    low, high = result["bounds"]["auc"]
    assert low <= whole["auc"] <= high


def test_leaks_are_counted(folder: Path, invoke: Invoke) -> None:
    """The training list's test clips are counted in every result, with a warning."""
    found = score(invoke, folder, "--train-list", folder / "train.txt")
    for result in found["results"]:
        assert result["leakage"]["schema"] == "vggss-leakage/1"
        assert result["leakage"]["n_leaked"] == 3
        assert result["leakage"]["n_list"] == 4
        assert any("3 of 40 test clips are in the training list" in w for w in result["warnings"])


def test_runs_are_compared_clip_by_clip(folder: Path, invoke: Invoke) -> None:
    """A better run holds against noise, and no run against itself."""
    score(invoke, folder, of="bad.npz")
    for name in ("good", "bad"):
        line = ["benchmark", "--predictions", folder / f"{name}.npz", "--annotations"]
        assert (
            invoke(*line, folder / "vggss.json", "--json", folder / f"{name}.json").exit_code == 0
        )
    found = score(
        invoke, folder, "--compare", folder / "bad.json", "--compare", folder / "good.json"
    )["comparisons"]
    assert [(one["other"], one["protocol"]) for one in found] == [
        ("bad.json", "paper"),
        ("bad.json", "lvs"),
        ("good.json", "paper"),
        ("good.json", "lvs"),
    ]
    for one in found:
        better = one["other"] == "bad.json"
        assert one["n_common"] == 40
        assert one["auc"]["holds"] is better
        assert (one["auc"]["difference"] > 0) is better
        assert one["auc"]["ours"] - one["auc"]["theirs"] == pytest.approx(one["auc"]["difference"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other/1"}, "not a benchmark result"),
        ({"results": []}, "holds no results"),
        ({"sha256": "0" * 64}, "scored against other annotations"),
        ({"per_clip": {}}, "no clips' scores"),
        ({"per_clip": {"a_000001": 0.5}}, "no clip in common"),
        ({"per_clip": {IDS[0]: "x"}}, "'per_clip' is not as"),
        ({"per_clip": {IDS[0]: 7}}, "'per_clip' is not as"),
        ({"protocol": "sspl"}, "none of these is asked for"),
        ({"ogl": 0.4}, "scored with --ogl 0.4, here without --ogl"),
        ({"rules": {"threshold": "another"}}, "its lvs is another rule (threshold another, here"),
    ],
)
def test_a_run_that_cannot_be_compared_is_refused(
    folder: Path, invoke: Invoke, change: dict[str, Any], message: str
) -> None:
    """One line names the other run's file, the cause and the remedy."""
    value = score(invoke, folder, "--protocol", "lvs")
    result = value["results"][0]
    for key, new in change.items():
        if key in value:
            value[key] = new
        elif key == "sha256":
            result["annotations"]["sha256"] = new
        elif key == "rules":
            result["rules"] |= new
        else:
            result[key] = new
    other = folder / "other.json"
    other.write_text(json.dumps(value))
    line = ["benchmark", "--predictions", folder / "good.npz", "--annotations"]
    refused = invoke(
        *line, folder / "vggss.json", "--protocol", "lvs", "--compare", other, "--json", "-"
    )
    assert refused.exit_code == 6
    assert message in refused.stderr
    assert "other.json" in refused.stderr
    assert "Traceback" not in refused.output
    assert refused.stdout == ""


def test_other_sounds_say_whether_the_map_listens(folder: Path, invoke: Invoke) -> None:
    """Rows with silence are not scored; a model that gives the same map for them is deaf."""
    ids = [*IDS, *IDS]
    sounds = [*IDS, *["silence"] * 40]
    moved = np.concatenate([MAPS, MAPS[:, ::-1]])
    for name, maps in (("deaf", np.concatenate([MAPS, MAPS])), ("hears", moved)):
        write_predictions(folder / f"{name}.npz", ids, maps, image_id=ids, audio_id=sounds)
    deaf, hears = (score(invoke, folder, of=f"{name}.npz") for name in ("deaf", "hears"))
    assert deaf["dependence"]["deaf"] is True
    assert deaf["dependence"]["silence"]["moved_mask"] == 0
    assert hears["dependence"]["deaf"] is False
    assert hears["dependence"]["silence"]["n"] == 40
    assert hears["dependence"]["silence"]["moved_mask"] > 0.1
    own = score(invoke, folder)
    assert hears["results"][0]["per_clip"] == own["results"][0]["per_clip"]
    assert (
        "DEAF"
        in invoke(
            *["benchmark", "--predictions", folder / "deaf.npz"],
            *["--annotations", folder / "vggss.json"],
        ).stdout
    )


def test_negatives_add_detection_scores(folder: Path, invoke: Invoke) -> None:
    """Pictures with sounds that are not in them add AP, max-F1 and LocAcc; cIoU stays."""
    csv = folder / "negatives.csv"
    pairs = [(IDS[i], IDS[i + 1]) for i in range(10)]
    csv.write_text("video,audio,label\n" + "".join(f"{a},{b},non-sounding\n" for a, b in pairs))
    images, sounds = [*IDS, *(a for a, _ in pairs)], [*IDS, *(b for _, b in pairs)]
    write_predictions(
        folder / "extended.npz",
        images,
        np.concatenate([MAPS, RNG.random((10, 14, 14), dtype=np.float32)]),
        image_id=images,
        audio_id=sounds,
        confidence=np.concatenate([np.ones(40), np.zeros(10)]),
    )
    found = score(invoke, folder, "--negatives", csv, "--protocol", "lvs", of="extended.npz")[
        "results"
    ][0]
    own = score(invoke, folder, "--protocol", "lvs")["results"][0]
    assert (found["ciou"], found["n_total"]) == (own["ciou"], 40)
    assert found["extra"]["loc_acc"] == own["ciou"]
    assert found["extra"]["n_negative"] == 10
    # Every negative is below every positive, so that none of them costs anything.
    assert found["extra"]["ap_exact"] == pytest.approx(own["ciou"])
    assert {"ap", "max_f1", "loc_acc"} <= set(found["extra"])


@pytest.mark.parametrize("n_given", [0, 6])
def test_negatives_without_a_map_are_missing(folder: Path, invoke: Invoke, n_given: int) -> None:
    """They are warned of, listed and an exit 6; without any, AP and max-F1 are null."""
    csv = folder / "negatives.csv"
    pairs = [(IDS[i], IDS[i + 1]) for i in range(10)]
    csv.write_text("video,audio,label\n" + "".join(f"{a},{b},non-sounding\n" for a, b in pairs))
    images = [*IDS, *(a for a, _ in pairs[:n_given])]
    write_predictions(
        folder / "some.npz",
        images,
        np.concatenate([MAPS, RNG.random((n_given, 14, 14), dtype=np.float32)]),
        image_id=images,
        audio_id=[*IDS, *(b for _, b in pairs[:n_given])],
    )
    value = score(invoke, folder, "--negatives", csv, "--protocol", "lvs", of="some.npz")
    found = value["results"][0]
    assert (found["n_scored"], found["n_total"], len(found["missing"])) == (40, 40, 10 - n_given)
    assert found["extra"]["n_negative_missing"] == 10 - n_given
    assert (found["extra"]["ap"] is None) is (found["extra"]["max_f1"] is None) is (n_given == 0)
    assert any(f"{10 - n_given} of 10 negatives have no map" in w for w in found["warnings"])
    assert f"incomplete, {40 + n_given} of 50 clips" in place(found).test_set
    line = ["benchmark", "--predictions", folder / "some.npz", "--annotations"]
    failed = invoke(*line, folder / "vggss.json", "--negatives", csv, "--fail-if-missing")
    assert failed.exit_code == 6
    assert found["missing"][0] in failed.stderr
    assert ("AP none" in failed.stdout) is (n_given == 0)


def test_errata_can_be_kept_or_applied(
    reference_data: Path, tmp_path: Path, invoke: Invoke
) -> None:
    """The two clips without a box are left out under `vggss`, or wherever that is asked for."""
    published = reference_data / "vggss" / "vggss.json"
    ids = [entry["file"] for entry in json.loads(published.read_text())]
    write_predictions(tmp_path / "maps.npz", ids, RNG.random((len(ids), 7, 7), dtype=np.float32))

    def totals(*more: str) -> list[tuple[int, str]]:
        line = ["benchmark", "--predictions", tmp_path / "maps.npz", "--annotations", published]
        done = invoke(*line, "--protocol", "lvs", "--protocol", "vggss", *more, "--json", "-")
        results = json.loads(done.stdout)["results"]
        return [(one["n_total"], one["annotations"]["errata"]) for one in results]

    assert totals() == [(5158, "kept"), (5156, "applied")]
    assert totals("--errata", "apply") == [(5156, "applied"), (5156, "applied")]
    assert totals("--errata", "keep") == [(5158, "kept"), (5158, "kept")]


def test_the_published_facts(reference_data: Path, tmp_path: Path, invoke: Invoke) -> None:
    """A centred disc scores 33.95 / 37.43 on VGG-SS, the whole frame 21.95 / 31.25."""
    published = reference_data / "vggss" / "vggss.json"
    ids = [entry["file"] for entry in json.loads(published.read_text())]
    offset = np.arange(224) - 111.5
    disc = -np.hypot(offset[:, None], offset[None, :]).astype(np.float16)
    write_predictions(tmp_path / "disc.npz", ids, np.broadcast_to(disc, (len(ids), 224, 224)))
    line = ["benchmark", "--predictions", tmp_path / "disc.npz", "--annotations", published]
    result = json.loads(invoke(*line, "--protocol", "lvs", "--json", "-").stdout)["results"][0]

    def both(one: dict[str, float]) -> tuple[float, float]:
        return round(100 * one["ciou"], 2), round(100 * one["auc"], 2)

    assert both(result) == (33.95, 37.43)
    assert both(result["baselines"]["ones"]) == (21.95, 31.25)
    assert both(result["ceiling"]) == (50.48, 49.47)


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_the_result_is_printed_in_the_form_that_is_asked_for(
    folder: Path, invoke: Invoke, form: str
) -> None:
    """Each form names protocol, annotations and coverage beside the score."""
    line = ["benchmark", "--predictions", folder / "good.npz"]
    done = invoke(*line, "--annotations", folder / "vggss.json", "--format", form)
    assert done.exit_code == 0, done.output
    truth = np.stack([box_mask(entry.boxes) for entry in ENTRIES])
    predicted = np.stack([LVS.predict(one) for one in MAPS])
    expected = metrics.success_rate(metrics.ciou(truth, predicted), strict=False)
    assert f"{100 * expected:.2f}" in done.stdout
    for said in ("lvs", "paper", "vggss.json", "40"):
        assert said in done.stdout.replace("\\_", "_")
