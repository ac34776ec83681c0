"""`vggss report`: one self-contained page with every number of the benchmark."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from report.html_page import parse
from report.report_case import NASTY, Case

from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.report.page import render
from vggss_tools.report.runs import Run

Invoke = Callable[..., Result]


def shares(value: object, key: str = "") -> Iterator[float]:
    """Every score in a result; positions on the curve's axis are not scores."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "per_clip":  # 5,158 numbers have no place on a page
                yield from shares(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from shares(inner, key)
    elif isinstance(value, float) and key not in ("t", "skill"):
        yield value


def test_page_is_well_formed(html: str) -> None:
    """Every element is closed, and the page has a title and a language."""
    page = parse(html)
    assert page.count("html", lang="en") == 1
    assert page.count("title") >= 1
    assert html.startswith("<!doctype html>")


def test_page_loads_nothing(html: str) -> None:
    """Every address is `data:` or a place on the page, so it is safe to send and to keep."""
    page = parse(html)
    assert page.count("link") == page.count("iframe") == page.count("base") == 0
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "action", "xlink:href"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert styles
    assert not any("url(" in style or "@import" in style for style in styles)
    assert "://" not in re.sub(r"data:[a-z/]+;base64,[^\"]+", "", html)


def test_page_forbids_itself_all_else(html: str) -> None:
    """Its policy lets no request out, and no script run but the one that stands there."""
    page = parse(html)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "media-src data:;" in policy
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r"fetch|XMLHttp|WebSocket|import\(|eval|localStorage|cookie", script)


def test_page_has_every_number(html: str, case: Case) -> None:
    """Scores of every protocol, baseline, class and curve point, and what they were scored from."""
    text = parse(html).text
    scores = case.scores
    for result in scores["results"]:
        assert result["protocol"] in text
        for share in shares(result):
            assert f"{100 * share:.2f}" in text
        assert f"{result['skill']:.3f}" in text
        assert f"{result['n_scored']} of {result['n_total']}" in text
        assert result["rules"]["source"] in text
    assert f"recall {100 * scores['proposals']['recall']:.2f}%" in text
    assert scores["results"][0]["annotations"]["sha256"] in text
    assert scores["predictions"]["sha256"] in text
    assert scores["environment"]["numpy"] in text


def test_page_says_what_qualifies_the_scores(html: str, case: Case) -> None:
    """Stand-in annotations, missing clips and warnings are told, not hidden."""
    text = parse(html).text
    assert "The boxes are a stand-in." in text
    assert "1 of 9 annotated clips have no map" in text
    assert case.names[0] in text
    assert "none was picked by hand" in text


def test_markup_in_names_is_escaped(html: str) -> None:
    """A class may be called what it likes."""
    assert NASTY not in html
    page = parse(html)
    assert page.text.count(NASTY) >= 2
    assert page.count("script") == 1


def test_frames_carry_their_boxes(html: str) -> None:
    """Four pictures a clip, with truth, proposals and the silent object's box."""
    page = parse(html)
    assert page.count("article", class_="example") == 8
    assert page.count("img") == 4 * 8
    in_legend = 1
    assert page.count("rect", class_="truth") == 4 * 8 + in_legend
    assert page.count("rect", class_="candidate") == 8 + in_legend
    assert page.count("rect", class_="other") == 8 + in_legend
    assert page.count("rect", class_="heard") == 8 + in_legend
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")


def test_same_inputs_same_bytes(html: str, case: Case, invoke: Invoke) -> None:
    """The page holds no time and no path."""
    again = case.folder / "elsewhere" / "again.html"
    assert invoke("report", *case.inputs, "--out", again).exit_code == 0
    assert again.read_text(encoding="utf-8") == html
    assert str(case.folder) not in html


def test_title_and_number_of_examples(case: Case, invoke: Invoke) -> None:
    """--title is escaped; --examples chooses from the best to the worst."""
    out = case.folder / "few.html"
    arguments = ["report", *case.inputs, "--out", out, "--examples", 3, "--title", "A <i> & B"]
    assert invoke(*arguments).exit_code == 0
    page = parse(out.read_text(encoding="utf-8"))
    assert page.text.count("A <i> & B") == 2
    assert page.count("i", class_="") == 0
    assert page.count("article", class_="example") == 3
    found = [float(s) for s in re.findall(r"cIoU ([\d.]+) paper", page.text)]
    assert found == sorted(found, reverse=True)


def test_benchmark_alone_is_enough(case: Case, invoke: Invoke) -> None:
    """Without maps there is the page, and it says why it has no frames."""
    out = case.folder / "bare.html"
    result = invoke("report", "--benchmark", case.folder / "scores.json", "--out", out)
    assert result.exit_code == 0, result.output
    page = parse(out.read_text(encoding="utf-8"))
    assert page.count("img") == 0
    assert "No frames are shown: the page was made without --predictions" in page.text
    assert "No clips are shown: the page was made without --predictions and" in result.stderr
    assert " KB, 0 clip(s) shown" in result.stderr


