"""Several runs on one page: side by side, compared, and never two test sets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from report.html_page import parse
from report.report_case import Case

from vggss_tools.evaluate.compare import compare_results
from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.report.runs import distinct_names

Invoke = Callable[..., Result]


@pytest.fixture
def two(case: Case, invoke: Invoke) -> Case:
    """A second run: other maps of all nine clips."""
    maps = np.random.default_rng(1).random((9, 7, 7)).astype(np.float32)
    write_predictions(case.folder / "other.npz", case.names, maps)
    case.score(invoke, "other.npz", "other.json")
    return case


def page_of(case: Case, invoke: Invoke, *options: str | Path) -> str:
    """The page of both runs, made with their maps."""
    out = case.folder / "two.html"
    # fmt: off
    result = invoke(
        "report", "--data", case.workspace.root, "--annotations", case.folder / "vggss.json",
        "--benchmark", case.folder / "scores.json", "--benchmark", case.folder / "other.json",
        "--out", out, *options,
    )
    # fmt: on
    assert result.exit_code == 0, result.output
    return out.read_text(encoding="utf-8")


def maps_of(case: Case, *names: str) -> list[str | Path]:
    options: list[str | Path] = []
    for name in names:
        options += ["--predictions", case.folder / name]
    return options


def test_each_run_has_its_row_and_curve(two: Case, invoke: Invoke) -> None:
    """One table a protocol, a row and a curve a run, and the scores of both."""
    html = page_of(two, invoke)
    page = parse(html)
    assert page.count("tr", class_="run") == 2 * 2
    assert page.count("polyline", class_="series s-run0") == 2
    assert page.count("polyline", class_="series s-run1") == 2
    for name in ("scores.json", "other.json"):
        for result in json.loads((two.folder / name).read_text())["results"]:
            assert f"{100 * result['ciou']:.2f}" in page.text
    assert "clips of other.npz" in page.text  # 9 clips there, 8 here: their baselines differ
    assert "maps.npz: 1 of 9 annotated clips have no map" in page.text


def test_differences_are_those_of_the_benchmark(two: Case, invoke: Invoke) -> None:
    """The paired difference of each protocol, over the clips that both runs have."""
    page = parse(page_of(two, invoke))
    ours, theirs = (
        json.loads((two.folder / name).read_text()) for name in ("scores.json", "other.json")
    )
    compared = compare_results(ours, theirs, "other.npz")
    assert len(compared) == 2
    for comparison in compared:
        assert comparison["n_common"] == 8
        low, high = comparison["ciou"]["ci95"]
        assert f"{100 * comparison['ciou']['difference']:+.2f}" in page.text
        assert f"{100 * low:+.2f} to {100 * high:+.2f}" in page.text
    assert page.text.count("against") == 2


def test_comparison_in_a_result_is_shown_once(two: Case, invoke: Invoke) -> None:
    """What `benchmark --compare` wrote is shown, but not beside the same two runs themselves."""
    two.score(invoke, "other.npz", "other.json", "--compare", two.folder / "scores.json")
    assert parse(page_of(two, invoke)).text.count("against") == 2
    out = two.folder / "one.html"
    assert invoke("report", "--benchmark", two.folder / "other.json", "--out", out).exit_code == 0
    page = parse(out.read_text(encoding="utf-8"))
    assert page.text.count("against") == 2
    assert "scores.json" in page.text


def test_a_panel_a_run(two: Case, invoke: Invoke) -> None:
    """Clips with the frame once, and heat map and tri-map of each run; both runs' cIoU."""
    html = page_of(two, invoke, *maps_of(two, "maps.npz", "other.npz"))
    page = parse(html)
    assert page.count("article", class_="example") == 8  # those of which both runs have a map
    assert page.count("img") == 8 * (1 + 2 + 2)
    assert "maps.npz: heat map" in page.text
    assert "other.npz: tri-map" in page.text
    assert "the cIoU of the runs lie farthest apart" in page.text


def test_maps_find_their_run(two: Case, invoke: Invoke) -> None:
    """Files of maps are known by their checksum, in whatever order they come."""
    one_way = page_of(two, invoke, *maps_of(two, "maps.npz", "other.npz"))
    assert page_of(two, invoke, *maps_of(two, "other.npz", "maps.npz")) == one_way


def test_maps_of_one_run_are_enough(two: Case, invoke: Invoke) -> None:
    """Clips are then drawn with that run's maps only."""
    page = parse(page_of(two, invoke, *maps_of(two, "other.npz")))
    assert page.count("article", class_="example") > 0
    assert "other.npz: heat map" in page.text
    assert "maps.npz: heat map" not in page.text


