"""``vggss release``: the annotation log, frozen under a name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from vggss_tools.cli.options import (
    data_option,
    emit_json,
    json_option,
    refuse_overwriting,
    say,
)
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace


@click.command("release")
@click.argument("name")
@click.option("--split", default="test", show_default=True, help="Split of the clips to release.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the release.  [default: releases/NAME in the data directory]",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace a release there; the old one is kept in .replaced beside it.",
)
@click.option(
    "--consensus",
    "needed",
    metavar="C",
    type=click.IntRange(min=1),
    help="Release what at least C reviewers agree on (the paper's C is 2).  [default: the newest "
    "decision counts]",
)
@click.option(
    "--against",
    metavar="NAME|PATH",
    help="Release or vggss.json to say the changes since.  [default: the newest earlier release "
    "of the split]",
)
@click.option(
    "--date",
    "dated",
    metavar="YYYY-MM-DD",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Date of the release.  [default: the day of the newest annotation, UTC]",
)
@click.option("--licence", metavar="TEXT", help="Licence of the boxes, for the datasheet.")
@data_option
@json_option
def command(
    name: str,
    split: str,
    out: Path | None,
    needed: int | None,
    against: str | None,
    dated: datetime | None,
    licence: str | None,
    *,
    force: bool,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Fold the annotation log into a released set of boxes.

    Writes releases/NAME in the data directory: vggss.json (what sounds, in the published format
    of VGG-SS), silent.json (what is visible and silent), the same boxes as COCO and Parquet,
    decisions.csv (why clips are left out), a datasheet with drawings, the changes since an earlier
    release, release.json (counts, and who the boxes come from) and SHA256SUMS. A release never
    changes: with the same annotations nothing is written, with others NAME is refused.

    \b
    Examples:
      vggss release 2026-03
      vggss release 2026-04 --consensus 2 --against 2026-03 --licence "CC BY 4.0"
      vggss --data world release sample --split test --json
    """
    from vggss_tools.annotate.release.folder import check_name
    from vggss_tools.annotate.release.making import make_release

    try:
        check_name(name)
    except VggssError as error:
        raise click.UsageError(f"{error.message}.") from None
    _keep_releases(workspace, out or workspace.release_dir(name), against, json_out)
    release = make_release(
        workspace,
        name,
        split=split,
        folder=out,
        force=force,
        needed=needed,
        against=against,
        dated=dated.date() if dated else None,
        licence=licence,
    )
    manifest = release.manifest
    if release.kept is not None:
        say(f"The release that was there is kept: {release.kept}")
    if json_out != "-":
        counts, sources = manifest["counts"], manifest["sources"]
        click.echo(f"{release.folder}  ({release.action})")
        click.echo(
            f"  clips: {counts['clips']:,}; classes: {counts['classes']}; "
            f"sounding boxes: {counts['boxes']:,}; "
            f"silent boxes: {counts['silent_boxes']:,} (clips: {counts['silent_clips']:,})"
        )
        left_out = {key: n for key, n in manifest["decisions"].items() if key != "yes"}
        if left_out:
            listed = ", ".join(f"{n:,} {key.replace('_', ' ')}" for key, n in left_out.items())
            click.echo(f"  clips left out, by decision: {listed}")
        reviewers = ", ".join(f"{name} ({n:,})" for name, n in sources["reviewers"].items())
        click.echo(f"  reviewers (events): {reviewers}")
        changes = manifest.get("changes")
        if changes:
            listed = ", ".join(
                f"{'?' if n is None else f'{n:,}'} {key.replace('_', ' ')}"
                for key, n in changes.items()
                if key != "against"
            )
            click.echo(f"  since {changes['against']['name']}: {listed}")
        for file, reason in manifest.get("left_out", {}).items():
            click.echo(f"  without {file}: {reason}")
        if manifest["stand_in"]:
            click.echo("  stand-in: boxes are a sample world's own truth; nobody looked at them")
    emit_json({**manifest, "action": release.action, "folder": str(release.folder)}, json_out)


def _keep_releases(
    workspace: Workspace, folder: Path, against: str | None, json_out: str | None
) -> None:
    """Refuse to write over what the release is compared with, or into any release."""
    earlier = None if against is None else Path(against)
    outputs: dict[str, Path | str | None] = {"--out": folder, "--json": json_out}
    refuse_overwriting(outputs, [earlier])
    if json_out in (None, "-"):
        return
    result = Path(json_out).resolve()
    folders = [folder, workspace.release_dir("x").parent]
    folders += [earlier] if earlier is not None and earlier.is_dir() else []
    for one in folders:
        if result.is_relative_to(one.resolve()):
            raise InvalidInput(
                f"{json_out}: lies among releases, which never change; give --json another name"
            )
