"""``vggss import``: what people changed in a format of other tools, back into the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import (
    FormatName,
    data_option,
    emit_json,
    json_option,
    refuse_overwriting,
    say,
)
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.events import Event
    from vggss_tools.annotate.importing import AnswerFile

_SHOWN = 5
_DATABASE = "fiftyone:"
_HINTS = {
    "imported before": "what was said since stands; `vggss verify`, or a file with other answers, "
    "changes it"
}


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
    from vggss_tools.annotate.reviewers import reviewer_name

    if not path.strip():
        raise click.UsageError("PATH is empty; give the file or folder that is to be imported.")
    from_database = format_name == "fiftyone" and path.startswith(_DATABASE)
    if path == _DATABASE:
        raise click.UsageError(f"{path} names no data set; give {_DATABASE}NAME.")
    if reviewer is not None:
        reviewer = reviewer_name(reviewer)
    if not from_database:
        _keep_input(Path(path), json_out)
    format_ = FORMATS[format_name]
    known = WorkspaceItems(workspace)
    try:
        if from_database:
            files = [_database_answers(path, workspace, format_.precision)]
        else:
            files = read_answer_files(Path(path), format_, known)
        plan = plan_import(files, known, tool=f"vggss import {format_name}", reviewer=reviewer)
    except Refused as error:
        # The answers' places begin with the file's name, which the path has already.
        cause = str(error).removeprefix(f"{Path(path).name}: ")
        raise InvalidInput(f"{path}: {cause}; nothing was imported") from None
    _warn_of_namesakes(plan.events, known.events)
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
            if reason in _HINTS:
                say(f"    ({_HINTS[reason]})")
    emit_json({**plan.as_json(), "dry_run": dry_run}, json_out)


def _database_answers(path: str, workspace: Workspace, precision: float) -> AnswerFile:
    from vggss_tools.annotate.importing import AnswerFile
    from vggss_tools.verify.sync import read_answers

    name = path.removeprefix(_DATABASE)
    try:
        return AnswerFile(path, read_answers(name, workspace.root), precision)
    except VggssError as error:
        # It names the data set; here it was asked for with the prefix.
        if type(error) is not VggssError or not error.message.startswith(f"{name}: "):
            raise
        raise VggssError(f"{_DATABASE}{error.message}") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}; nothing was imported") from None


def _keep_input(path: Path, json_out: str | None) -> None:
    """Refuse to write the result over, or among, what is read."""
    read = [path]
    if json_out not in (None, "-") and path.is_dir():
        result = Path(json_out)
        if result.resolve().is_relative_to(path.resolve()):
            read.append(result)
    refuse_overwriting({"--json": json_out}, read)


def _warn_of_namesakes(events: list[Event], log: list[Event]) -> None:
    from vggss_tools.annotate.reviewers import namesake

    known = {event.reviewer for event in log}
    for name in sorted({event.reviewer for event in events}):
        other = namesake(name, known)
        if other is not None:
            say(f"  {name}: the log has {other}, who is another reviewer to it")
