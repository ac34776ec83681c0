"""``vggss export``: clips with their boxes and decisions in a format of other tools."""

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
from vggss_tools.errors import VggssError
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.formats.exchange import Item

SCHEMA = "vggss-export/1"
DECISIONS = ("yes", "no", "not_sure", "unseen")
_CLASS = "class:"


@click.command("export")
@click.argument("format_name", metavar="FORMAT", type=FormatName())
@click.option(
    "--out",
    required=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="File or folder to write; must not exist. A folder with --per-file or --assign.",
)
@click.option("--split", metavar="S", help="Only clips of this split.  [default: all]")
@click.option(
    "--only",
    metavar="WHICH",
    help="Only clips with this decision (yes, no, not_sure, unseen; several with commas), or of "
    "one class (class:NAME).",
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take clips, classes and boxes from a published vggss.json in place of the log. A data "
    "directory is then needed only for media.",
)
@click.option(
    "--errata",
    type=click.Choice(["apply", "keep"]),
    help="With --from: leave out what annotations/errata.csv documents as broken, or keep it.  "
    "[default: apply]",
)
@click.option(
    "--per-file", metavar="N", type=click.IntRange(1), help="Several projects of N clips at most."
)
@click.option(
    "--assign",
    metavar="A,B,C",
    help="One project for each of these reviewers, without anybody's decisions.",
)
@click.option(
    "--overlap",
    metavar="K",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With --assign: give each clip to K of them.",
)
@click.option(
    "--media",
    metavar="HOW",
    help="How media are referred to: relative, copy (into media/ beside), url:PREFIX or inline.  "
    "[default: relative]",
)
@data_option
@json_option
def command(
    format_name: str,
    out: Path,
    split: str | None,
    only: str | None,
    source: Path | None,
    errata: str | None,
    per_file: int | None,
    assign: str | None,
    overlap: int,
    media: str | None,
    *,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Write clips, boxes and decisions in a format of other tools.

    FORMAT is vggss, csv, coco, webdataset, parquet, fiftyone, via2, via3, lisa or review-page.
    Each clip is written as it stands: the event that counts, else the boxes that propose-boxes
    kept. What the format cannot hold is listed. Nothing is overwritten.

    \b
    Examples:
      vggss export coco --out coco.json --split test
      vggss export via3 --out for-reviewers --assign ada,bob,eve --overlap 2 --media copy
      vggss export vggss --from vggss.json --errata apply --out mended.json
    """
    from vggss_tools.annotate.assigning import check_reviewers
    from vggss_tools.annotate.exporting import export
    from vggss_tools.annotate.formats.registry import FORMATS, REGISTERED
    from vggss_tools.annotate.media_references import media_of

    if assign is None and overlap != 1:
        raise click.UsageError("--overlap needs --assign.")
    reviewers = [name.strip() for name in assign.split(",")] if assign is not None else []
    if reviewers == [""]:
        raise click.UsageError("--assign names nobody; give names with commas between them.")
    if reviewers:
        check_reviewers(reviewers, overlap)
    _check_only(only)
    if errata is not None and source is None:
        say("  --errata is about --from FILE: the log has none of the broken boxes")
    refuse_overwriting({"--out": out, "--json": json_out}, [source])
    format_ = FORMATS[format_name]
    _check_media(format_name, media)
    chosen = media_of(media or REGISTERED[format_name].default_media)
    items = _selected(_items(workspace, split, source, errata), only)
    done = export(
        items, format_, out, chosen, per_file=per_file, reviewers=reviewers, overlap=overlap
    )
    if json_out != "-":
        for project in done.projects:
            click.echo(f"{project.path}  ({len(project.items):,} clips)")
    for reason, count in done.left_out.items():
        say(f"  left out: {count:,} {reason}")
    for what, count in done.without.items():
        say(f"  written without a {what}: {count:,} (vggss extract)")
    for lost in format_.cannot_hold:
        say(f"  {format_name} cannot hold: {lost}")
    emit_json(
        {
            "schema": SCHEMA,
            "format": format_name,
            "n_clips": done.n_clips,
            "projects": [
                {
                    "path": str(project.path),
                    "n_clips": len(project.items),
                    "reviewer": project.reviewer,
                }
                for project in done.projects
            ],
            "left_out": done.left_out,
            "without": done.without,
            "cannot_hold": list(format_.cannot_hold),
        },
        json_out,
    )


def _check_media(format_name: str, media: str | None) -> None:
    from vggss_tools.annotate.formats.registry import REGISTERED

    ways = REGISTERED[format_name].media
    kind = (media or "").partition(":")[0]
    if media is not None and kind not in ways:
        can = f"it can be {', '.join(ways)}" if ways else "it holds its media itself, or none"
        raise click.UsageError(f"--media {media}: not for {format_name}; {can}.")


def _items(
    workspace: Workspace, split: str | None, source: Path | None, errata: str | None
) -> list[Item]:
    from vggss_tools.annotate.errata import Errata
    from vggss_tools.annotate.items import WorkspaceItems, documented_errata, published_items

    if source is None:
        return list(WorkspaceItems(workspace, split).values())
    from vggss_tools.annotate.vggss_json import read_vggss_json

    annotations = read_vggss_json(source)
    # A data directory is of use for its frames; a published file alone is enough for some formats.
    here = WorkspaceItems(workspace) if workspace.clips_table.is_file() else None
    left_out = documented_errata(annotations) if errata != "keep" else Errata()
    if left_out:
        n_boxes = sum(map(len, left_out.dropped_boxes.values()))
        say(f"  errata applied: {len(left_out.dropped_clips)} clips and {n_boxes} boxes left out")
    items = published_items(annotations, left_out, here)
    chosen = [item for item in items if split is None or item.split == split]
    if not chosen:
        splits = sorted({item.split for item in items})
        where = "the splits are" if here else "a published file has no splits: all clips are of"
        raise VggssError(f"{source}: no clip of split {split!r}; {where} {', '.join(splits)}")
    return chosen


def _check_only(only: str | None) -> None:
    if only is None or (only.startswith(_CLASS) and only != _CLASS):
        return
    unknown = [word for word in _decisions(only) if word not in DECISIONS]
    if unknown:
        raise click.UsageError(
            f"--only {only}: {unknown[0]!r} is not one of {', '.join(DECISIONS)}, class:NAME."
        )


def _decisions(only: str) -> list[str]:
    return [word.strip().replace("-", "_") for word in only.split(",")]


def _selected(items: list[Item], only: str | None) -> list[Item]:
    if only is None:
        return items
    if only.startswith(_CLASS):
        return [item for item in items if item.label == only.removeprefix(_CLASS)]
    return [item for item in items if item.decision in _decisions(only)]
