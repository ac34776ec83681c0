"""``vggss import``: what people changed in a format of other tools, back into the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import FormatName, data_option, emit_json, json_option, say
from vggss_tools.errors import InvalidInput
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.importing import AnswerFile

_SHOWN = 5


@click.command("import")
@click.argument("format_name", metavar="FORMAT", type=FormatName())
@click.argument("path", metavar="PATH")
@click.option(
    "--reviewer",
    metavar="NAME",
    help="Whose answers they are, where neither the file nor its name says so.",
)
@click.option("--dry-run", is_flag=True, help="Read and say what would be added; add nothing.")
@data_option
@json_option
def command(
    format_name: str,
    path: str,
    reviewer: str | None,
    *,
    dry_run: bool,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Take boxes and decisions of people back into the annotation log.

    FORMAT is one of those of `vggss export`; PATH is a file, or a folder with all projects that
    were exported with --assign or --per-file, or fiftyone:NAME, a data set in FiftyOne's own
    database. What was not changed adds nothing, nor does a file that was imported before. A file
    is taken whole or, with exit code 6, not at all.

    \b
    Examples:
      vggss import via2 via_project.json --reviewer ada
      vggss import review-page for-reviewers --dry-run --json -
      vggss import fiftyone fiftyone:vggss-tools-test --reviewer ada
    """
    from vggss_tools.annotate.formats.exchange import Refused
    from vggss_tools.annotate.formats.registry import FORMATS
    from vggss_tools.annotate.importing import plan_import
    from vggss_tools.annotate.items import WorkspaceItems
    from vggss_tools.annotate.log import append_events
    from vggss_tools.annotate.project_files import read_answer_files

    format_ = FORMATS[format_name]
    known = WorkspaceItems(workspace)
    try:
        if format_name == "fiftyone" and path.startswith("fiftyone:"):
            files = [_database_answers(path, format_.precision)]
        else:
            files = read_answer_files(Path(path), format_, known)
        plan = plan_import(files, known, tool=f"vggss import {format_name}", reviewer=reviewer)
    except Refused as error:
        raise InvalidInput(f"{path}: {error}; nothing was imported") from None
    if not dry_run:
        append_events(workspace.annotations_log, plan.events)
    if json_out != "-":
        verb = "would be added" if dry_run else "added"
        click.echo(
            f"{path}: {len(plan.clips):,} clips read; {len(plan.events):,} events {verb}; "
            f"{len(plan.ignored):,} answers ignored"
        )
        reasons: dict[str, list[str]] = {}
        for one in plan.ignored:
            reasons.setdefault(one["reason"], []).append(one["clip_id"])
        for reason, clips in reasons.items():
            more = ", …" if len(clips) > _SHOWN else ""
            say(f"  {len(clips):,} ignored, {reason}: {', '.join(clips[:_SHOWN])}{more}")
    emit_json({**plan.as_json(), "dry_run": dry_run}, json_out)


def _database_answers(path: str, precision: float) -> AnswerFile:
    from vggss_tools.annotate.importing import AnswerFile
    from vggss_tools.verify.sync import read_answers

    try:
        return AnswerFile(path, read_answers(path.partition(":")[2]), precision)
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}; nothing was imported") from None
