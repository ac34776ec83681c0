"""``vggss verify``: people say yes, no or not sure to each clip, in the FiftyOne App."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-verify/1"


def _check_only(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from vggss_tools.verify.asking import CHOICES, CLASS_PREFIX

    if value is None or value in CHOICES or value.startswith(CLASS_PREFIX):
        return value
    raise click.BadParameter(f"{value!r} is not one of {', '.join(CHOICES)}, class:NAME.")


def _own_name() -> str:
    """Return the name of the account, which most people recognise as their own."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise click.UsageError("nobody knows your name here; give --reviewer NAME") from None


@click.command("verify")
@click.option("--split", default="test", show_default=True, help="Split of the clips to verify.")
@click.option(
    "--reviewer",
    metavar="NAME",
    help="Whose answers these are.  [default: your login; with --sync, whose session was the last]",
)
@click.option(
    "--only",
    metavar="WHICH",
    callback=_check_only,
    help="to-verify (nobody has answered), not-sure, disagreements, doubtful or class:NAME.  "
    "[default: all]",
)
@click.option(
    "--doubtful",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="List of doubtful clips, an id and perhaps a tab and a reason a line.  "
    "[default: verify/doubtful.txt in the data directory]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of the App on 127.0.0.1.  [default: FiftyOne's, 5151]",
)
@click.option(
    "--remote", is_flag=True, help="The browser is on another machine: open none, say how."
)
@click.option(
    "--sync",
    "sync_only",
    is_flag=True,
    help="Take edits and tags made with FiftyOne's own tools into the log, and end.",
)
@click.option("--rebuild", is_flag=True, help="Make FiftyOne's data set anew from the log.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that cut segments of clips.  [default: one a core]",
)
@data_option
@json_option
def command(
    split: str,
    reviewer: str | None,
    only: str | None,
    doubtful: Path | None,
    port: int | None,
    *,
    remote: bool,
    sync_only: bool,
    rebuild: bool,
    workers: int | None,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Verify clips in the FiftyOne App: yes, no or not sure.

    Shows the five seconds round each frame, with sound and boxes; Y, N or U answers and goes on.
    Boxes can be drawn, moved and marked as silent. Every answer is in annotations.jsonl before
    the next clip shows; FiftyOne's data set vggss-tools-SPLIT is made from it and can be made
    again.

    \b
    Examples:
      vggss verify --reviewer ann
      vggss verify --reviewer ann --only class:helicopter --port 5160
      vggss verify --split test --reviewer ann --sync
    """
    from vggss_tools.annotate.reviewers import reviewer_name
    from vggss_tools.verify.app import check_port, run_app
    from vggss_tools.verify.review import Review, build, sync

    review = Review(
        workspace=workspace,
        split=split,
        reviewer=reviewer_name(_own_name() if reviewer is None else reviewer),
        only=only,
        doubtful=doubtful,
        port=port,
        remote=remote,
        rebuild=rebuild,
        workers=workers,
    )
    if sync_only:
        synced = sync(review, claimed=reviewer is not None)
    else:
        if port is not None:
            check_port(port)
        session = build(review, say)
        synced = run_app(review, session, say)
    for line in synced.ignored:
        say(f"left out: {line}")
    say(synced.as_text())
    emit_json(
        {
            "schema": SCHEMA,
            "split": split,
            "reviewer": synced.reviewer,
            "events": len(synced.clips),
            "clips": synced.clips,
            "ignored": synced.ignored,
        },
        json_out,
    )