def test_maps_without_annotations_are_said(case: Case, invoke: Invoke) -> None:
    """Page and stderr say what is lacking for frames."""
    out = case.folder / "bare.html"
    result = invoke(
        *("report", "--benchmark", case.folder / "scores.json", "--out", out),
        *("--predictions", case.folder / "maps.npz"),
    )
    assert "No clips are shown: the page was made without --annotations" in result.stderr
    assert "made without --annotations" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["scores.json", "maps.npz", "vggss.json", "silent.json"])
def test_a_page_is_never_written_over_an_input(case: Case, invoke: Invoke, name: str) -> None:
    """One line names the file, and its bytes stay."""
    before = (case.folder / name).read_bytes()
    result = invoke("report", *case.inputs, "--out", case.folder / name)
    assert result.exit_code == 6
    assert "is read as" in result.stderr
    assert (case.folder / name).read_bytes() == before


def test_an_extended_result_needs_its_negatives(case: Case, invoke: Invoke) -> None:
    """The line says which option is lacking, not that the boxes are others."""
    path = case.folder / "scores.json"
    scores = case.scores
    for one in scores["results"]:
        one["annotations"] |= {"name": "world-extended", "sha256": "0" * 64}
    path.write_text(json.dumps(scores))
    result = invoke("report", *case.inputs, "--out", case.folder / "none.html")
    assert result.exit_code == 6
    assert "--negatives FILE.csv" in result.stderr


def test_least_result_that_the_format_allows() -> None:
    """A result of another tool, with the required keys only, gives a page."""
    score = {"ciou": 0.25, "auc": 0.5}
    result = {
        "protocol": "own",
        **score,
        "n_scored": 1,
        "n_total": 1,
        "missing": [],
        "annotations": {"name": "mine", "sha256": "0" * 64},
        "baselines": {"coin": {"ciou": 0.125, "auc": 0.0625}},
        "ceiling": {"ciou": 1, "auc": 1},
    }
    page = parse(render([Run("mine", {"schema": "vggss-benchmark/1", "results": [result]})]))
    assert "coin" in page.text
    for number in ("25.00", "50.00", "12.50", "6.25", "100.00"):
        assert number in page.text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not a benchmark result"),
        ('{"schema": "vggss-train/1"}', "not a benchmark result"),
        ('{"schema": "vggss-benchmark/1", "results": []}', "holds no results"),
        ('{"schema": "vggss-benchmark/1", "results": [{}]}', "result 0: no 'protocol'"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, invoke: Invoke, content: str, complaint: str
) -> None:
    """What is not a benchmark result is one line with exit code 6, and nothing is written."""
    path = tmp_path / "scores.json"
    path.write_text(content)
    result = invoke("report", "--benchmark", path, "--out", tmp_path / "report.html")
    assert result.exit_code == 6
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "report.html").exists()


def test_missing_file(tmp_path: Path, invoke: Invoke) -> None:
    """A benchmark that is not there is told with the command that makes it."""
    out = tmp_path / "report.html"
    result = invoke("report", "--benchmark", tmp_path / "none.json", "--out", out)
    assert result.exit_code == 1
    assert "no such file; make it with `vggss benchmark --json FILE`" in result.stderr


def test_an_unwritable_page_is_refused_before_the_work(case: Case, invoke: Invoke) -> None:
    """The page's place is looked at before the maps are read."""
    (case.folder / "maps.npz").unlink()
    out = case.folder / "scores.json" / "report.html"
    result = invoke("report", *case.inputs, "--out", out)
    assert result.exit_code == 1
    assert f"{out}: cannot be written" in result.stderr


def test_maps_of_a_model_are_compared_too(case: Case, invoke: Invoke) -> None:
    """Where a checkpoint was scored, other maps are refused with the way to get them right."""
    scores = json.loads((case.folder / "scores.json").read_text())
    scores["model"] = {"name": "checkpoint.pth", "sha256": "0" * 64}
    scores["predictions"]["sha256"] = "1" * 64
    (case.folder / "scores.json").write_text(json.dumps(scores))
    result = invoke("report", *case.inputs, "--out", case.folder / "report.html")
    assert result.exit_code == 6
    assert "write the maps with `vggss predict`" in result.stderr


def test_maps_that_were_not_scored_are_refused(case: Case, invoke: Invoke) -> None:
    """Frames of one model never stand under the scores of another."""
    maps = np.zeros((1, 7, 7), dtype=np.float32)
    write_predictions(case.folder / "maps.npz", case.names[:1], maps)
    result = invoke("report", *case.inputs, "--out", case.folder / "report.html")
    assert result.exit_code == 6
    assert "maps.npz: not the file that was scored" in result.stderr


def test_clips_without_an_extracted_frame(case: Case, invoke: Invoke) -> None:
    """Clips that are not extracted are not shown; without any the page says so."""
    for path in case.workspace.frame_path("x").parent.iterdir():
        path.unlink()
    out = case.folder / "report.html"
    assert invoke("report", *case.inputs, "--out", out).exit_code == 0
    assert "holds no extracted frame of a scored clip" in out.read_text(encoding="utf-8")
