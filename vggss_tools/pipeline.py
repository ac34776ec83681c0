"""Pipelines: a YAML file that lists public commands and their options, run one after another.

::

    schema: vggss-pipeline/1
    name: quickstart
    description: One sentence.
    data: "{out}/data"            # the data directory of every step; optional
    vars: {out: quickstart, seed: 0}
    steps:
      - extract: {split: test}
      - train: {out: "{out}", seed: "{seed}"}

A step is a command of ``vggss`` with its options by name; ``{name}`` is replaced by a variable.
Each command knows by itself what is done already, so a pipeline that was stopped is run again
in the same way and goes on where it was.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from vggss_tools.errors import InvalidInput, SomeFailed, VggssError
from vggss_tools.resources import resource, resource_folder

SCHEMA = "vggss-pipeline/1"
KEYS = {"schema", "name", "description", "data", "vars", "steps"}
_VARIABLE = re.compile(r"\{([a-z_]+)\}")

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as read: variables are not filled in yet.

    Attributes
    ----------
    steps : tuple of (command name, options)
    variables : dict
        Name → default.
    """

    name: str
    description: str
    steps: tuple[tuple[str, Options], ...]
    variables: dict[str, Any] = field(default_factory=dict)
    data: str | None = None


def shipped_pipelines() -> list[str]:
    """Return the names of the pipelines that come with the package."""
    files = resource_folder("pipelines").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".yaml"))


def read_pipeline(source: str) -> Pipeline:
    """Read a pipeline file, or one that comes with the package by its bare name.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        If it is not a pipeline; the message names the key.
    """
    import yaml

    path = Path(source)
    try:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
        elif source in (names := shipped_pipelines()):
            text = resource(f"{source}.yaml", "pipelines").read_text("utf-8")
        else:
            raise VggssError(
                f"{source}: no such pipeline file; those that come with vggss: {', '.join(names)}"
            )
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{source}: not valid YAML ({reason}); correct it") from None
    return _parse(content, source)


def _parse(content: Any, source: str) -> Pipeline:
    def refuse(cause: str) -> InvalidInput:
        return InvalidInput(f"{source}: {cause}; see docs/pipelines.md for the format")

    if not isinstance(content, dict):
        raise refuse("not a mapping")
    if content.get("schema") != SCHEMA:
        raise refuse(f"`schema` is {content.get('schema')!r}, not {SCHEMA!r}")
    if unknown := sorted(map(str, set(content) - KEYS)):
        raise refuse(f"unknown key `{unknown[0]}`")
    if not isinstance(content.get("data") or "", str):
        raise refuse("`data` is not a path")
    variables = content.get("vars") or {}
    if not isinstance(variables, dict):
        raise refuse("`vars` is not a mapping of names to values")
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise refuse("`steps` is not a list of commands")
    parsed: list[tuple[str, Options]] = []
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict) or len(step) != 1:
            raise refuse(f"step {number} is not one `command: {{option: value}}`")
        ((command, options),) = step.items()
        if not isinstance(options or {}, dict):
            raise refuse(f"step {number} ({command}): the options are not a mapping")
        parsed.append((str(command), dict(options or {})))
    return Pipeline(
        name=str(content.get("name", Path(source).stem)),
        description=" ".join(str(content.get("description", "")).split()),
        steps=tuple(parsed),
        variables=variables,
        data=content.get("data"),
    )


def _fill(value: Any, variables: Mapping[str, Any], where: str) -> Any:
    """Replace ``{name}`` in a text by the variable."""
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        if match[1] not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise InvalidInput(f"{where}: no variable {{{match[1]}}}; those there are: {known}")
        return str(variables[match[1]])

    return _VARIABLE.sub(one, value)


def parameters_by_option(command: click.Command) -> dict[str, click.Parameter]:
    """Return a command's parameters by the names that a person knows, with underscores.

    An option goes by its flag (``image_backbone`` for ``--image-backbone``), an argument by its
    own name.
    """
    return {
        option.lstrip("-").replace("-", "_"): parameter
        for parameter in command.params
        for option in parameter.opts
    }


