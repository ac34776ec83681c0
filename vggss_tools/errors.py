"""Errors that a user sees: one line that names the thing, the cause and the remedy.

Every error that ends a command is a :class:`VggssError`, whose ``exit_code`` is the process's.
A single clip's failure inside a stage is a :class:`ClipFailure`; it never ends the command by
itself, unless its kind is fatal (a full disk fails the next clip as well).
"""

from __future__ import annotations

import errno
import importlib
import os
import re
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import click


class VggssError(click.ClickException):
    """An error with a remedy; exit code 1."""

    exit_code = 1


class WrongUsage(VggssError):
    """A value on the command line is none that can be; exit code 2."""

    exit_code = 2


class SomeFailed(VggssError):
    """The command finished, but some clips can never succeed; exit code 3."""

    exit_code = 3


class Incomplete(VggssError):
    """The command is not complete, and running it again helps; exit code 4."""

    exit_code = 4


class Blocked(VggssError):
    """The remote refuses for a while; exit code 5.

    Parameters
    ----------
    summary : StageSummary, optional
        What the run came to until then.
    """

    exit_code = 5

    def __init__(self, message: str, summary: Any = None) -> None:
        super().__init__(message)
        self.summary = summary


class InvalidInput(VggssError):
    """A file or value was read and refused; nothing was changed; exit code 6."""

    exit_code = 6


class MissingExtra(VggssError):
    """A package of an optional extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package}: not installed, and this needs it; "
            f"install it with: pip install 'vggss-tools[{extra}]'"
        )


class Action(StrEnum):
    """What is done about a failure."""

    GIVE_UP = "permanent"  # never tried again unless asked: the remote says that it is gone
    PAUSE = "blocked"  # the whole session waits, then stops
    RETRY = "transient"  # tried again at once, with growing pauses, and by the next run
    REPLACE = "media"  # the file itself is unfit; another one may do
    STOP = "fatal"  # the next clip would fail in the same way


class FailureKind(StrEnum):
    """Why one clip failed at one stage. Each kind belongs to exactly one action."""

    # Permanent: the source does not have it for us, however often it is asked.
    REMOVED = "removed"
    PRIVATE = "private"
    ACCOUNT_TERMINATED = "account_terminated"
    GEO_BLOCKED = "geo_blocked"
    AGE_RESTRICTED = "age_restricted"
    MEMBERS_ONLY = "members_only"
    COPYRIGHT = "copyright"
    NOT_FOUND = "not_found"
    # Blocked: the source refuses this session for a while, whatever the clip.
    RATE_LIMITED = "rate_limited"
    BOT_CHECK = "bot_check"
    CAPTCHA = "captcha"
    # Transient: the same request may succeed in a moment.
    TIMEOUT = "timeout"
    HTTP_5XX = "http_5xx"
    NETWORK = "network"
    TRUNCATED = "truncated"
    # Media: the file itself is unfit, trying again cannot help.
    CORRUPT = "corrupt"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    STILL_IMAGE = "still_image"
    # Fatal: the next clip would fail in the same way, so the stage stops.
    DISK_FULL = "disk_full"
    PERMISSION = "permission"
    TOOL_MISSING = "tool_missing"
    # Anything else: unexpected, worth another try and a bug report.
    ERROR = "error"

    @property
    def action(self) -> Action:
        """What is done about a failure of this kind."""
        return _ACTIONS[self]

    @property
    def fatal(self) -> bool:
        """Whether the whole stage stops at this failure."""
        return self.action is Action.STOP

    @property
    def permanent(self) -> bool:
        """Whether the same clip would fail again, however often it is tried."""
        return self.action in (Action.GIVE_UP, Action.REPLACE)


_ACTIONS = {
    kind: action
    for action, kinds in {
        Action.GIVE_UP: (
            FailureKind.REMOVED,
            FailureKind.PRIVATE,
            FailureKind.ACCOUNT_TERMINATED,
            FailureKind.GEO_BLOCKED,
            FailureKind.AGE_RESTRICTED,
            FailureKind.MEMBERS_ONLY,
            FailureKind.COPYRIGHT,
            FailureKind.NOT_FOUND,
        ),
        Action.PAUSE: (FailureKind.RATE_LIMITED, FailureKind.BOT_CHECK, FailureKind.CAPTCHA),
        Action.RETRY: (
            FailureKind.TIMEOUT,
            FailureKind.HTTP_5XX,
            FailureKind.NETWORK,
            FailureKind.TRUNCATED,
            FailureKind.ERROR,
        ),
        Action.REPLACE: (
            FailureKind.CORRUPT,
            FailureKind.NO_VIDEO,
            FailureKind.NO_AUDIO,
            FailureKind.TOO_SHORT,
            FailureKind.SILENT,
            FailureKind.STILL_IMAGE,
        ),
        Action.STOP: (
            FailureKind.DISK_FULL,
            FailureKind.PERMISSION,
            FailureKind.TOOL_MISSING,
        ),
    }.items()
    for kind in kinds
}

_ERRNO_KINDS = {
    errno.ENOSPC: FailureKind.DISK_FULL,
    errno.EDQUOT: FailureKind.DISK_FULL,
    errno.EFBIG: FailureKind.DISK_FULL,  # a limit of the process (`ulimit -f`): nothing gets in
    errno.EACCES: FailureKind.PERMISSION,
    errno.EPERM: FailureKind.PERMISSION,
    errno.EROFS: FailureKind.PERMISSION,
    errno.ELOOP: FailureKind.CORRUPT,  # symbolic links in a circle: this one file is unfit
}

REMEDIES = {
    FailureKind.DISK_FULL: "free some space and run the same command again",
    FailureKind.PERMISSION: "check the rights of that path and run the same command again",
    FailureKind.TOOL_MISSING: "install the tool and run the same command again",
}


class ClipFailure(Exception):
    """One clip failed at one stage, for a known reason.

    Parameters
    ----------
    kind : FailureKind
    message : str
        What happened, in one line, naming the file; the raw message of the tool where there is one.
    facts : dict, optional
        What else is known, as JSON, such as ``retry_at`` of a blocked session.
    """

    def __init__(
        self, kind: FailureKind, message: str, facts: dict[str, Any] | None = None
    ) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.facts = facts or {}

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @classmethod
    def from_exception(cls, error: BaseException) -> ClipFailure:
        """Give any exception of a stage its kind; the message keeps the exception's own words."""
        if isinstance(error, ClipFailure):
            return error
        number = error_number(error) if isinstance(error, OSError) else None
        if number in _ERRNO_KINDS:
            return cls(_ERRNO_KINDS[number], " ".join(str(error).split()))
        text = " ".join(str(error).split()) or "no message"
        return cls(FailureKind.ERROR, f"{type(error).__name__}: {text}")


def error_number(error: OSError) -> int | None:
    """Return the errno of an error; pyarrow puts it only into the text of some."""
    if error.errno is not None:
        return error.errno
    found = re.search(r"\[errno (\d+)\]", str(error), re.IGNORECASE)
    return int(found[1]) if found else None


def not_readable(path: Path | str, error: OSError) -> VggssError:
    """Say that a file is there and the system does not let us read it; nothing about its content.

    For an ``except PermissionError`` before the one that calls the content damaged.
    """
    reason = os.strerror(error.errno) if error.errno else str(error)
    return VggssError(f"{path}: cannot be read ({reason}); check its rights")


def import_extra(module: str, extra: str) -> ModuleType:
    """Import ``module``, or say in one line which extra brings it.

    A module that is there but itself fails on a missing import is not hidden: only the absence
    of ``module``'s own top-level package is translated.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise MissingExtra(top, extra) from None
