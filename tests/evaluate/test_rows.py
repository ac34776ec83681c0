"""Rows for a README or a paper: one table a family, everything that qualifies a score beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.evaluate.rows import (
    COLUMNS,
    FAMILIES,
    latex_rows,
    markdown_table,
    run_names,
    tables,
)

LEAK = {"list": "144k.txt", "n_list": 144000, "n_leaked": 3709, "n_same_video": 5}


def result(protocol: str = "lvs", **more: Any) -> dict[str, Any]:
    """A result with all that a row says."""
    known = PROTOCOLS.get(protocol)
    return {
        "protocol": protocol,
        **({"family": str(known.family)} if known else {}),
        "ogl": None,
        "annotations": {"name": "vgg-ss", "sha256": "ae300b4a2592" + 52 * "0"},
        "n_scored": 5158, "n_total": 5158, "ciou": 0.39155, "auc": 0.3966,
        "ci95": {"ciou": [0.37812, 0.40498], "auc": [0.39, 0.4]},
        "best_trivial": {"name": "disc", "ciou": 0.3395},
        "ceiling": {"ciou": 0.5048, "auc": 0.4947},
        "leakage": None, **more,
    }  # fmt: skip


def benchmark(*results: dict[str, Any], name: str = "maps.npz", **more: Any) -> dict[str, Any]:
    return {"predictions": {"name": name}, "results": list(results), **more}


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of a Markdown table's body."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[1:]]


def test_row_has_all_that_qualifies_a_score() -> None:
    """Intervals, clips, boxes, best trivial map, ceiling, prior and leaks."""
    text = markdown_table([benchmark(result(ogl=0.4, leakage=LEAK))])
    ((*cells,),) = rows_of(text)
    assert [cell.strip() for cell in cells] == [
        "maps.npz", "lvs", "0.4", "39.16", "37.81 to 40.50", "39.66", "39.00 to 40.00",
        "5,158/5,158", "vgg-ss (ae300b4a2592)", "33.95 disc", "50.48", "3,709",
    ]  # fmt: skip
    assert text.startswith("**vgg-ss (ae300b4a2592), family median: half of the frame")


def test_latex_has_the_same_cells() -> None:
    """Ready for booktabs, with every mark of LaTeX escaped."""
    text = latex_rows([benchmark(result("paper", best_trivial={"name": "mean_box", "ciou": 0.3}))])
    lines = text.splitlines()
    assert lines[0].startswith("% vgg-ss (ae300b4a2592), family fixed")
    assert lines[1] == r"\begin{tabular}{llrrrrrrlrrr}"
    assert [lines[i] for i in (2, 4, 6, 7)] == [
        r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"
    ]  # fmt: skip
    assert r"95\%" in lines[3]
    assert lines[5].endswith(r" & 30.00 mean\_box & 50.48 & -- \\")
    assert lines[5].count(" & ") == lines[3].count(" & ") == len(COLUMNS) - 1


def test_families_never_share_a_table() -> None:
    """All protocols of two runs: one table a family, ours and users' own each by itself."""
    everything = [result(name) for name in PROTOCOLS]
    found = tables([benchmark(*everything, name="a"), benchmark(*everything, name="b")])
    assert [table.family for table in found] == list(FAMILIES)
    for table in found:
        families = {str(PROTOCOLS[row[1]].family) for row in table.rows}
        assert families == {table.family}
    assert sum(len(table.rows) for table in found) == 2 * len(PROTOCOLS)

    mine = [result(name, family="own") for name in ("mine", "yours")]
    titles = [table.title for table in tables([benchmark(*mine)])]
    assert [title.split(", ")[1] for title in titles] == [
        "family own mine: a rule of its own",
        "family own yours: a rule of its own",
    ]


def test_boxes_never_share_a_table() -> None:
    """Other annotations, a subset and a stand-in are said, and stand apart."""
    other = result(annotations={"name": "mine", "sha256": "1" * 64, "stand_in": True})
    used = result()["annotations"]
    part = result(annotations={**used, "subset": ["common", "area:small"], "errata": "applied"})
    found = tables([benchmark(result(), other, part)])
    assert [table.annotations for table in found] == [
        "vgg-ss (ae300b4a2592)",
        "mine (111111111111, stand-in)",
        "vgg-ss (ae300b4a2592, only common and area:small, errata left out)",
    ]


def test_missing_clips_are_bounded() -> None:
    """A score over some of the clips says what it could be over all."""
    some = result(n_scored=5000, bounds={"ciou": [0.38, 0.41], "auc": [0.3, 0.5]})
    (cells,) = rows_of(markdown_table([benchmark(some)]))
    assert cells[7].strip() == "5,000/5,158 (cIoU of all: 38.00 to 41.00)"


def test_older_and_other_results() -> None:
    """Keys that are not there give a dash; a protocol that nobody knows is a family of its own."""
    bare = {
        key: result()[key]
        for key in ("annotations", "n_scored", "n_total", "ciou", "auc", "ceiling")
    }
    found = tables([benchmark({**bare, "protocol": "lvs"}, {**bare, "protocol": "theirs"})])
    assert [table.family for table in found] == ["median", "theirs"]
    assert found[0].rows[0][4] == found[0].rows[0][9] == "–"
    assert "& --" in latex_rows([benchmark({**bare, "protocol": "lvs"})])


def test_runs_of_one_name_are_numbered() -> None:
    """A checkpoint's name goes before that of its maps."""
    model = benchmark(model={"name": "checkpoint.pth"})
    assert run_names([benchmark(), model, benchmark()]) == [
        "maps.npz (1)", "checkpoint.pth", "maps.npz (2)"
    ]  # fmt: skip
    text = markdown_table([benchmark(result()), benchmark(result())], names=["ours", "theirs"])
    assert [row[0].strip() for row in rows_of(text)] == ["ours", "theirs"]
    with pytest.raises(ValueError, match="zip"):
        markdown_table([benchmark(result())], names=["ours", "theirs"])


@given(st.text(min_size=1))
def test_any_name_is_one_cell(name: str) -> None:
    """No name breaks a row, of Markdown or of LaTeX, nor leaves a mark that is not escaped."""
    runs = [benchmark(result(), name=name or "x")]
    (cells,) = rows_of(markdown_table(runs))
    assert len(cells) == len(COLUMNS)
    latex = latex_rows(runs).splitlines()
    assert len(latex) == 8
    row = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\\\\$| & ", "", latex[5])
    assert not re.search(r"[\\&%$#_{}~^<>|]", row)
