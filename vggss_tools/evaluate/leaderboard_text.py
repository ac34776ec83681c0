"""Leaderboards as text: for a terminal, Markdown, LaTeX and CSV.

Every format keeps what qualifies a score beside it: OGL, leaked clips, number of clips, flags.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence

from vggss_tools.evaluate.leaderboard import Leaderboard, Row, Table

UNKNOWN = "?"  # not known, which is not 0
LEGEND = (
    "leaked: clips of the test set that are in the training list; ?: not known.",
    "OGL: weight of the map against an object prior; no: without one.",
    "unverified: from memory, not read in a document. *: a run of your own.",
)

Cells = Sequence[str]


def format_leaderboard(board: Leaderboard, form: str = "table") -> str:
    """Return the tables as text.

    Parameters
    ----------
    form : {"table", "markdown", "latex", "csv"}
        ``csv`` is one table with the test set and the family in its first columns, because a
        file has one header; its rows stay together by table.
    """
    return FORMATS[form](board)


def title_of(table: Table) -> str:
    """Return a table's heading."""
    rule = f", {table['rule']}" if table["rule"] else ""
    return f"{table['test_set']}, family {table['family']}{rule}"


def _columns(table: Table) -> list[tuple[str, Callable[[Row], str]]]:
    """Return the headers and what stands under them."""
    if table["family"] == "extended":
        scores: list[tuple[str, Callable[[Row], str]]] = [
            ("AP", lambda row: row["ap"]),
            ("max-F1", lambda row: row["max_f1"]),
            ("LocAcc", lambda row: row["loc_acc"]),
        ]
    else:
        scores = [("cIoU", lambda row: row["ciou"]), ("AUC", lambda row: row["auc"])]
    return [
        ("method", _method),
        ("trained on", lambda row: row["training_set"] or UNKNOWN),
        ("OGL", lambda row: {"none": "no", "": UNKNOWN}.get(row["ogl"], row["ogl"])),
        *scores,
        ("leaked", lambda row: _count(row["leaked"])),
        ("clips", lambda row: _count(row["n_clips"])),
        ("protocol", lambda row: row["protocol"] or UNKNOWN),
        ("", lambda row: "; ".join(row["flags"])),
    ]


def _method(row: Row) -> str:
    year = f" ({row['year']})" if row["year"] else ""
    return ("* " if row["new"] else "") + row["method"] + year


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _lines(table: Table) -> tuple[Cells, list[Cells]]:
    """Return header and rows; the references come last, apart from the methods."""
    columns = _columns(table)
    rows: list[Cells] = [[read(row) for _, read in columns] for row in table["rows"]]
    for name, score in (
        ("(a centred disc)", table["disc"]),
        ("(ceiling, without ties)", table["ceiling"]),
    ):
        if score is not None:
            ciou, auc = (f"{value:.2f}" for value in score)
            rows.append([name, "", "", ciou, auc, "", "", "", ""])
    return [header for header, _ in columns], rows


_RIGHT = {"cIoU", "AUC", "AP", "max-F1", "LocAcc", "OGL", "leaked", "clips"}


def _as_table(board: Leaderboard) -> str:
    blocks = []
    for table in board["tables"]:
        header, rows = _lines(table)
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if name in _RIGHT else cell.ljust(width)
                for cell, name, width in zip(cells, header, widths, strict=True)
            ).rstrip()
            for cells in (header, *rows)
        ]
        blocks.append("\n".join([f"{title_of(table)}: {table['description']}", *lines]))
    return "\n\n".join([*blocks, "\n".join(LEGEND)])


def _as_markdown(board: Leaderboard) -> str:
    blocks = []
    for table in board["tables"]:
        header, rows = _lines(table)
        rule = ["---:" if name in _RIGHT else "---" for name in header]
        lines = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            for cells in (header, rule, *rows)
        ]
        heading = f"**{title_of(table)}**: {table['description']}"
        blocks.append("\n".join([heading, "", *lines]))
    return "\n\n".join([*blocks, "  \n".join(LEGEND).replace("*:", "\\*:")])


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _tex(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _LATEX[found[0]], text)


def _as_latex(board: Leaderboard) -> str:
    """Return one ``tabular`` a table, with booktabs' rules."""
    blocks = []
    for table in board["tables"]:
        header, rows = _lines(table)
        form = "".join("r" if name in _RIGHT else "l" for name in header)
        lines = [" & ".join(map(_tex, cells)) + r" \\" for cells in rows]
        n_methods = len(table["rows"])
        references = [r"\midrule", *lines[n_methods:]] if lines[n_methods:] else []
        blocks.append(
            "\n".join(
                [
                    f"% {title_of(table)}: {table['description']}",
                    rf"\begin{{tabular}}{{{form}}}",
                    r"\toprule",
                    " & ".join(map(_tex, header)) + r" \\",
                    r"\midrule",
                    *lines[:n_methods],
                    *references,
                    r"\bottomrule",
                    r"\end{tabular}",
                ]
            )
        )
    return "\n\n".join([*blocks, "\n".join(f"% {line}" for line in LEGEND)])


def _as_csv(board: Leaderboard) -> str:
    sink = io.StringIO()
    names = [name for name in Row.__annotations__ if name != "flags"]
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["test_set", "family", "rule", *names, "flags"])
    for table in board["tables"]:
        for row in table["rows"]:
            values = ["" if row[name] is None else row[name] for name in names]  # type: ignore[literal-required]
            writer.writerow(
                [
                    table["test_set"],
                    table["family"],
                    table["rule"],
                    *(int(value) if isinstance(value, bool) else value for value in values),
                    "; ".join(row["flags"]),
                ]
            )
    return sink.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[Leaderboard], str]] = {
    "table": _as_table,
    "markdown": _as_markdown,
    "latex": _as_latex,
    "csv": _as_csv,
}
