"""`vggss leaderboard`: never two rules, boxes or sets of clips in one table."""

from __future__ import annotations

import copy
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.vggss_json import PUBLISHED_SHA256
from vggss_tools.cli import group
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.leaderboard import Leaderboard, Table, make_leaderboard, place, read_run
from vggss_tools.evaluate.leaderboard_text import FORMATS, format_leaderboard
from vggss_tools.evaluate.published import FAMILIES, published_results

RESULT: dict[str, Any] = {
    "protocol": "lvs",
    "family": "median",
    "ogl": None,
    "annotations": {
        "name": "vgg-ss",
        "sha256": PUBLISHED_SHA256,
        "stand_in": False,
        "errata": "kept",
        "subset": [],
    },
    "n_scored": 5158,
    "n_total": 5158,
    "ciou": 0.4,
    "auc": 0.395,
    "baselines": {"disc": {"ciou": 0.33, "auc": 0.37}},
    "ceiling": {"ciou": 0.5048, "auc": 0.4947},
    "leakage": {"list": "vggss_144k.txt", "n_leaked": 3709},
    "extra": {},
}


def result_with(**changed: Any) -> dict[str, Any]:
    """A good result with some keys changed; `annotations` is merged."""
    result = copy.deepcopy(RESULT)
    result["annotations"] |= changed.pop("annotations", {})
    return {**result, **changed}


def run_of(*results: dict[str, Any], name: str = "maps.npz") -> dict[str, Any]:
    return {
        "schema": "vggss-benchmark/1",
        "predictions": {"name": name},
        "results": list(results) or [RESULT],
    }


def table_of(board: Leaderboard, test_set: str, family: str, rule: str = "") -> Table:
    [found] = [
        table
        for table in board["tables"]
        if (table["test_set"], table["family"], table["rule"]) == (test_set, family, rule)
    ]
    return found


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["leaderboard", *map(str, arguments)], prog_name="vggss")


# --------------------------------------------------------------------------------------- tables


def test_every_published_row_is_in_one_table_of_its_family() -> None:
    """No row is lost, and a table never holds two families or two test sets."""
    board = make_leaderboard()
    assert sum(len(table["rows"]) for table in board["tables"]) == len(published_results())
    printed = {(row.test_set, row.method, row.source, row.note): row for row in published_results()}
    for table in board["tables"]:
        for row in table["rows"]:
            one = printed[table["test_set"], row["method"], row["source"], row["note"]]
            assert table["family"] == one.family
    keys = [(table["test_set"], table["family"], table["rule"]) for table in board["tables"]]
    assert len(set(keys)) == len(keys)


def test_rows_stand_by_their_score() -> None:
    """The best is first; the ACL numbers are not above the median's, but in another table."""
    board = make_leaderboard()
    for table in board["tables"]:
        key = "ap" if table["family"] == "extended" else "ciou"
        scores = [float(row[key]) for row in table["rows"] if row[key]]  # type: ignore[literal-required]
        assert scores == sorted(scores, reverse=True)
    methods = {row["method"] for row in table_of(board, "vgg-ss", "median")["rows"]}
    assert {"EZ-VSL", "FNAC", "SSL-TIE"} <= methods
    assert not {"ACL", "SouPLe", "SSPL (with PCM)"} & methods


def test_a_table_shows_what_no_model_scores() -> None:
    """Disc and ceiling stand in the table, so that 34 is not taken for localisation."""
    table = table_of(make_leaderboard(), "vgg-ss", "median")
    assert table["disc"] == [33.95, 37.43]
    assert table["ceiling"] == [50.48, 49.47]


def test_nothing_unverified_or_leaked_is_hidden() -> None:
    """Rows from memory are marked, unknown leaks differ from none."""
    rows = table_of(make_leaderboard(), "vgg-ss", "median")["rows"]
    by_method = {(row["method"], row["ogl"], row["training_set"]): row for row in rows}
    assert by_method["EZ-VSL", "0.4", "VGG-Sound 144k"]["leaked"] == 3709
    assert by_method["SSL-TIE", "none", "VGG-Sound 144k"]["leaked"] == 0
    assert by_method["MarginNCE", "none", "VGG-Sound 144k"]["leaked"] is None
    flags = by_method["SSL-TIE", "none", "VGG-Sound 144k"]["flags"]
    assert flags == ["unverified", "own list of clips"]