def step_arguments(command: click.Command, options: Options, where: str) -> list[str]:
    """Turn a step's options into the command line that a person would type.

    Raises
    ------
    InvalidInput
        If the command has no such option.
    """
    by_name = parameters_by_option(command)
    flags: list[str] = []
    positional: list[str] = []
    for key, value in options.items():
        parameter = by_name.get(str(key).replace("-", "_"))
        if parameter is None:
            raise InvalidInput(
                f"{where}: no option {key!r}; see `vggss {command.name} --help` for those it has"
            )
        values = value if isinstance(value, list) else [value]
        if any(isinstance(item, (dict, list)) or item is None for item in values):
            raise InvalidInput(f"{where}: {key} is {value!r}; give a value, or a list of values")
        if isinstance(parameter, click.Argument):
            positional += [str(item) for item in values]
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            if value is not False:
                flags.append(parameter.opts[-1])
            elif parameter.secondary_opts:
                flags.append(parameter.secondary_opts[-1])
        elif values == [True] and isinstance(getattr(parameter, "flag_value", None), str):
            flags.append(parameter.opts[-1])  # an option whose value may be left out
        elif any(isinstance(item, bool) for item in values):
            raise InvalidInput(f"{where}: {key} is {value!r}; it is no flag, give it a value")
        else:
            for item in values:
                flags += [parameter.opts[-1], str(item)]
    return [*flags, *(["--", *positional] if positional else [])]


def command_lines(
    pipeline: Pipeline, group: click.Group, overrides: Mapping[str, Any]
) -> list[list[str]]:
    """Return each step as the arguments of ``vggss``, variables filled in.

    Raises
    ------
    InvalidInput
        If a step names an unknown command, option or variable, or an override names a variable
        that the pipeline does not have: nothing has run then.
    """
    if unknown := sorted(set(overrides) - set(pipeline.variables)):
        known = ", ".join(sorted(pipeline.variables)) or "none"
        raise InvalidInput(
            f"pipeline {pipeline.name}: no variable {unknown[0]!r}; those there are: {known}"
        )
    variables = {**pipeline.variables, **overrides}
    lines: list[list[str]] = []
    with click.Context(group, info_name="vggss", **group.context_settings) as ctx:
        for number, (name, options) in enumerate(pipeline.steps, start=1):
            where = f"pipeline {pipeline.name}, step {number} ({name})"
            command = group.get_command(ctx, name)
            if command is None:
                raise InvalidInput(f"{where}: no such command; see `vggss --help`")
            filled = {
                key: [_fill(v, variables, where) for v in value]
                if isinstance(value, list)
                else _fill(value, variables, where)
                for key, value in options.items()
            }
            arguments = step_arguments(command, filled, where)
            data: list[str] = []
            if pipeline.data and any(p.name == "workspace" for p in command.params):
                data = ["--data", _fill(pipeline.data, variables, where)]
            _refuse_bad_values(command, [*data, *arguments], where, ctx)
            lines.append([name, *data, *arguments])
    return lines


def _refuse_bad_values(
    command: click.Command, arguments: list[str], where: str, parent: click.Context
) -> None:
    """Parse a step as its command will, so that a bad value is found before anything runs."""
    try:
        command.make_context(command.name, list(arguments), parent=parent)
    except click.UsageError as error:
        raise InvalidInput(f"{where}: {error.format_message()}") from None


def run_pipeline(lines: Sequence[Sequence[str]], group: click.Group, name: str) -> None:
    """Run the steps in this process, saying each as a command that could be typed.

    Clips that can never succeed (exit code 3 of a step) do not stop the steps after it; the
    pipeline then ends with that code. Any other failure stops it there.
    """
    failed: list[str] = []
    for number, line in enumerate(lines, start=1):
        click.echo(f"[{number}/{len(lines)}] vggss {shlex.join(line)}", err=True)
        try:
            code = group.main(args=list(line), prog_name="vggss", standalone_mode=False)
        except SomeFailed as error:
            click.echo(f"Warning: {error.format_message()}", err=True)
            failed.append(line[0])
        except BaseException:  # Ctrl-C too: say where, and let it go on
            click.echo(
                f"Pipeline {name} stopped at step {number} of {len(lines)} ({line[0]}).", err=True
            )
            raise
        else:
            if isinstance(code, int) and code:
                raise VggssError(f"pipeline {name}: {line[0]} ended with exit code {code}")
    if failed:
        raise SomeFailed(
            f"pipeline {name}: finished, but some clips failed for good in {', '.join(failed)}; "
            "see `vggss status`"
        )
