"""The page itself: what stands on it, and the template that lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from vggss_tools.atomic import write_text_atomic
from vggss_tools.evaluate.baselines import DESCRIPTIONS, SOUND_BLIND, TRIVIAL
from vggss_tools.report.charts import Chart, success_chart
from vggss_tools.report.examples import Example

TEMPLATE = "report.html.j2"

# Short enough for a table on a phone; baselines.DESCRIPTIONS says more.
SHORT_NAMES = {
    "ceiling": "perfect map",
    "blind_union": "all proposed boxes",
    "blind_largest": "largest proposed box",
    "ones": "whole frame",
    "disc": "centred disc",
    "mean_box": "mean training box",
}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of a table of scores; ``kind``: ceiling, model, blind, trivial or other."""

    name: str
    title: str
    description: str
    kind: str
    ciou: float
    auc: float
    interval: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best_trivial: bool = False


@dataclass(frozen=True, slots=True)
class ProtocolSection:
    """All that is said about one protocol."""

    result: Mapping[str, Any]
    rows: tuple[ScoreRow, ...]
    chart: Chart | None
    # Share by t, for those who read numbers: t → series name → share.
    curve_table: tuple[tuple[float, dict[str, float]], ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: its clips, and by protocol the share that succeeds and the mean cIoU."""

    label: str
    n: int
    scores: dict[str, tuple[float, float]]


def write_report(
    path: Path | str,
    benchmark: Mapping[str, Any],
    examples: Sequence[Example] = (),
    *,
    title: str | None = None,
    no_examples: str = "",
    ranked: bool = False,
) -> None:
    """Write the page, whole or not at all; equal inputs give equal bytes."""
    page = render(benchmark, examples, title=title, no_examples=no_examples, ranked=ranked)
    write_text_atomic(path, page)


def render(
    benchmark: Mapping[str, Any],
    examples: Sequence[Example] = (),
    *,
    title: str | None = None,
    no_examples: str = "",
    ranked: bool = False,
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    benchmark : as :func:`vggss_tools.report.sources.read_benchmark` returns it
    title : heading of the page
    no_examples : why there are no frames, where there are none
    ranked : whether the examples are in order of their score
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vggss_tools.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(percent=percent, number=number)
    results = benchmark["results"]
    annotations = results[0]["annotations"]
    page = environment.get_template(TEMPLATE).render(
        title=title or f"Sound-source localisation on {annotations['name']}",
        benchmark=benchmark,
        model=model_name(benchmark),
        annotations=annotations,
        first=results[0],
        sections=[protocol_section(benchmark, result) for result in results],
        classes=class_rows(results),
        warnings=gathered_warnings(results),
        examples=examples,
        no_examples=no_examples,
        ranked=ranked,
    )
    return page if page.endswith("\n") else page + "\n"


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in percent, without the sign; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def number(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return "–" if value is None else f"{value:,}"


def model_name(benchmark: Mapping[str, Any]) -> str:
    """Return the checkpoint's name, else that of the predictions."""
    for key in ("model", "predictions"):
        name = (benchmark.get(key) or {}).get("name")
        if name:
            return str(name)
    return "model"


def protocol_section(benchmark: Mapping[str, Any], result: Mapping[str, Any]) -> ProtocolSection:
    """Gather what is said about one protocol."""
    rows = score_rows(result, model_name(benchmark))
    given = {**result.get("curves", {}), "model": result.get("success")}
    # From below in the table's order, and the model on top of what it is compared with.
    order = [row.name for row in reversed(rows) if row.name != "model"]
    curves = {name: given[name] for name in (*order, "model") if given.get(name)}
    by_t: dict[float, dict[str, float]] = {}
    for row in rows:
        for point in curves.get(row.name, ()):
            by_t.setdefault(point["t"], {})[row.name] = point["share"]
    return ProtocolSection(
        result=result,
        rows=tuple(rows),
        chart=success_chart(curves) if curves else None,
        curve_table=tuple(sorted(by_t.items())),
    )


def score_rows(result: Mapping[str, Any], model: str) -> list[ScoreRow]:
    """Return the ceiling, the model, and the baselines, the sound-blind ones first."""
    best = (result.get("best_trivial") or {}).get("name")
    known = [name for name in (*SOUND_BLIND, *TRIVIAL) if name in result["baselines"]]
    others = sorted(set(result["baselines"]) - set(known))
    kinds = dict.fromkeys(SOUND_BLIND, "blind") | dict.fromkeys(TRIVIAL, "trivial")
    rows = [
        _row("ceiling", "ceiling", result["ceiling"]),
        ScoreRow(
            "model", model, "", "model", result["ciou"], result["auc"], result.get("ci95") or {}
        ),
    ]
    for name in (*known, *others):
        score = result["baselines"][name]
        rows.append(_row(name, kinds.get(name, "other"), score, best_trivial=name == best))
    return rows


def _row(
    name: str, kind: str, score: Mapping[str, float], *, best_trivial: bool = False
) -> ScoreRow:
    return ScoreRow(
        name,
        SHORT_NAMES.get(name, name),
        DESCRIPTIONS.get(name, ""),
        kind,
        score["ciou"],
        score["auc"],
        best_trivial=best_trivial,
    )


def class_rows(results: Sequence[Mapping[str, Any]]) -> list[ClassRow]:
    """Return the classes, the best first by their mean over the protocols."""
    tables = {result["protocol"]: result.get("by_class") or {} for result in results}
    labels = sorted({label for table in tables.values() for label in table})
    rows = []
    for label in labels:
        found = {name: table[label] for name, table in tables.items() if label in table}
        rows.append(
            ClassRow(
                label=label,
                n=max(score["n"] for score in found.values()),
                scores={name: (s["ciou"], s["mean_ciou"]) for name, s in found.items()},
            )
        )
    return sorted(rows, key=lambda row: -sum(c + m / 1e3 for c, m in row.scores.values()))


def gathered_warnings(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return each warning once, with the protocols that gave it."""
    givers: dict[str, list[str]] = {}
    for result in results:
        for warning in result.get("warnings") or ():
            givers.setdefault(warning, []).append(result["protocol"])
    return [
        ("" if len(names) == len(results) else ", ".join(names), warning)
        for warning, names in givers.items()
    ]
