"""``vggss doctor``: what this machine has and lacks."""

from __future__ import annotations

import click

from vggss_tools.cli.options import data_option, emit_json, json_option
from vggss_tools.errors import VggssError
from vggss_tools.workspace import Workspace


@click.command("doctor")
@data_option
@json_option
def command(workspace: Workspace, json_out: str | None) -> None:
    """Check what this machine has for the work, and say what to do.

    Looked at are Python, the decoder, ffmpeg, yt-dlp with the JavaScript runtime that YouTube
    needs, the data directory and its ledger, and the extras. Nothing is changed, and no host is
    asked. Exit code 1 says that something is missing that `fetch` or `extract` need; an extra
    that is not installed is no failure.

    \b
    Examples:
      vggss doctor
      vggss doctor --data my-data --json
    """
    from vggss_tools.doctor import SCHEMA, examine

    checks = examine(workspace)
    if json_out != "-":
        wide = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok" if check.ok else "MISSING"
            click.echo(f"{check.name:<{wide}}  {mark:<7}  {check.found}")
            if check.remedy:
                click.echo(f"{'':<{wide}}           -> {check.remedy}")
    emit_json(
        {
            "schema": SCHEMA,
            "data": str(workspace.root),
            "checks": [check.as_json() for check in checks],
        },
        json_out,
    )
    bad = [check for check in checks if not check.ok]
    if bad:
        first = f": {bad[0].found}; {bad[0].remedy}" if len(bad) == 1 else ""
        raise VggssError(f"doctor: {', '.join(check.name for check in bad)} not in order{first}")