# ------------------------------------------------------------------------------------- placing


def test_a_complete_run_stands_beside_published_results() -> None:
    """A run on the published boxes is in its family's table, in its place, and nowhere else."""
    board = make_leaderboard([run_of()])
    where = [
        (table["test_set"], table["family"])
        for table in board["tables"]
        if any(row["new"] for row in table["rows"])
    ]
    assert where == [("vgg-ss", "median")]
    rows = table_of(board, "vgg-ss", "median")["rows"]
    [position] = [i for i, row in enumerate(rows) if row["new"]]
    assert (rows[position]["method"], rows[position]["ciou"]) == ("maps.npz", "40.00")
    assert rows[position]["leaked"] == 3709
    assert float(rows[position - 1]["ciou"]) >= 40 >= float(rows[position + 1]["ciou"])


@pytest.mark.parametrize(
    ("protocol", "family"),
    [
        ("lvs", "median"),
        ("ezvsl", "median"),
        ("slavc", "fixed"),
        ("paper", "fixed"),
        ("acl", "sweep"),
        ("sslalign-adap", "adaptive"),
    ],
)
def test_a_result_without_a_family_has_its_protocols(protocol: str, family: str) -> None:
    """Files of earlier versions are placed by the protocol's name."""
    result = result_with(protocol=protocol)
    del result["family"]
    assert place(result) == ("vgg-ss", family, "")


def test_own_rules_are_each_a_table() -> None:
    """Ours, a user's and an unknown protocol do not meet, although all are `own`."""
    assert place(result_with(protocol="vggss", family="own")) == ("vgg-ss", "own", "vggss")
    assert place(result_with(protocol="mine", family="own")) == ("vgg-ss", "own", "mine")
    assert place(result_with(protocol="mine", family=None)) == ("vgg-ss", "own", "mine")


@pytest.mark.parametrize(
    ("changed", "test_set"),
    [
        ({"n_scored": 4911}, "vgg-ss (incomplete, 4,911 of 5,158 clips)"),
        ({"n_scored": 4000, "n_total": 4000}, "vgg-ss (4,000 of its 5,158 clips)"),
        (
            {"n_scored": 4911, "n_total": 4911, "annotations": {"subset": ["ssltie"]}},
            "vgg-ss:ssltie",
        ),
        (
            {"n_scored": 2564, "n_total": 2564, "annotations": {"subset": ["ezvsl-heard"]}},
            "vgg-ss:ezvsl-heard",
        ),
        (
            {"n_scored": 5156, "n_total": 5156, "annotations": {"errata": "applied"}},
            "vgg-ss (errata applied)",
        ),
        ({"annotations": {"sha256": "ab" * 32}}, "vgg-ss (other boxes, sha256 abababab)"),
        (
            {"annotations": {"name": "mine", "sha256": "ab" * 32}},
            "mine (sha256 abababab)",
        ),
        (
            {"n_scored": 4142, "n_total": 4142, "annotations": {"subset": ["file:common"]}},
            "vgg-ss:file:common (a list of one's own)",
        ),
        (
            {"annotations": {"name": "world", "sha256": "ab" * 32, "stand_in": True}},
            "world (stand-in; sha256 abababab)",
        ),
        (
            {"n_scored": 250, "n_total": 250, "annotations": {"name": "flickr-soundnet"}},
            "flickr-soundnet",
        ),
        (
            {"n_scored": 249, "n_total": 250, "annotations": {"name": "flickr-soundnet"}},
            "flickr-soundnet (incomplete, 249 of 250 clips)",
        ),
    ],
)
def test_other_clips_or_boxes_stand_apart(changed: dict[str, Any], test_set: str) -> None:
    """What is not the whole published set with its boxes says so in its table's name."""
    result = result_with(**changed)
    assert place(result).test_set == test_set
    board = make_leaderboard([run_of(result)], family="median")
    table = table_of(board, test_set, "median")
    assert any(row["new"] for row in table["rows"])
    assert (test_set in {row.test_set for row in published_results()}) == any(
        not row["new"] for row in table["rows"]
    )


