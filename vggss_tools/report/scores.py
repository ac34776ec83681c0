"""What the page says about each protocol: scores of the runs beside baselines and ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vggss_tools.evaluate.baselines import DESCRIPTIONS, SOUND_BLIND, TRIVIAL
from vggss_tools.evaluate.rows import FAMILIES, family_of, family_rank, table_of
from vggss_tools.report.charts import Chart, success_chart
from vggss_tools.report.named_values import NamedValue, named_values
from vggss_tools.report.runs import Run

# Short enough for a table on a phone; baselines.DESCRIPTIONS says more.
SHORT_NAMES = {
    "ceiling": "perfect map",
    "blind_union": "all proposed boxes",
    "blind_largest": "largest proposed box",
    "ones": "whole frame",
    "disc": "centred disc",
    "mean_box": "mean training box",
}
RUN_STYLES = 6  # colours and dashes that the page tells apart; further runs begin again

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of a table of scores.

    ``kind``: ceiling, run, blind, trivial or other. ``series``: key of its curve. ``style``: that
    of its curve and of its mark. ``note``: which clips it is over, where that differs.
    """

    series: str
    style: str
    title: str
    description: str
    kind: str
    ciou: float
    auc: float
    interval: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best_trivial: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run under one protocol."""

    run: Run
    style: str
    result: Result
    measures: tuple[NamedValue, ...]
    # What only this protocol or test set has, and the scores at every threshold of a sweep.
    extra: tuple[NamedValue, ...]
    sweep: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class ProtocolSection:
    """All that is said about one protocol."""

    protocol: str
    family: str
    family_said: str
    rules: Mapping[str, str]
    entries: tuple[Entry, ...]
    rows: tuple[ScoreRow, ...]
    chart: Chart | None
    # Share by t, for those who read numbers: t → series → share.
    curve_table: tuple[tuple[float, dict[str, float]], ...]
    same_clips: bool

    @property
    def first(self) -> Result:
        """The first run's result."""
        return self.entries[0].result


def protocol_sections(runs: Sequence[Run]) -> list[ProtocolSection]:
    """Gather what is said about each protocol that a run was scored under."""
    protocols = dict.fromkeys(result["protocol"] for run in runs for result in run.results)
    return [_section(protocol, runs) for protocol in protocols]


def families(sections: Sequence[ProtocolSection]) -> list[tuple[str, list[ProtocolSection]]]:
    """Group the sections whose scores may stand in one table; each has a title."""
    groups: dict[tuple[str, str], list[ProtocolSection]] = {}
    for section in sections:
        groups.setdefault(table_of(section.first), []).append(section)
    order = sorted(groups, key=lambda key: family_rank(key[0]))
    return [(" ".join(filter(None, key)), groups[key]) for key in order]


def run_style(position: int) -> str:
    """Return the style of a run's curve and marks."""
    return f"run{position % RUN_STYLES}"


def _section(protocol: str, runs: Sequence[Run]) -> ProtocolSection:
    entries = tuple(
        Entry(run, run_style(i), result, tuple(measures(result)), _extra(result), _sweep(result))
        for i, run in enumerate(runs)
        if (result := run.result(protocol)) is not None
    )
    rows = score_rows(entries)
    curves = {row.series: _curve(entries, row) for row in rows}
    # From below in the table's order, and the runs on top of what they are compared with.
    order = [row for row in reversed(rows) if row.kind != "run"]
    order += [row for row in reversed(rows) if row.kind == "run"]
    drawn = {row.series: (row.style, curves[row.series]) for row in order if curves[row.series]}
    by_t: dict[float, dict[str, float]] = {}
    for row in rows:
        for point in curves[row.series]:
            by_t.setdefault(point["t"], {})[row.series] = point["share"]
    family = family_of(entries[0].result)
    return ProtocolSection(
        protocol=protocol,
        family=family,
        family_said=FAMILIES.get(family, ""),
        rules=entries[0].result.get("rules") or {},
        entries=entries,
        rows=tuple(rows),
        chart=success_chart(drawn) if drawn else None,
        curve_table=tuple(sorted(by_t.items())),
        same_clips=len({_clips(entry.result) for entry in entries}) == 1,
    )


def _clips(result: Result) -> tuple[Any, ...]:
    """Return what tells whether two results are over the same clips."""
    return (result["n_scored"], result["n_total"], *result["missing"])


def score_rows(entries: Sequence[Entry]) -> list[ScoreRow]:
    """Return the ceiling, the runs, and the baselines, the sound-blind ones first.

    A baseline stands there once, and once a run where the runs are not over the same clips.
    """
    names = dict.fromkeys(name for entry in entries for name in entry.result["baselines"])
    known = [name for name in (*SOUND_BLIND, *TRIVIAL) if name in names]
    others = sorted(set(names) - set(known))
    kinds = dict.fromkeys(SOUND_BLIND, "blind") | dict.fromkeys(TRIVIAL, "trivial")
    rows = list(_reference_rows(entries, "ceiling", "ceiling"))
    for entry in entries:
        result = entry.result
        rows.append(
            ScoreRow(
                entry.style,
                entry.style,
                entry.run.name,
                "",
                "run",
                result["ciou"],
                result["auc"],
                result.get("ci95") or {},
            )
        )
    for name in (*known, *others):
        rows += _reference_rows(entries, name, kinds.get(name, "other"))
    return rows


