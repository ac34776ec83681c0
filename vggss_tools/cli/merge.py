"""``vggss merge``: the ledgers of shards become one."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace


@click.command("merge")
@click.argument("ledgers", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be taken, and write nothing.")
@data_option
@json_option
def command(
    ledgers: tuple[Path, ...], *, dry_run: bool, workspace: Workspace, json_out: str | None
) -> None:
    """Join the ledgers of shards into that of a data directory.

    Each of LEDGERS is a ledger.sqlite, or a data directory with one. Of each clip and stage the
    newest outcome stays; of equally old ones, one that is done. The clip tables of data directories
    are joined as well; a clip with two classes or splits is refused. Copy the files (clips/,
    frames/, audio/) into the data directory yourself, with their times, or they count as gone and
    are made again. A damaged ledger is refused, and then nothing is changed.

    \b
    Examples:
      vggss merge --data all shard-1 shard-2 shard-3
      vggss merge --data all --dry-run --json shard-*/ledger.sqlite
    """
    from vggss_tools.merge import SCHEMA, merge_clip_tables, merge_ledgers

    clips = merge_clip_tables(workspace, ledgers, dry_run=True)  # refused before anything is made
    if not dry_run:
        workspace = Workspace.create(workspace.root)
    counts = merge_ledgers(workspace.ledger_path, ledgers, dry_run=dry_run)
    if not dry_run:
        merge_clip_tables(workspace, ledgers)
    for name, (outcomes, taken) in counts.taken.items():
        say(f"{name}: {taken:,} of {outcomes:,} outcomes")
    would = " (nothing written)" if dry_run else ""
    say(
        f"{workspace.ledger_path}: {counts.added:,} added, {counts.replaced:,} replaced, "
        f"{counts.kept:,} kept{would}; files are not joined"
    )
    if clips:
        say(f"{workspace.clips_table}: {clips:,} clips{would}")
    else:
        say(
            "no clip table was given, so classes and splits are not known here: copy clips.parquet "
            "as well, or name data directories rather than ledgers"
        )
    said = {"data": str(workspace.root), "dry_run": dry_run, "clips": clips}
    emit_json({"schema": SCHEMA, **said, **counts.as_json()}, json_out)
