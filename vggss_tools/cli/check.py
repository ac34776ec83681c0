"""``vggss check``: the rules of annotation, applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, refuse_overwriting, say
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.audit.rules import Standing, Violation

SCHEMA = "vggss-check/1"
SHOWN = 40  # violations on a screen; --json and --out have all


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--split", metavar="NAME", help="Only the clips of this split.  [default: all]")
@click.option(
    "--rules",
    "rules_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Rules of your own.  [default: annotations/box_rules.yaml]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a page there that shows each violation on its frame; a new or empty folder.",
)
@data_option
@json_option
def command(
    file: Path | None,
    split: str | None,
    rules_path: Path | None,
    out: Path | None,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Apply the rules of annotation to the boxes that stand.

    Checked are the annotations of the data directory, or FILE of the published format. The rules
    are removed classes, the fewer-than-5 rule, boxes that cannot be separated, the least area and
    classes of interaction. Exit code 6 says that a rule is broken. Nothing is changed.

    \b
    Examples:
      vggss check --split test --out to-look-at
      vggss check vggss.json --json -
    """
    from vggss_tools.annotate.audit.rules import check, counts
    from vggss_tools.propose.rules import load_rules

    if file is not None and split is not None:
        raise click.UsageError("--split is about the data directory, not about FILE.")
    refuse_overwriting({"--json": json_out, "--out": out}, [file, rules_path])
    rules = load_rules(rules_path)
    if out is not None and out.exists() and any(out.iterdir()):
        raise VggssError(f"{out}: not empty; choose another folder for --out, or empty it")
    standing = _standing(workspace, file, split)
    violations = check(standing, rules)
    number = counts(violations)
    _print(violations, number, len(standing))
    if out is not None:
        _write_page(out, violations, standing, workspace)
    emit_json(
        {
            "schema": SCHEMA,
            "rules": rules.settings()["sha256"],
            "n_clips": len(standing),
            "findings": [
                {
                    "clip_id": one.clip_id,
                    "class": one.label,
                    "rule": one.rule,
                    "boxes": list(one.boxes),
                    "message": one.message,
                }
                for one in violations
            ],
            "counts": number,
        },
        json_out,
    )
    if violations:
        kinds = ", ".join(f"{count} {rule}" for rule, count in number.items())
        look = "look at them with --out DIR, and" if out is None else f"look at {out}, and"
        raise InvalidInput(
            f"{file or workspace.annotations_log}: {len(violations)} violation(s): {kinds}; "
            f"{look} correct the boxes"
        )


def _standing(workspace: Workspace, file: Path | None, split: str | None) -> list[Standing]:
    from vggss_tools.annotate.audit.rules import standing_in_file, standing_in_log
    from vggss_tools.annotate.fold import fold
    from vggss_tools.annotate.log import read_events
    from vggss_tools.annotate.vggss_json import read_vggss_json

    if file is not None:
        return standing_in_file(read_vggss_json(file))
    clips = workspace.clips(split)
    if not workspace.annotations_log.is_file():
        raise VggssError(
            f"{workspace.annotations_log}: no annotations to check; they come from reviewers, or "
            "give a FILE of the published format"
        )
    return standing_in_log(clips, fold(read_events(workspace.annotations_log)))


def _write_page(
    out: Path, violations: list[Violation], standing: list[Standing], workspace: Workspace
) -> None:
    from vggss_tools.annotate.audit.page import PAGE, write_page

    frames = {
        one.clip_id: path
        for one in violations
        if (path := workspace.frame_path(one.clip_id)).is_file()
    }
    without = write_page(out, violations, standing, frames)
    if without:
        say(f"{len(without)} clip(s) without a frame in {workspace.root}, such as {without[0]}; "
            "`vggss extract` makes them")  # fmt: skip
    say(f"{out / PAGE}: {len(violations)} violation(s)")


def _print(violations: list[Violation], number: dict[str, int], n_clips: int) -> None:
    for one in violations[:SHOWN]:
        say(f"{one.clip_id}  {one.label}: {one.rule}: {one.message}")
    if len(violations) > SHOWN:
        say(f"… and {len(violations) - SHOWN} more; --json and --out have all")
    for rule, count in number.items():
        say(f"  {rule:<14} {count:>6}")
    say(f"{n_clips} clips checked" + ("" if violations else "; no rule is broken"))
