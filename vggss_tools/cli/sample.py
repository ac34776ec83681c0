"""``vggss sample``: a complete data directory of synthetic clips."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-sample/1"


@click.command("sample")
@click.argument(
    "directory", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which world; its clips follow from this number alone.",
)
@click.option(
    "--train",
    type=click.IntRange(min=0),
    default=900,
    show_default=True,
    metavar="N",
    help="Clips to train on.",
)
@click.option(
    "--test",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="N",
    help="Clips to test on, with other instances of the same classes.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes; 0 works in this one.  [default: one a core]",
)
@data_option
@json_option
def command(
    directory: Path | None,
    seed: int,
    train: int,
    test: int,
    workers: int | None,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Make a sample world: a complete data directory of synthetic clips.

    Each clip has ten seconds of picture and sound with one class that sounds and one or two
    things that are seen and silent. The boxes are exact; where people annotate real clips, the
    events in annotations.jsonl stand in for them and say so. DIR is a data directory for every
    other command. A world that was cut off is continued, one that is complete is left as it is,
    and asking for more clips adds them.

    \b
    Examples:
      vggss sample my-world
      vggss sample my-world --seed 7 --train 96 --test 24 --workers 2
    """
    from vggss_tools.sample.build import World, build_world

    if train + test == 0:
        raise click.UsageError("a world needs at least one clip; give --train or --test a number")
    if directory is not None:
        workspace = Workspace(directory)
    summary = build_world(workspace, World(seed, train, test), workers=workers)
    clips = [] if summary.failures else workspace.clips()
    splits = {name: sum(clip.split == name for clip in clips) for name in ("train", "test")}
    if not summary.failures:
        say(
            f"{workspace.root}: {splits['train']} train and {splits['test']} test clips "
            f"({summary.done} made now, {summary.skipped} before)"
        )
    emit_json(
        {
            "schema": SCHEMA,
            "data": str(workspace.root),
            "seed": seed,
            "clips": splits,
            "classes": sorted({clip.label for clip in clips}),
            **summary.as_json(),
        },
        json_out,
    )
    summary.raise_for_failures()
