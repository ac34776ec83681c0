"""``vggss audit-training``: what training lists share with a test set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import (
    data_option,
    emit_json,
    json_option,
    refuse_overwriting,
    say,
)
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import RELEASE_FILE, Workspace

if TYPE_CHECKING:
    from vggss_tools.clip_lists import ClipList


@click.command("audit-training")
@click.argument(
    "lists", metavar="LIST...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--test-set",
    "test_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Clip list or annotations of the test set.  "
    "[default: vggss.json in the data directory, else its newest release]",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the one LIST without leaked clips and clips of the same videos; the other rows "
    "stay as they are.",
)
@click.option("--keep-same-video", is_flag=True, help="Leave only leaked clips out of --out.")
@click.option(
    "--fail-if-leaked",
    is_flag=True,
    help="Exit with code 6 if a clip of the test set is in a list.",
)
@data_option
@json_option
def command(
    lists: tuple[Path, ...],
    test_path: Path | None,
    out: Path | None,
    *,
    keep_same_video: bool,
    fail_if_leaked: bool,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Count the clips of a test set that are in training lists.

    Lists are read in every form that the field publishes: one clip a line with or without folder
    and suffix, csv, JSON, Parquet. Leaked are clips with the same id; counted apart are other
    clips of the same videos.

    \b
    Examples:
      vggss audit-training vggss_144k.txt --test-set vggss.json
      vggss audit-training vggss_144k.txt --test-set vggss.json --out clean_144k.txt
      vggss audit-training lists/*.txt --test-set vggss.json --json leakage.json
    """
    from vggss_tools.atomic import atomic_path, check_writable
    from vggss_tools.clip_lists import read_clip_list
    from vggss_tools.evaluate.leakage import SCHEMA, format_leakage, leakage, same_video

    if out is not None and len(lists) > 1:
        raise click.UsageError("--out takes one LIST; clean them one after the other.")
    if keep_same_video and out is None:
        raise click.UsageError("--keep-same-video is about --out FILE, which is not given.")
    test_path = test_path or default_test_set(workspace)
    refuse_overwriting({"--out": out, "--json": json_out}, (*lists, test_path))
    if out is not None:
        check_writable(out)
    test = read_clip_list(test_path)
    trains = [read_clip_list(path) for path in lists]
    for one in (test, *trains):
        say_notes(one)
    found = [leakage(train, test.ids, test.name) for train in trains]
    if out is not None:
        drop = set(test.ids)
        if not keep_same_video:
            drop.update(same_video(trains[0].ids, test.ids))
        cleaned = trains[0].without(drop)
        with atomic_path(out) as part:
            part.write_bytes(cleaned)
        n_dropped = len(drop.intersection(trains[0].ids))
        say(f"{out}: {trains[0].name} without {n_dropped:,} clips")
    if json_out != "-":
        click.echo(format_leakage(found))
    value = dict(found[0]) if len(found) == 1 else {"schema": SCHEMA, "lists": found}
    emit_json(value, json_out)
    leaky = [one for one in found if one["n_leaked"]]
    if leaky and fail_if_leaked:
        raise InvalidInput(
            f"{leaky[0]['list']}: holds {leaky[0]['n_leaked']:,} of the {leaky[0]['n_test']:,} "
            f"clips of {leaky[0]['test_set']}; write a clean list with --out FILE"
        )


def default_test_set(workspace: Workspace) -> Path:
    """Return the published annotations in the data directory, or its newest release.

    Raises
    ------
    VggssError
        If there is neither; the message says how to get one.
    """
    published = workspace.root / RELEASE_FILE
    if published.is_file():
        return published
    release = workspace.newest_release()
    if release is not None:
        return release / RELEASE_FILE
    raise VggssError(
        f"{workspace.root}: no annotations there to audit against; give --test-set FILE, such as "
        "the published vggss.json (github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way, "
        "metadata/)"
    )


def say_notes(one: ClipList) -> None:
    """Say what was passed over and what stands twice."""
    for note in one.notes:
        say(f"{one.name}: {note}")
    if one.duplicates:
        say(
            f"{one.name}: {len(one.duplicates):,} clips stand there more than once "
            f"({one.duplicates[0]} first); each is counted once"
        )
    if one.conflicts:
        say(
            f"{one.name}: {len(one.conflicts):,} clips have two classes or splits "
            f"({one.conflicts[0]} first)"
        )
