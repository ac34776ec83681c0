"""``vggss leaderboard``: published results and one's own, never two rules in one table."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import OneOrMore, data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

FAMILY_NAMES = ("median", "adaptive", "sweep", "fixed", "own", "extended", "unstated")
FORM_NAMES = ("table", "markdown", "latex", "csv")


@click.command("leaderboard")
@click.option(
    "--family", type=click.Choice(FAMILY_NAMES), help="Only results of this family of protocols."
)
@click.option(
    "--test-set",
    metavar="NAME",
    help="Only results on this test set, such as vgg-ss or flickr-soundnet.",
)
@click.option(
    "--add",
    "added",
    metavar="SCORES.json",
    cls=OneOrMore,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Place a result of `vggss benchmark --json` in its tables; may be given often.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORM_NAMES),
    default="table",
    show_default=True,
    help="Form of the tables on stdout.",
)
@data_option
@json_option
def command(
    family: str | None,
    test_set: str | None,
    added: tuple[Path, ...],
    form: str,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Show published results, one table per test set and protocol family.

    Scores of different families say different things: half of the frame predicted, the truth's
    size given away, a threshold chosen on the test set. So they never stand in one table, and a
    new run is placed in its own family only. A run that is incomplete, or on other boxes, gets a
    table of its own.

    \b
    Examples:
      vggss leaderboard --test-set vgg-ss
      vggss leaderboard --family median --add scores.json
      vggss leaderboard --test-set vgg-ss --family median --format latex
    """
    from vggss_tools.evaluate.leaderboard import apart, make_leaderboard, read_run
    from vggss_tools.evaluate.leaderboard_text import format_leaderboard

    runs = {path: read_run(path) for path in added}
    for path, run in runs.items():
        for line in apart(run):
            say(f"{path.name}: {line}")
    board = make_leaderboard(runs.values(), family=family, test_set=test_set)
    if json_out != "-":
        click.echo(format_leaderboard(board, form))
    emit_json(dict(board), json_out)
