"""``vggss status``: what is where in a data directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vggss_tools.cli.options import data_option, emit_json, json_option
from vggss_tools.errors import VggssError
from vggss_tools.workspace import Workspace

# A row of the table: what it is, and a number for each split.
Row = tuple[str, dict[str, int]]


@click.command("status")
@click.option(
    "--by",
    type=click.Choice(["split", "class"]),
    default="split",
    show_default=True,
    help="Count by split; or by class, what is here, what can still be had and what is gone.",
)
@data_option
@json_option
def command(by: str, workspace: Workspace, json_out: str | None) -> None:
    """Say what is where in a data directory.

    Per stage and split: the clips that are done, that failed (by kind of failure), that are gone
    (done once, but a file was removed) and that are missing; then proposals, annotations,
    releases, runs and kept predictions. Of the clips whose video is not here, it says how many
    can still be had (not tried, failed by an accident, or refused for a while) and how many are
    gone for good. Nothing is changed by looking. A directory that is not there is an error, but
    with --json it is one object that says so.

    \b
    Examples:
      vggss status
      vggss status --by class
      vggss --data world status --json
    """
    from vggss_tools.status import survey

    report = survey(workspace)
    if json_out is None and not report["exists"]:
        raise VggssError("\n".join(_text(report)))
    if json_out != "-":
        click.echo("\n".join(_text(report) if by == "split" else _classes(report)))
    emit_json(report, json_out)


def _text(report: dict[str, Any]) -> Iterator[str]:
    if not report["clips"] and report["outcomes"]:
        yield (
            f"{report['data']}: a ledger of {report['outcomes']:,} outcomes "
            f"({', '.join(report['stages'])}), but no clip table (clips.parquet); copy it from "
            "where the clips were fetched, or name the clips again with `vggss fetch`"
        )
        return
    if not report["clips"]:
        what = "no clips yet" if report["exists"] else "no such data directory"
        yield (
            f"{report['data']}: {what}; make a sample world with `vggss sample DIR`, "
            "or choose another directory with --data DIR"
        )
        return
    yield report["data"]
    yield ""
    yield from _table(list(report["clips"]), list(_rows(report)))
    for title, lines in (
        ("releases", _releases(report)),
        ("runs", _runs(report)),
        ("kept by predict", _predictions(report)),
    ):
        listed = list(lines)
        if listed:
            yield ""
            yield title
            yield from listed
    left_over = report["left_over"]
    if left_over:
        yield ""
        yield f"temporary files of a run that was killed, or that goes on: {left_over:,}"


# Of the coverage report: key, and what it is called.
COVERAGE = {
    "here": "with video",
    "can_be_had": "can be had",
    "not_tried": "  not tried",
    "transient": "  failed by accident",
    "blocked": "  refused for a while",
    "lost_here": "  removed here",
    "gone_for_good": "gone for good",
}


def _classes(report: dict[str, Any]) -> Iterator[str]:
    """Lay out the coverage of each class, those of which most is gone first."""
    if not report["clips"]:
        yield from _text(report)
        return
    classes = report["coverage"]["classes"]
    columns = ["clips", "here", "can_be_had", "gone_for_good"]
    titles = [COVERAGE.get(key, key).strip() for key in columns]
    order = sorted(classes, key=lambda label: (-_share_gone(classes[label]), label))
    rows = [
        (label, {title: classes[label][key] for title, key in zip(titles, columns, strict=True)})
        for label in order
    ]
    total = report["coverage"]["total"]
    sums = {title: total[key] for title, key in zip(titles, columns, strict=True)}
    yield from _table(titles, [*rows, ("all classes", sums)])


def _share_gone(counts: dict[str, Any]) -> float:
    return float(counts["gone_for_good"] / counts["clips"])


def _rows(report: dict[str, Any]) -> Iterator[Row]:
    yield "clips", report["clips"]
    for kind, counts in report["media"].items():
        yield f"  with {kind}", counts
    for key, label in COVERAGE.items():
        if key != "here":
            numbers = {split: c[key] for split, c in report["coverage"]["splits"].items()}
            if any(numbers.values()) and "fetch" in report["stages"]:
                yield f"  {label}", numbers
    for stage, splits in report["stages"].items():
        yield f"{stage} done", {split: counts["done"] for split, counts in splits.items()}
        kinds = sorted({kind for counts in splits.values() for kind in counts["failed"]})
        for kind in kinds:
            failed = {split: counts["failed"].get(kind, 0) for split, counts in splits.items()}
            yield f"  failed: {kind}", failed
        for key in ("gone", "missing"):
            numbers = {split: counts[key] for split, counts in splits.items()}
            if any(numbers.values()):
                yield f"  {key}", numbers
    for source, splits in report["refused_by"].items():
        for kind in sorted({kind for kinds in splits.values() for kind in kinds}):
            yield (
                f"refused by {source}: {kind}",
                {split: kinds.get(kind, 0) for split, kinds in splits.items()},
            )
    if report["proposals"]:
        for key in ("detections", "clips", "clips_with_candidate"):
            label = "proposals" if key == "detections" else f"  {key.replace('_', ' ')}"
            yield label, {split: counts[key] for split, counts in report["proposals"].items()}
    if report["annotations"]:
        splits = report["annotations"]["splits"]
        for key in sorted({key for counts in splits.values() for key in counts}):
            yield (
                f"annotated: {key.replace('_', ' ')}",
                {split: counts.get(key, 0) for split, counts in splits.items()},
            )


def _table(splits: list[str], rows: list[Row]) -> Iterator[str]:
    cells = [["", *splits], *([label, *(f"{n.get(s, 0):,}" for s in splits)] for label, n in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for first, *numbers in cells:
        aligned = (cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))
        yield "   ".join([first.ljust(widths[0]), *aligned]).rstrip()


def _releases(report: dict[str, Any]) -> Iterator[str]:
    for release in report["releases"]:
        notes = []
        if release["counts"]:
            counts = release["counts"]
            notes.append(f"split {release['split']}")
            notes.append(f"clips: {counts['clips']:,}")
            notes.append(f"boxes: {counts['boxes']:,}")
        if release["stand_in"]:
            notes.append("stand-in for people")
        if release["newest"]:
            notes.append("newest")
        yield f"  {release['name']}  ({'; '.join(notes) or 'no manifest'})"


def _runs(report: dict[str, Any]) -> Iterator[str]:
    for run in report["runs"]:
        yield f"  {run['name']}  (files: {run['files']:,})"


def _predictions(report: dict[str, Any]) -> Iterator[str]:
    for kept in report["predictions"]:
        yield f"  {kept['name']}  (maps of clips: {kept['maps']:,})"
