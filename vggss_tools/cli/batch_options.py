"""Options of the commands that work through many clips: how, where, which part, what again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from vggss_tools.errors import Action, FailureKind

F = TypeVar("F", bound=Callable[..., Any])

ENGINES = ("local", "ray")
# What may follow --retry: every kind of failure, and the actions as names for groups of them.
RETRIES = ("all", *map(str, Action), *map(str, FailureKind))
# What a flag would have been given in a settings file or in the environment.
_FLAG_WORDS = {"true": "all", "1": "all", "yes": "all", "false": None, "0": None, "no": None}


@dataclass(frozen=True, slots=True)
class Batch:
    """How a stage is run.

    Attributes
    ----------
    workers : int or None
        Processes, or threads where the stage works in threads; 0: everything in this process.
    engine : 'local' or 'ray'
    address : str or None
        Of the Ray cluster; None: one of its own, on this machine.
    shard : (i, n) or None
        Only the clips of the i-th of n parts, counted from 1.
    retry : str or None
        Only the clips that failed before: with one kind, with any kind of one action, or ``all``.
    """

    workers: int | None = None
    engine: str = "local"
    address: str | None = None
    shard: tuple[int, int] | None = None
    retry: str | None = None

    def as_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``run_stage``."""
        return asdict(self)


class ShardType(click.ParamType):
    """``i/n``: the i-th of n parts, counted from 1."""

    name = "i/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read the two numbers."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", str(value))
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is not i/n with 1 <= i <= n, such as 1/4.", param, ctx)
        return int(found[1]), int(found[2])


def _check_retry(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    word = _FLAG_WORDS.get(value.lower(), value.lower().replace("-", "_"))
    if word is not None and word not in RETRIES:
        raise click.BadParameter(f"{value!r} is not one of: {', '.join(RETRIES)}.")
    return word


def batch_options(
    command: F | None = None, *, workers: int | None = None, workers_help: str | None = None
) -> Any:
    """Add ``--workers --engine --address --shard --retry``; the command gets ``batch``.

    Parameters
    ----------
    workers : int, optional
        Default of ``--workers``; None: one a core.
    workers_help : str, optional
        What a worker is, where it is not a process.
    """
    if command is None:
        return lambda function: batch_options(function, workers=workers, workers_help=workers_help)

    @wraps(command)
    def with_batch(*arguments: Any, **options: Any) -> Any:
        batch = Batch(**{name: options.pop(name) for name in Batch.__dataclass_fields__})
        if batch.address is not None and batch.engine != "ray":
            raise click.UsageError("--address is of a Ray cluster; give --engine ray as well.")
        return command(*arguments, batch=batch, **options)

    shown = "one a core" if workers is None else str(workers)
    for option in reversed(
        (
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=workers,
                help=(workers_help or "Processes; 0 works in this one.") + f"  [default: {shown}]",
            ),
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                default="local",
                show_default=True,
                help="Where the workers run: on this machine, or on a Ray cluster.",
            ),
            click.option(
                "--address",
                metavar="HOST:PORT",
                help="Ray cluster that is there already, or auto.  [default: start one here]",
            ),
            click.option(
                "--shard",
                type=ShardType(),
                help="Only the i-th of n parts of the clips, for a batch scheduler; see also "
                "`vggss merge`.",
            ),
            click.option(
                "--retry",
                metavar="[KIND]",
                is_flag=False,
                flag_value="all",
                callback=_check_retry,
                help="Only the clips that failed before, with this kind (`timeout`), with any "
                "kind of an action (`transient`), or with `all`, as if bare.",
            ),
        )
    ):
        option(with_batch)
    return with_batch