def test_a_table_of_ones_own_has_the_runs_references() -> None:
    """Where nothing is published, disc and ceiling are those that the run measured."""
    result = result_with(annotations={"name": "mine", "sha256": "ab" * 32})
    table = table_of(make_leaderboard([run_of(result)]), "mine (sha256 abababab)", "median")
    assert (table["disc"], table["ceiling"]) == ([33.0, 37.0], [50.48, 49.47])


def test_extended_sets_stand_by_ap() -> None:
    """Runs with negatives are placed by AP, and by the family that says where a map points."""
    extra = {"ap": 0.33, "max_f1": 0.41, "loc_acc": 0.38}
    annotations = {"name": "vgg-ss-extended", "sha256": "cd" * 32}
    result = result_with(
        protocol="slavc-relative",
        annotations=annotations,
        extra=extra,
        n_scored=10316,
        n_total=10316,
    )
    table = table_of(make_leaderboard([run_of(result)]), "vgg-ss-extended", "extended", "median")
    assert [row["ap"] for row in table["rows"]] == ["34.46", "33.00", "32.95"]
    fixed = result_with(protocol="slavc", family="fixed", annotations=annotations, extra=extra)
    assert place(fixed) == ("vgg-ss-extended", "extended", "fixed")


@pytest.mark.parametrize(
    ("changed", "flagged"),
    [
        ({}, False),
        ({"ciou": 0.60}, True),
        ({"ciou": 0.60, "protocol": "acl", "family": "sweep"}, False),
    ],
)
def test_impossible_scores_are_flagged(changed: dict[str, Any], flagged: bool) -> None:
    """Above the ceiling of a ranking rule only tied maps score; under a sweep anybody may."""
    board = make_leaderboard([run_of(result_with(**changed))])
    [row] = [row for table in board["tables"] for row in table["rows"] if row["new"]]
    assert ("above the ceiling" in row["flags"]) is flagged


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.sampled_from(["lvs", "acl", "paper", "mine"]),
    st.integers(0, 5158),
    st.booleans(),
)
def test_a_run_meets_published_rows_of_its_family_only(
    family: str, protocol: str, n_scored: int, stand_in: bool
) -> None:
    """Whatever a run is, no table that it is in has rows of another family or fewer clips."""
    result = result_with(
        family=family, protocol=protocol, n_scored=n_scored, annotations={"stand_in": stand_in}
    )
    board = make_leaderboard([run_of(result)])
    [table] = [t for t in board["tables"] if any(row["new"] for row in t["rows"])]
    assert table["family"] == family
    if not all(row["new"] for row in table["rows"]):
        assert n_scored == 5158
        assert not stand_in


# --------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_form_shows_what_qualifies_a_score(form: str) -> None:
    """Whatever the form, leaks, OGL, clips, family and what is unverified are in it."""
    text = format_leaderboard(make_leaderboard(test_set="vgg-ss"), form)
    for said in ("EZ-VSL", "38.85", "unverified", "median", "0.4", "ezvsl"):
        assert said in text
    assert "3709" in text.replace(",", "").replace("3,709", "3709")


def test_csv_is_one_table_with_its_keys() -> None:
    """Each row names its test set and family, and rows of one table stay together."""
    board = make_leaderboard()
    found = list(csv.DictReader(io.StringIO(format_leaderboard(board, "csv"))))
    keys = [(row["test_set"], row["family"], row["rule"]) for row in found]
    blocks = [key for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    assert len(blocks) == len(set(blocks)) == len(board["tables"])


def test_latex_and_markdown_are_escaped() -> None:
    """A file's name with special characters does not break the table."""
    run = run_of(name="my_maps|50%.npz")
    board = make_leaderboard([run], test_set="vgg-ss", family="median")
    assert r"my\_maps|50\%.npz" in format_leaderboard(board, "latex")
    markdown = format_leaderboard(board, "markdown")
    assert r"my_maps\|50%.npz" in markdown
    widths = {line.replace(r"\|", "").count("|") for line in markdown.splitlines() if "|" in line}
    assert widths == {10}


# ------------------------------------------------------------------------------------ the command


def test_json_is_the_tables(tmp_path: Path) -> None:
    """Stdout is one object, the same bytes twice, with the added run in it."""
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(run_of()))
    runs = [show("--add", path, "--json", "-") for _ in range(2)]
    value = json.loads(runs[0].stdout)
    assert value["schema"] == "vggss-leaderboard/1"
    assert runs[0].stdout == runs[1].stdout
    assert sum(row["new"] for table in value["tables"] for row in table["rows"]) == 1


