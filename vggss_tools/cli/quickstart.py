"""``vggss quickstart``: the whole way from clips to a scored benchmark."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from vggss_tools.cli import group
from vggss_tools.cli.options import emit_json, json_option, results_to_stderr, say


@click.command("quickstart")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default="quickstart",
    show_default=True,
    help="Folder for the sample world and every result.",
)
@click.option("--seed", type=click.IntRange(0, 999), default=0, show_default=True, help="World.")
@click.option("--dry-run", is_flag=True, help="Print the commands, run nothing.")
@json_option
def command(out: str, seed: int, dry_run: bool, json_out: str | None) -> None:
    """Walk the whole way on a small synthetic world.

    Renders a sample world, extracts frames and sounds, proposes boxes, releases annotations,
    trains a localiser, writes its predictions, scores them and writes a report. What people do
    in the making of VGG-SS (correcting boxes, watching clips) is stood in for by the sample
    world's exact boxes. A run that was stopped goes on where it was.

    \b
    Examples:
      vggss quickstart
      vggss quickstart --out /tmp/first-look --seed 1
    """
    from vggss_tools.pipeline import command_lines, read_pipeline, run_pipeline

    lines = command_lines(read_pipeline("quickstart"), group, {"out": out, "seed": seed})
    if dry_run:
        for line in lines:
            click.echo(f"vggss {shlex.join(line)}")
        return
    with results_to_stderr(json_out):
        run_pipeline(lines, group, "quickstart")
    if json_out is not None:
        emit_json(json.loads((Path(out) / "benchmark.json").read_text("utf-8")), json_out)
    say(
        f"\nDone. Open {Path(out) / 'report.html'} in a browser; "
        f"the scores are in {Path(out) / 'benchmark.json'}.\n"
        "The boxes are the sample world's own, standing in for people's: "
        "these scores say nothing about VGG-SS."
    )
