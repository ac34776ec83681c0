"""Options that many commands share, and where settings come from.

A value is looked for in this order: flag, environment (``VGGSS_<COMMAND>_<OPTION>``),
``vggss.toml`` in the data directory, the user's configuration file, the default.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

DEFAULT_DATA = "vggss-data"
SETTINGS_FILE = "vggss.toml"
# How names end of what is read in a folder that is given as a whole.
READ_IN_FOLDERS = (".npy", ".xml", "index.parquet")

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
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise VggssError(f"{path}: cannot be read ({error.strerror}); check its rights") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not valid TOML ({error}); correct it") from None


def _command_settings(path: Path, command: click.Command) -> dict[str, Any]:
    """Return the table of one command, by the names of its parameters; nothing is ignored."""
    from vggss_tools.cli import COMMANDS
    from vggss_tools.pipeline import parameters_by_option

    settings = _read_settings(path)
    for key, value in settings.items():
        if key == "data" and isinstance(value, str):
            continue
        if key not in COMMANDS or not isinstance(value, dict):
            raise InvalidInput(
                f"{path}: {key!r} is not a table of one of the commands; "
                "see docs/cli.md for the format"
            )
    parameters = parameters_by_option(command)
    chosen: dict[str, Any] = {}
    for key, value in settings.get(command.name or "", {}).items():
        parameter = parameters.get(key.replace("-", "_"))
        if parameter is None or parameter.name is None:
            raise InvalidInput(
                f"{path}: {command.name} has no option {key!r}; "
                f"see `vggss {command.name} --help` for those it has"
            )
        chosen[parameter.name] = value
    return chosen


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


# Parameters of commands that name a file to write.
_OUTPUTS = {
    "out": "--out",
    "json_out": "--json",
    "per_clip": "--per-clip",
    "missing_path": "--missing",
    "doubtful_out": "--doubtful",
}


def _keep_inputs(command: F) -> F:
    """Refuse an output that is one of the command's inputs, or one of the data directory's own."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> Any:
        workspace = options.get("workspace")
        inputs = list(workspace.own_files) if workspace is not None else []
        for name, value in options.items():
            if name not in _OUTPUTS:
                values = value if isinstance(value, tuple) else (value,)
                inputs += [path for path in values if isinstance(path, Path) and path.is_file()]
        outputs = {_OUTPUTS[name]: options[name] for name in _OUTPUTS if name in options}
        refuse_overwriting(outputs, inputs)
        return command(*arguments, **options)

    return cast("F", guarded)


def data_option(command: F) -> F:
    """Add ``--data DIR``; the command gets ``workspace``, whose own files no result replaces."""
    return click.option(
        "--data",
        "workspace",
        metavar="DIR",
        type=click.Path(file_okay=False),
        is_eager=True,
        callback=_choose_workspace,
        help=f"Data directory.  [default: VGGSS_DATA or ./{DEFAULT_DATA}]",
    )(_keep_inputs(command))


def _check_json_out(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Refuse a file that cannot be written before the work that it would hold."""
    if value not in (None, "-") and not ctx.resilient_parsing:
        from vggss_tools.atomic import check_writable

        check_writable(str(value))
    return value


def json_option(command: F) -> F:
    """Add ``--json [FILE]``; the command gets ``json_out``, to be handed to ``emit_json``."""
    return click.option(
        "--json",
        "json_out",
        metavar="[FILE]",
        is_flag=False,
        flag_value="-",
        default=None,
        callback=_check_json_out,
        help="Write the result as one JSON object to FILE, or to stdout if bare or `-`.",
    )(_keep_inputs(command))


def emit_json(value: dict[str, Any], json_out: str | None) -> None:
    """Write a result where ``--json`` says; nothing without it."""
    if json_out is None:
        return
    if json_out == "-":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from vggss_tools.atomic import write_json_atomic

    write_json_atomic(json_out, value)


def refuse_overwriting(
    outputs: Mapping[str, Path | str | None], inputs: Iterable[Path | None]
) -> None:
    """Refuse to write over what is read, whatever it is called, or over another output.

    Parameters
    ----------
    outputs : option -> the file that it names; None and ``-`` are no files
    inputs : files, and folders of maps or of XML files

    Raises
    ------
    InvalidInput
        Naming the file.
    """
    files = {name: Path(out) for name, out in outputs.items() if out is not None and out != "-"}
    read = [path for path in inputs if path is not None]
    seen: dict[str, Path] = {}
    for name, out in files.items():
        for path in read:
            inside = out.name.endswith(READ_IN_FOLDERS) and out.resolve().is_relative_to(
                path.resolve()
            )
            if _same_file(out, path) or inside:
                raise InvalidInput(f"{out}: is read as {path}; give {name} another name")
        for other, path in seen.items():
            if _same_file(out, path):
                raise InvalidInput(
                    f"{out}: {other} and {name} would write it both; give one another name"
                )
        seen[name] = out


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (
        one.exists() and other.exists() and one.samefile(other)
    )


@contextmanager
def results_to_stderr(json_out: str | None) -> Iterator[None]:
    """Send what inner commands print to stderr, where stdout is kept for one JSON object."""
    if json_out != "-":
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def say(message: str) -> None:
    """Print a message for people, on stderr, so that stdout stays for data."""
    click.echo(message, err=True)


class OneOrMore(click.Option):
    """A repeatable option whose value in a settings file may be a single word."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Take a word for a list of one; click would take its letters."""
        return super().type_cast_value(ctx, (value,) if isinstance(value, str) else value)


class FiniteRange(click.FloatRange):
    """A range of floats without `nan`, which no bound keeps out, and without infinities."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number; a usage error where it is not finite or not in the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class FormatName(click.ParamType):
    """The name of a format of annotations; another one is a usage error that lists them."""

    name = "format"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a name that the registry does not have."""
        from vggss_tools.annotate.formats.registry import REGISTERED

        if value not in REGISTERED:
            known = ", ".join(REGISTERED)
            self.fail(f"{value}: no such format; choose one of {known}.", param, ctx)
        return value
