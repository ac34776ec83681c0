"""Rows of benchmark results for a README or a paper: Markdown, and LaTeX with booktabs.

One row a run and protocol, one table a test set and family: scores of two families, or over two
sets of boxes, never stand in one table. Of the family ``own`` each protocol is a table by itself.
Scores are in percent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vggss_tools.evaluate.protocols import PROTOCOLS

# What the families of protocols have in common, in the order of their tables.
FAMILIES = {
    "own": "a rule of its own",
    "median": "half of the frame is predicted, wherever the map is certain",
    "adaptive": "as many pixels as the truth has are predicted",
    "fixed": "one threshold for every map",
    "sweep": "the best of many thresholds, chosen on the test set",
}

NONE = "–"

COLUMNS = (
    "run",
    "protocol",
    "OGL",
    "cIoU",
    "95%",
    "AUC",
    "95%",
    "clips",
    "annotations",
    "best trivial",
    "ceiling",
    "leaked",
)
NUMBERS = {"OGL", "cIoU", "95%", "AUC", "clips", "best trivial", "ceiling", "leaked"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that may stand together: cells of plain text, in the order of :data:`COLUMNS`."""

    family: str
    protocol: str  # of the family ``own``; else empty
    annotations: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        """What the rows have in common."""
        family = " ".join(filter(None, ("family", self.family, self.protocol)))
        said = FAMILIES.get(self.family)
        return f"{self.annotations}, {family}" + (f": {said}" if said else "")


def markdown_table(
    benchmarks: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None
) -> str:
    """Return Markdown tables, each below a line that says its family and test set.

    Parameters
    ----------
    benchmarks : benchmark results, as their JSON has them
    names : names of the runs; by default those of their checkpoints or predictions files
    """
    parts = []
    for table in tables(benchmarks, names):
        lines = [f"**{_markdown(table.title)}**", "", _markdown_row(COLUMNS)]
        lines.append("|" + "|".join("---:" if c in NUMBERS else "---" for c in COLUMNS) + "|")
        lines += [_markdown_row(map(_markdown, row)) for row in table.rows]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def latex_rows(benchmarks: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    r"""Return LaTeX tables (``\usepackage{booktabs}``), each below a comment on what it is.

    Parameters
    ----------
    benchmarks : benchmark results, as their JSON has them
    names : names of the runs; by default those of their checkpoints or predictions files
    """
    kinds = "".join("r" if column in NUMBERS else "l" for column in COLUMNS)
    parts = []
    for table in tables(benchmarks, names):
        lines = [
            f"% {_one_line(table.title)}",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            _latex_row(COLUMNS),
            r"\midrule",
            *(_latex_row(row) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def tables(
    benchmarks: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None
) -> list[Table]:
    """Group the results by test set and family; runs and protocols keep their order."""
    values = list(benchmarks)
    called = list(names) if names is not None else run_names(values)
    groups: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for name, benchmark in zip(called, values, strict=True):
        for result in benchmark["results"]:
            key = (annotations_name(result), *table_of(result))
            groups.setdefault(key, []).append(_cells(name, result))
    sets = list(dict.fromkeys(annotations for annotations, _, _ in groups))
    order = sorted(groups, key=lambda key: (sets.index(key[0]), family_rank(key[1])))
    return [Table(key[1], key[2], key[0], tuple(groups[key])) for key in order]


def table_of(result: Mapping[str, Any]) -> tuple[str, str]:
    """Say in whose table a result stands: its family, and of ``own`` which protocol."""
    family = family_of(result)
    return family, str(result["protocol"]) if family == "own" else ""


def family_rank(family: str) -> tuple[int, str]:
    """Return where the tables of a family stand; unknown families come last, by name."""
    known = list(FAMILIES)
    return (known.index(family), "") if family in known else (len(known), family)


def family_of(result: Mapping[str, Any]) -> str:
    """Return a result's family; a protocol that nobody knows is a family of its own."""
    family = result.get("family")
    if family:
        return str(family)
    known = PROTOCOLS.get(result["protocol"])
    return str(known.family) if known else str(result["protocol"])


def run_names(benchmarks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each run by its checkpoint or predictions; what would be equal is numbered."""
    found = [run_name(benchmark) for benchmark in benchmarks]
    return [
        name if found.count(name) == 1 else f"{name} ({found[: i + 1].count(name)})"
        for i, name in enumerate(found)
    ]


def run_name(benchmark: Mapping[str, Any]) -> str:
    """Return the name of the checkpoint, else of the predictions."""
    for key in ("model", "predictions"):
        name = (benchmark.get(key) or {}).get("name")
        if name:
            return str(name)
    return "model"


def annotations_name(result: Mapping[str, Any]) -> str:
    """Say which boxes were scored against: name, checksum, and what was chosen or left out."""
    used = result["annotations"]
    said = [str(used["sha256"])[:12]]
    if used.get("stand_in"):
        said.append("stand-in")
    if used.get("subset"):
        said.append("only " + " and ".join(used["subset"]))
    if used.get("errata") == "applied":
        said.append("errata left out")
    return f"{used['name']} ({', '.join(said)})"


def leak_reports(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what each training list shares with the test set; empty without a list."""
    leakage = result.get("leakage")
    if not leakage:
        return []
    found: list[Mapping[str, Any]] = leakage.get("lists") or [leakage]
    return found


def _cells(name: str, result: Mapping[str, Any]) -> tuple[str, ...]:
    interval = result.get("ci95") or {}
    trivial, ogl = result.get("best_trivial"), result.get("ogl")
    leaks = leak_reports(result)
    return (
        name,
        str(result["protocol"]),
        NONE if ogl is None else f"{ogl:g}",
        percent(result["ciou"]),
        _interval(interval.get("ciou")),
        percent(result["auc"]),
        _interval(interval.get("auc")),
        _clips(result),
        annotations_name(result),
        f"{percent(trivial['ciou'])} {trivial['name']}" if trivial else NONE,
        percent(result["ceiling"]["ciou"]),
        ", ".join(f"{leak['n_leaked']:,}" for leak in leaks) or NONE,
    )


def _clips(result: Mapping[str, Any]) -> str:
    said = f"{result['n_scored']:,}/{result['n_total']:,}"
    bounds = result.get("bounds")
    if result["n_scored"] < result["n_total"] and bounds:
        low, high = bounds["ciou"]
        said += f" (cIoU of all: {percent(low)} to {percent(high)})"
    return said


def _interval(ends: Sequence[float] | None) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}" if ends else NONE


def percent(share: float) -> str:
    """Return a share in percent, without the sign."""
    return f"{100 * share:.2f}"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# An underscore inside of a word is no mark, and names are full of them.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|#~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(lambda found: "\\" + found[0], _one_line(text))


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        NONE: "--",
        **{mark: "\\" + mark for mark in "&%$#_{}"},
    }
)


def _latex(text: str) -> str:
    return _one_line(text).translate(_LATEX)
