"""``vggss agreement``: how far reviewers agree, and where they do not."""

from __future__ import annotations

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, refuse_overwriting
from vggss_tools.workspace import Workspace


@click.command("agreement")
@click.option("--split", metavar="NAME", help="Only clips of this split.  [default: all events]")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Disagreements to print; --json has all.",
)
@data_option
@json_option
def command(split: str | None, limit: int, workspace: Workspace, json_out: str | None) -> None:
    """Say how far reviewers agree, and on which clips they do not.

    Over the clips and classes that several people decided: Cohen's kappa of every two reviewers,
    Fleiss' kappa of all, and the mean IoU of the boxes that they share. A kappa of 1 is full
    agreement, 0 is what chance alone would give; where all decisions are the same there is none.

    \b
    Examples:
      vggss agreement
      vggss agreement --split test --limit 100
      vggss agreement --json -
    """
    from vggss_tools.annotate.agreement import agreement
    from vggss_tools.annotate.agreement_text import format_agreement
    from vggss_tools.annotate.fold import fold
    from vggss_tools.annotate.log import read_events
    from vggss_tools.errors import VggssError

    refuse_overwriting({"--json": json_out}, [workspace.annotations_log, workspace.clips_table])
    events = read_events(workspace.annotations_log)
    if not events:
        raise VggssError(
            f"{workspace.annotations_log}: no annotations; they come from reviewers, such as with "
            "`vggss verify` or `vggss import`"
        )
    if split is not None:
        known = {clip.clip_id for clip in workspace.clips(split)}
        events = [event for event in events if event.clip_id in known]
    states = fold(events)
    found = agreement(states, split)
    if json_out != "-":
        click.echo(format_agreement(found, limit))
    emit_json(found, json_out)
