"""``vggss validate``: every recorded file, checked."""

from __future__ import annotations

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

SHOWN = 20  # findings that are printed; --json has all


@click.command("validate")
@click.option("--split", metavar="NAME", help="Only the clips of this split.  [default: all]")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Files that are read at a time.  [default: one a core]",
)
@data_option
@json_option
def command(
    split: str | None, workers: int | None, workspace: Workspace, json_out: str | None
) -> None:
    """Check every recorded file of a data directory against its checksum.

    Each file that the ledger knows is opened, probed and compared with the sha256 that was
    recorded when it was made. It may be missing, changed or unreadable; files in clips/, frames/,
    audio/ and proposals/ that the ledger does not know are unrecorded. Nothing is removed or
    repaired: each finding says what does that. Exit code 6 if there is any.

    \b
    Examples:
      vggss validate --data my-data
      vggss validate --split test --json findings.json
    """
    from vggss_tools.errors import VggssError
    from vggss_tools.validation import SCHEMA, raise_for_findings, validate

    if not workspace.root.is_dir():
        raise VggssError(
            f"{workspace.root}: no such data directory; choose another with --data DIR"
        )
    result = validate(workspace, split, workers=workers)
    for finding in result.findings[:SHOWN]:
        say(f"{finding.kind}: {finding.message}")
    if len(result.findings) > SHOWN:
        say(f"... and {len(result.findings) - SHOWN} more; --json lists all of them")
    say(f"{workspace.root}: {result.files:,} recorded files, {len(result.findings):,} findings")
    emit_json(
        {"schema": SCHEMA, "data": str(workspace.root), "split": split, **result.as_json()},
        json_out,
    )
    raise_for_findings(workspace.root, result.findings)