def test_one_family_of_one_test_set(tmp_path: Path) -> None:
    """The filters leave one table, and the table goes to stdout beside a JSON file."""
    out = tmp_path / "board.json"
    result = show("--family", "sweep", "--test-set", "vgg-ss", "--json", out)
    assert result.exit_code == 0, result.output
    [table] = json.loads(out.read_text())["tables"]
    assert {row["method"] for row in table["rows"]} == {"ACL", "SouPLe"}
    assert "SouPLe" in result.stdout
    assert "EZ-VSL" not in result.stdout


def test_a_run_that_stands_apart_is_said(tmp_path: Path) -> None:
    """Why a run is not beside published results goes to stderr, and its table is shown."""
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(run_of(result_with(n_scored=4911))))
    result = show("--add", path, "--test-set", "vgg-ss", "--family", "median")
    assert "scores.json: lvs: stands apart" in result.stderr
    assert "incomplete, 4,911 of 5,158 clips" in result.stdout


def test_unknown_names_list_the_known(tmp_path: Path) -> None:
    """A test set without results is refused with those there are; a family is a choice."""
    unknown = show("--test-set", "vggss")
    assert unknown.exit_code == 6
    assert "vgg-ss" in unknown.stderr
    assert show("--family", "all").exit_code == 2
    with pytest.raises(InvalidInput, match="family 'own' and test set 'vgg-ss'"):
        make_leaderboard(family="own", test_set="vgg-ss")


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("no json", "not JSON"),
        ([], "not a benchmark result"),
        ({"schema": "vggss-leakage/1"}, "not a benchmark result"),
        ({"schema": "vggss-benchmark/1", "results": []}, "holds no results"),
        (run_of({"protocol": "lvs"}), "result 0: no 'annotations'"),
        (run_of(result_with(ciou=40)), "not a fraction"),
        (run_of(result_with(auc=None)), "not a fraction"),
        (run_of(result_with(n_scored="all")), "not a count"),
        (run_of(result_with(family="mixed")), "no family 'mixed'"),
        (run_of(result_with(ceiling=0.5)), "'ceiling' has no 'ciou'"),
        (run_of(result_with(ogl="some")), "'ogl' is not a weight"),
        (run_of(result_with(leakage=3)), "'leakage' is not an object"),
        (run_of(result_with(annotations={"name": None})), "no name and sha256"),
        (run_of(result_with(annotations={"subset": "all"})), "not a list of names"),
    ],
)
def test_what_is_no_benchmark_is_one_clear_line(tmp_path: Path, value: Any, cause: str) -> None:
    """A file that is something else is exit code 6, and says how to make one."""
    path = tmp_path / "scores.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    result = show("--add", path)
    assert result.exit_code == 6
    assert cause in result.stderr
    assert "vggss benchmark --json" in result.stderr
    assert result.stdout == ""


def test_a_missing_run_is_one_clear_line(tmp_path: Path) -> None:
    """A file that is not there, or a folder, is exit code 1."""
    for path in (tmp_path / "none.json", tmp_path):
        result = show("--add", path)
        assert result.exit_code == 1
        assert str(path) in result.stderr


def test_a_run_of_this_tool_is_read(tmp_path: Path) -> None:
    """Keys that a leaderboard does not need may be there or not."""
    path = tmp_path / "scores.json"
    short = result_with()
    for key in ("family", "ogl", "leakage", "extra", "baselines", "ceiling"):
        del short[key]
    path.write_text(json.dumps(run_of(short)))
    board = make_leaderboard([read_run(path)])
    [row] = [row for table in board["tables"] for row in table["rows"] if row["new"]]
    assert (row["ogl"], row["leaked"]) == ("none", None)
