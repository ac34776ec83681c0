"""Runs: benchmark results that the page sets side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.compare import RULES
from vggss_tools.evaluate.rows import run_name
from vggss_tools.report.sources import read_benchmark, read_per_clip


@dataclass(frozen=True)
class Run:
    """One benchmark result with its name on the page.

    Attributes
    ----------
    name : str
        No two runs of a page have the same.
    benchmark : dict
        As :func:`~vggss_tools.report.sources.read_benchmark` returns it.
    per_clip : dict
        Protocol → sample → cIoU, where it is known.
    file : str
        Name of the result's file, by which other results call it in their comparisons.
    """

    name: str
    benchmark: Mapping[str, Any]
    per_clip: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    file: str = ""

    @property
    def results(self) -> list[Mapping[str, Any]]:
        """One result a protocol."""
        found: list[Mapping[str, Any]] = self.benchmark["results"]
        return found

    def result(self, protocol: str) -> Mapping[str, Any] | None:
        """Return the result under a protocol, if the run has it."""
        return next((r for r in self.results if r["protocol"] == protocol), None)


def read_runs(
    paths: Sequence[Path], per_clip_paths: Sequence[Path] = (), labels: Sequence[str] = ()
) -> list[Run]:
    """Read benchmark results, and the clips' cIoU out of them or of files of their own.

    Parameters
    ----------
    paths : results of ``vggss benchmark --json``
    per_clip_paths : tables of ``vggss benchmark --per-clip``; none, or one for each result
    labels : names of the runs; none, or one for each result

    Raises
    ------
    InvalidInput
        If a file is something else, if there are more or fewer files or names than results, or
        if the runs were not scored against the same boxes.
    """
    for given, option in ((per_clip_paths, "--per-clip"), (labels, "--label")):
        if given and len(given) != len(paths):
            raise InvalidInput(
                f"{option}: given {len(given)} time(s) for {len(paths)} result(s); "
                "give one for each --benchmark, in the same order, or none"
            )
    benchmarks = [read_benchmark(path) for path in paths]
    check_comparable(benchmarks, [path.name for path in paths])
    tables = [read_per_clip(path) for path in per_clip_paths] or [{} for _ in paths]
    names = distinct_names(benchmarks, paths, labels)
    return [
        Run(name, benchmark, {**clip_scores(benchmark), **table}, path.name)
        for name, benchmark, table, path in zip(names, benchmarks, tables, paths, strict=True)
    ]


def clip_scores(benchmark: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the clips' cIoU by protocol, where the result holds it."""
    return {
        result["protocol"]: result["per_clip"]
        for result in benchmark["results"]
        if result.get("per_clip")
    }


def check_comparable(benchmarks: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Refuse runs side by side that were scored against different boxes or clips.

    Raises
    ------
    InvalidInput
        If checksum or chosen subset differ, or the rule of a protocol's name.
    """
    for name, benchmark in zip(names[1:], benchmarks[1:], strict=True):
        _check_rules(benchmark, benchmarks[0], name, names[0])
    scored = [
        (used["sha256"], list(used.get("subset") or ()))
        for used in (benchmark["results"][0]["annotations"] for benchmark in benchmarks)
    ]
    for name, its in zip(names[1:], scored[1:], strict=True):
        if its == scored[0]:
            continue
        what = "annotations" if its[0] != scored[0][0] else "subset"
        raise InvalidInput(
            f"{name}: scored against another {what.rstrip('s')} than {names[0]} "
            f"({_said(its)}, not {_said(scored[0])}); runs stand side by side only on the same "
            "boxes, score both against one file"
        )


def _check_rules(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str, other: str) -> None:
    rules = {result["protocol"]: result.get("rules") or {} for result in theirs["results"]}
    for result in ours["results"]:
        mine, its = result.get("rules") or {}, rules.get(result["protocol"], {})
        for key in RULES:
            if key in mine and key in its and mine[key] != its[key]:
                raise InvalidInput(
                    f"{name}: its {result['protocol']} is another rule than that of {other} "
                    f"({key} {mine[key]}, not {its[key]}); score both under one"
                )


def _said(scored: tuple[str, list[str]]) -> str:
    sha256, subset = scored
    return f"sha256 {sha256[:12]}" + (f", only {' and '.join(subset)}" if subset else "")


def distinct_names(
    benchmarks: Sequence[Mapping[str, Any]], paths: Sequence[Path], labels: Sequence[str] = ()
) -> list[str]:
    """Name the runs: as they are labelled, or by what was scored; never two alike.

    What is called alike is told apart by the result's file name, then by its folder's, then by a
    number.
    """
    names = list(labels) or _with_priors(benchmarks)
    for tell in (
        lambda i: paths[i].stem,
        lambda i: paths[i].absolute().parent.name,
        lambda i: str(i + 1),
    ):
        alike = {name for name in names if names.count(name) > 1}
        if not alike:
            break
        marks = [tell(i) for i in range(len(names))]
        for name in alike:
            group = [i for i in range(len(names)) if names[i] == name]
            if len({marks[i] for i in group}) > 1:
                for i in group:
                    names[i] = f"{name} ({marks[i]})"
    return names


def _with_priors(benchmarks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the runs; with the weights of object priors where these differ."""
    results = [one.get("results") or [{}] for one in benchmarks]
    weights = [its[0].get("ogl") for its in results]
    names = [run_name(benchmark) for benchmark in benchmarks]
    if len(set(weights)) == 1:
        return names
    return [
        f"{name}, {'without OGL' if weight is None else f'OGL {weight:g}'}"
        for name, weight in zip(names, weights, strict=True)
    ]
