"""``vggss run``: the steps of a pipeline file."""

from __future__ import annotations

import shlex

import click

from vggss_tools.cli import group
from vggss_tools.cli.options import emit_json, json_option, results_to_stderr
from vggss_tools.errors import VggssError


def parse_assignment(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Turn ``NAME=VALUE`` texts into a mapping."""
    pairs: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


@click.command("run")
@click.argument("pipeline")
@click.option("--out", metavar="DIR", help="Value of the pipeline's variable `out`.")
@click.option(
    "--set",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_assignment,
    help="Value of a variable of the pipeline; may be given more than once.",
)
@click.option("--dry-run", is_flag=True, help="Print the commands, run nothing.")
@json_option
def command(
    pipeline: str,
    out: str | None,
    variables: dict[str, str],
    dry_run: bool,
    json_out: str | None,
) -> None:
    """Run the steps of a pipeline file.

    PIPELINE is a YAML file, or the name of one that comes with vggss. Each step is a command
    that knows what is done already, so a run that was stopped goes on where it was.

    \b
    Examples:
      vggss run quickstart --out quickstart
      vggss run my-pipeline.yaml --set seed=3
      vggss run quickstart --dry-run
    """
    from vggss_tools.pipeline import command_lines, read_pipeline, run_pipeline

    chosen = read_pipeline(pipeline)
    overrides = dict(variables)
    if out is not None:
        overrides["out"] = out
    lines = command_lines(chosen, group, overrides)
    if any(line[0] in ("run", "quickstart") for line in lines):
        raise VggssError(f"pipeline {chosen.name}: a pipeline cannot run pipelines; list its steps")
    if dry_run:
        for line in lines:
            click.echo(f"vggss {shlex.join(line)}")
        return
    with results_to_stderr(json_out):
        run_pipeline(lines, group, chosen.name)
    emit_json({"schema": "vggss-run/1", "pipeline": chosen.name, "steps": lines}, json_out)
