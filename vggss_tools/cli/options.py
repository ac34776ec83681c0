"""Options that many commands share, and where settings come from.

A value is looked for in this order: flag, environment (``VGGSS_<COMMAND>_<OPTION>``),
``vggss.toml`` in the data directory, the user's configuration file, the default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

DEFAULT_DATA = "vggss-data"
SETTINGS_FILE = "vggss.toml"

F = TypeVar("F", bound=Callable[..., Any])


def load_settings(ctx: click.Context, data: str | None) -> None:
    """Keep the group's ``--data`` for the command, which may have one of its own."""
    ctx.obj = {"data": data}


def user_settings_file() -> Path:
    """Return the user's configuration file, which need not exist."""
    return Path(click.get_app_dir("vggss")) / "config.toml"


def _read_settings(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        return {}
    except PermissionError:
        raise VggssError(f"{path}: no permission to read it; check its rights") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: not valid TOML ({error}); correct it") from None


def _command_settings(path: Path, command: click.Command) -> dict[str, Any]:
    """Return the table of one command, by the names of its parameters."""
    from vggss_tools.pipeline import parameters_by_option

    table = _read_settings(path).get(command.name or "", {})
    parameters = parameters_by_option(command)
    settings: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        parameter = parameters.get(key.replace("-", "_"))
        if parameter is None or parameter.name is None:
            raise InvalidInput(
                f"{path}: {command.name} has no option {key!r}; "
                f"see `vggss {command.name} --help` for those it has"
            )
        settings[parameter.name] = value
    return settings


def _choose_workspace(ctx: click.Context, _: click.Parameter, value: str | None) -> Workspace:
    """Settle the data directory first, because it may hold defaults for the other options."""
    user = user_settings_file()
    root = (
        value
        or (ctx.find_root().obj or {}).get("data")
        or _read_settings(user).get("data")
        or DEFAULT_DATA
    )
    workspace = Workspace(root)
    ctx.default_map = {
        **_command_settings(user, ctx.command),
        **_command_settings(workspace.root / SETTINGS_FILE, ctx.command),
        **(ctx.default_map or {}),
    }
    return workspace


def data_option(command: F) -> F:
    """Add ``--data DIR``; the command gets ``workspace``."""
    return click.option(
        "--data",
        "workspace",
        metavar="DIR",
        type=click.Path(file_okay=False),
        is_eager=True,
        callback=_choose_workspace,
        help=f"Data directory.  [default: VGGSS_DATA or ./{DEFAULT_DATA}]",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json [FILE]``; the command gets ``json_out``, to be handed to ``emit_json``."""
    return click.option(
        "--json",
        "json_out",
        metavar="[FILE]",
        is_flag=False,
        flag_value="-",
        default=None,
        help="Write the result as one JSON object to FILE, or to stdout if bare or `-`.",
    )(command)


def emit_json(value: dict[str, Any], json_out: str | None) -> None:
    """Write a result where ``--json`` says; nothing without it."""
    if json_out is None:
        return
    if json_out == "-":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from vggss_tools.atomic import write_json_atomic

    write_json_atomic(json_out, value)


def say(message: str) -> None:
    """Print a message for people, on stderr, so that stdout stays for data."""
    click.echo(message, err=True)