def test_labels_name_the_runs(two: Case, invoke: Invoke) -> None:
    """--label is used for each result in its order, and escaped."""
    page = parse(page_of(two, invoke, "--label", "first <i>", "--label", "second"))
    assert "first <i>" in page.text
    assert page.count("i", class_="") == 0
    assert "other.npz: " not in page.text


def test_equal_names_are_told_apart() -> None:
    """By the result's file, else by its folder, else by a number."""
    same = {"predictions": {"name": "maps.npz"}}
    paths = [Path("a/one.json"), Path("a/two.json")]
    assert distinct_names([same, same], paths) == ["maps.npz (one)", "maps.npz (two)"]
    paths = [Path("a/scores.json"), Path("b/scores.json")]
    assert distinct_names([same, same], paths) == ["maps.npz (a)", "maps.npz (b)"]
    paths = [Path("a/scores.json")] * 2
    assert distinct_names([same, same], paths) == ["maps.npz (1)", "maps.npz (2)"]
    assert distinct_names([same, {}], paths) == ["maps.npz", "model"]


def test_runs_under_other_rules_are_refused(two: Case, invoke: Invoke) -> None:
    """A name that means two rules never heads one table."""
    path = two.folder / "other.json"
    changed = json.loads(path.read_text())
    changed["results"][0]["rules"]["threshold"] = "another"
    path.write_text(json.dumps(changed))
    # fmt: off
    result = invoke(
        "report", "--benchmark", two.folder / "scores.json", "--benchmark", path,
        "--out", two.folder / "none.html",
    )
    # fmt: on
    assert result.exit_code == 6
    assert "another rule" in result.stderr
    assert not (two.folder / "none.html").exists()


def test_weights_of_object_priors_are_in_the_names() -> None:
    """Where runs differ in them, and no label says what they are."""
    plain = {"predictions": {"name": "maps.npz"}, "results": [{"ogl": None}]}
    guided = {**plain, "results": [{"ogl": 0.4}]}
    paths = [Path("one.json"), Path("two.json")]
    assert distinct_names([plain, guided], paths) == ["maps.npz, without OGL", "maps.npz, OGL 0.4"]
    assert distinct_names([guided, guided], paths) == ["maps.npz (one)", "maps.npz (two)"]
    assert distinct_names([plain, guided], paths, ["a", "b"]) == ["a", "b"]


def test_runs_over_other_boxes_are_refused(two: Case, invoke: Invoke) -> None:
    """Two test sets, or two subsets of one, never stand in one table."""
    path = two.folder / "other.json"
    scores = json.loads(path.read_text())
    for key, value, said in (
        ("sha256", "1" * 64, "scored against another annotation"),
        ("subset", ["area:small"], "scored against another subset"),
    ):
        changed = json.loads(json.dumps(scores))
        for result in changed["results"]:
            result["annotations"][key] = value
        path.write_text(json.dumps(changed))
        # fmt: off
        result = invoke(
            "report", "--benchmark", two.folder / "scores.json", "--benchmark", path,
            "--out", two.folder / "none.html",
        )
        # fmt: on
        assert result.exit_code == 6
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (two.folder / "none.html").exists()


@pytest.mark.parametrize("option", ["--label", "--per-clip"])
def test_as_many_as_results(two: Case, invoke: Invoke, option: str) -> None:
    """What is given for each result is given for all of them."""
    # fmt: off
    result = invoke(
        "report", "--benchmark", two.folder / "scores.json", "--benchmark",
        two.folder / "other.json", option, "clips.parquet", "--out", two.folder / "none.html",
    )
    # fmt: on
    assert result.exit_code == 6
    assert f"{option}: given 1 time(s) for 2 result(s)" in result.stderr


def test_results_without_clips_cannot_be_paired(two: Case, invoke: Invoke) -> None:
    """An older result is shown beside a newer one, and why nothing is compared is said."""
    path = two.folder / "other.json"
    scores = json.loads(path.read_text())
    for result in scores["results"]:
        for key in ("per_clip", "family", "bounds", "by_area", "by_boxes", "leakage", "extra"):
            del result[key]
    path.write_text(json.dumps(scores))
    page = parse(page_of(two, invoke))
    assert "Not compared: maps.npz and other.npz, lvs: a result without" in page.text
    assert re.search(r"family: median", page.text)


def test_a_single_name_in_a_settings_file(case: Case, invoke: Invoke) -> None:
    """A repeatable option takes a word there, not its letters."""
    (case.workspace.root / "vggss.toml").write_text('[report]\nlabel = "my run"\n')
    out = case.folder / "named.html"
    assert invoke("report", *case.inputs, "--out", out).exit_code == 0
    assert "my run" in parse(out.read_text(encoding="utf-8")).text
