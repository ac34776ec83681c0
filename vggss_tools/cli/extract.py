"""``vggss extract``: the benchmark frame and the centre sound of each clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.stages import StageSummary

SCHEMA = "vggss-extract/1"

# Beyond these lies a slip of the pen, which would mark every clip as failed.
LATEST = 3600  # seconds into a clip
LONGEST = 600  # seconds of sound
HIGHEST_RATE = 384_000  # of common recorders, in samples per second


@click.command("extract")
@data_option
@click.option("--split", metavar="NAME", help="Only the clips of this split.  [default: all]")
@click.option(
    "--frame-time",
    type=FiniteRange(min=0, max=LATEST),
    default=4.96,
    show_default=True,
    help="Seconds into the clip, to the nearest 1/25 s; 4.96 is the benchmark's frame 125.",
)
@click.option(
    "--seconds",
    type=FiniteRange(min=0, max=LONGEST, min_open=True),
    default=3.0,
    show_default=True,
    help="Length of the sound.",
)
@click.option(
    "--centre",
    type=FiniteRange(min=0, max=LATEST),
    default=5.0,
    show_default=True,
    help="Middle of the sound, in seconds.",
)
@click.option(
    "--rate",
    type=click.IntRange(min=1000, max=HIGHEST_RATE),
    default=16_000,
    show_default=True,
    help="Samples of sound per second.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes; 0 works in this one.  [default: one a core]",
)
@click.option("--retry", is_flag=True, help="Try again the clips whose files were found unfit.")
@json_option
def command(
    workspace: Workspace,
    split: str | None,
    frame_time: float,
    seconds: float,
    centre: float,
    rate: int,
    workers: int | None,
    retry: bool,
    json_out: str | None,
) -> None:
    """Take the benchmark frame and the centre sound from each clip.

    Reads clips/<clip_id>.mp4 and writes frames/<clip_id>.jpg and audio/<clip_id>.wav. What is
    done already is not done again, unless the clip or a setting has changed. Exit code 3 says
    that some clips can never succeed, 4 that running again helps.

    \b
    Examples:
      vggss extract --data my-data
      vggss extract --split test --workers 4 --json result.json
    """
    from vggss_tools.extract import ExtractStage
    from vggss_tools.stages import run_stage

    clips = workspace.clips(split)
    stage = ExtractStage(workspace, frame_time, seconds, rate, centre)
    summary = run_stage(stage, clips, workspace, workers=workers, retry_failed=retry)
    say(outcome_table(summary))
    emit_json(
        {
            "schema": SCHEMA,
            "data": str(workspace.root),
            "split": split,
            "settings": stage.settings(),
            "n_clips": len(clips),
            **summary.as_json(),
        },
        json_out,
    )
    summary.raise_for_failures()


def outcome_table(summary: StageSummary) -> str:
    """Return the counts by outcome, one a line, for people."""
    rows = {"done": summary.done, "done before": summary.skipped, **summary.failed}
    wide = max(map(len, rows))
    digits = len(str(max(rows.values())))
    return "\n".join(
        f"{summary.stage}  {name:<{wide}}  {count:>{digits}}"
        for name, count in rows.items()
        if count or name == "done"
    )