def _reference_rows(entries: Sequence[Entry], name: str, kind: str) -> Iterator[ScoreRow]:
    """Yield a baseline or the ceiling, once for each value that it has."""
    found: dict[tuple[float, float], list[Entry]] = {}
    for entry in entries:
        score = (
            entry.result["ceiling"] if kind == "ceiling" else entry.result["baselines"].get(name)
        )
        if score is not None:
            found.setdefault((score["ciou"], score["auc"]), []).append(entry)
    for number, ((ciou, auc), its) in enumerate(found.items()):
        note = f"clips of {', '.join(entry.run.name for entry in its)}" if len(found) > 1 else ""
        best = (its[0].result.get("best_trivial") or {}).get("name")
        yield ScoreRow(
            name if not number else f"{name}-{number}",
            name if name in SHORT_NAMES else "other",
            SHORT_NAMES.get(name, name),
            DESCRIPTIONS.get(name, ""),
            kind,
            ciou,
            auc,
            best_trivial=name == best,
            note=note,
        )


def _reference(result: Result, name: str) -> Mapping[str, float] | None:
    """Return the score of the ceiling or of a baseline, if the result has it."""
    score: Mapping[str, float] | None = (
        result["ceiling"] if name == "ceiling" else result["baselines"].get(name)
    )
    return score


def _curve(entries: Sequence[Entry], row: ScoreRow) -> Sequence[Mapping[str, float]]:
    """Return the success curve of a row: a run's own, else that of the same scores."""
    for entry in entries:
        result = entry.result
        if row.kind == "run":
            if entry.style == row.style and entry.run.name == row.title:
                return result.get("success") or ()
            continue
        name = row.series.partition("-")[0]
        score = _reference(result, name)
        if score is not None and (score["ciou"], score["auc"]) == (row.ciou, row.auc):
            return (result.get("curves") or {}).get(name) or ()
    return ()


def measures(result: Result) -> Iterator[NamedValue]:
    """Yield what qualifies a score, each with what it means."""

    def share(value: float) -> str:
        return f"{100 * value:.2f}%"

    if "skill" in result:
        skill = result["skill"]
        value = "–" if skill is None else f"{skill:.3f}"
        yield NamedValue("skill: the way from the best trivial map (0) to the ceiling (1)", value)
    bounds = result.get("bounds")
    if bounds and result["n_scored"] < result["n_total"]:
        for key, name in (("ciou", "cIoU"), ("auc", "AUC")):
            low, high = bounds[key]
            yield NamedValue(
                f"{name} if every missing clip were wrong, or right",
                f"{100 * low:.2f} to {100 * high:.2f}",
            )
    if result.get("swap_rate") is not None:
        said = "swap rate: with a silent object's sound, the map's maximum moves into that object"
        if result.get("swap_stay_rate") is not None:
            said += f" (it stays in the sounding one in {share(result['swap_stay_rate'])})"
        if result.get("swap_n"):
            said += f", {result['swap_n']:,} pairs"
        yield NamedValue(said, share(result["swap_rate"]))
    if result.get("own_hit_rate") is not None:
        yield NamedValue(
            "of clips have the map's maximum in what sounds", share(result["own_hit_rate"])
        )
    if "mean_ciou" in result:
        yield NamedValue("mean cIoU of a clip", f"{100 * result['mean_ciou']:.2f}")
    area = result.get("truth_area")
    if area:
        yield NamedValue(
            "of the frame is annotated in the median clip; less than a quarter in "
            f"{share(area['under_quarter'])} of clips",
            share(area["median"]),
        )
    if result.get("ties"):
        yield NamedValue(
            "of maps have more than half of their pixels tied at the minimum", share(result["ties"])
        )
    if result.get("unknown"):
        yield NamedValue(
            "maps of clips that the annotations do not know, left out", f"{result['unknown']:,}"
        )


def _extra(result: Result) -> tuple[NamedValue, ...]:
    return tuple(named_values(result.get("extra") or {}))


def _sweep(result: Result) -> tuple[Mapping[str, float], ...]:
    found = (result.get("extra") or {}).get("sweep")
    return tuple(found) if isinstance(found, list) else ()


def gathered_warnings(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return each warning once, with the runs and protocols that gave it."""
    givers: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for result in run.results:
            for warning in result.get("warnings") or ():
                givers.setdefault(warning, {}).setdefault(run.name, []).append(result["protocol"])
    return [(_who(found, runs), warning) for warning, found in givers.items()]


def _who(found: Mapping[str, Sequence[str]], runs: Sequence[Run]) -> str:
    """Say which runs and protocols gave a warning; nothing where all did."""
    said = {
        run.name: _which(found[run.name], [result["protocol"] for result in run.results])
        for run in runs
        if run.name in found
    }
    if len(said) == len(runs) and len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{run}: {which}" if which else run for run, which in said.items())


def _which(given: Sequence[str], scored: Sequence[str]) -> str:
    """Name some of the protocols, the shorter way round; none where it is all of them."""
    others = [name for name in scored if name not in given]
    if not others:
        return ""
    if len(others) <= 2 and len(given) > 4:
        return f"all but {' and '.join(others)}"
    return ", ".join(given)
