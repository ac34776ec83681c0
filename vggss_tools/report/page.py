"""The page itself: what stands on it, and the templates that lay it out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from vggss_tools.atomic import write_text_atomic
from vggss_tools.evaluate.rows import leak_reports
from vggss_tools.report.differences import run_differences
from vggss_tools.report.examples import ExampleGroup
from vggss_tools.report.group_tables import group_tables
from vggss_tools.report.runs import Run
from vggss_tools.report.scores import (
    families,
    gathered_warnings,
    protocol_sections,
)
from vggss_tools.report.sound_tables import sound_tables

TEMPLATE = "report.html.j2"
SCRIPT = "sort_and_filter.js.j2"


def write_report(
    path: Path | str,
    runs: Sequence[Run],
    examples: Sequence[ExampleGroup] = (),
    *,
    title: str | None = None,
    no_examples: str = "",
    outlined: Sequence[str] = (),
) -> None:
    """Write the page, whole or not at all; equal inputs give equal bytes."""
    page = render(runs, examples, title=title, no_examples=no_examples, outlined=outlined)
    write_text_atomic(path, page)


def render(
    runs: Sequence[Run],
    examples: Sequence[ExampleGroup] = (),
    *,
    title: str | None = None,
    no_examples: str = "",
    outlined: Sequence[str] = (),
) -> str:
    """Return the page as HTML.

    The page forbids itself every request (``Content-Security-Policy``), and every script but its
    own, which sorts and filters tables; without it everything can still be read.

    Parameters
    ----------
    runs : at least one, all scored against the same boxes
    title : heading of the page
    no_examples : why there are no frames, where there are none
    outlined : protocols whose regions the examples have; the first ranks them
    """
    environment = templates()
    script = environment.get_template(SCRIPT).render()
    annotations = runs[0].results[0]["annotations"]
    sections = protocol_sections(runs)
    differences, not_compared = run_differences(runs)
    warnings = gathered_warnings(runs)
    leaked = leaks(runs)
    page = environment.get_template(TEMPLATE).render(
        title=title or f"Sound-source localisation on {annotations['name']}",
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        runs=runs,
        annotations=annotations,
        errata=errata_said(runs[0]),
        sections=sections,
        families=families(sections),
        groups=group_tables(sections),
        warnings=warnings,
        differences=differences,
        not_compared=not_compared,
        sound=sound_tables(runs),
        leaks=leaked,
        unwarned_leaks=[
            (name, leak)
            for name, leak in leaked
            if (leak["n_leaked"] or leak["n_same_video"])
            and not any(str(leak["list"]) in warning for _, warning in warnings)
        ],
        proposals=proposal_scores(runs),
        examples=examples,
        no_examples=no_examples,
        outlined=list(outlined),
    )
    return page if page.endswith("\n") else page + "\n"


@cache
def templates() -> jinja2.Environment:
    """Return the page's templates; they are compiled once a process."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vggss_tools.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(percent=percent, number=number, signed=signed)
    return environment


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in percent, without the sign; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def signed(share: float) -> str:
    """Return a difference of shares in percent points, with its sign."""
    return f"{100 * share:+.2f}"


def number(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return "–" if value is None else f"{value:,}"


def leaks(runs: Sequence[Run]) -> list[tuple[str, dict[str, object]]]:
    """Return what the runs' training lists share with the test set, each once a run."""
    found: list[tuple[str, dict[str, object]]] = []
    for run in runs:
        for result in run.results:
            for report in leak_reports(result):
                entry = (run.name, dict(report))
                if entry not in found:
                    found.append(entry)
    return found


def errata_said(run: Run) -> str:
    """Say what became of samples that the documented errata name."""
    said = {result["annotations"].get("errata") for result in run.results}
    if said == {"applied"}:
        return ", documented errata left out"
    if said == {"kept"}:
        return ", documented errata scored too"
    return "" if None in said else ", documented errata left out where the protocol says so"


def proposal_scores(runs: Sequence[Run]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the scores of proposed boxes, each once; they belong to no run."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for run in runs:
        scores = run.benchmark.get("proposals")
        if scores and scores not in [known for _, known in found]:
            found.append((run.name, scores))
    return found
