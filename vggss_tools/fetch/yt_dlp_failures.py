"""What yt-dlp raises, as one of the kinds of failure; imported only where yt-dlp works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.failures import (
    kind_of_message,
    kind_of_status,
    retry_after_seconds,
    video_address,
)

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NO_FORMATS = re.compile(r"requested format is not available|no video formats|only images", re.I)


def without_colours(text: str) -> str:
    """Return a message of yt-dlp without the codes that colour a terminal."""
    return _COLOUR.sub("", text)


def failure_of(error: Exception, url: str, warnings: list[str] | None = None) -> ClipFailure:
    """Give what yt-dlp raised its kind; its own words are kept."""
    if isinstance(error, ClipFailure):
        return error
    from yt_dlp.networking.exceptions import HTTPError
    from yt_dlp.utils import GeoRestrictedError

    name = video_address(url)
    causes = list(_causes(error))
    text = " ".join(without_colours(str(error)).removeprefix("ERROR: ").split())
    text = text or type(error).__name__
    for cause in causes:
        if isinstance(cause, HTTPError):
            wait = retry_after_seconds(cause.response.headers)
            kind = kind_of_status(cause.status, retry_after=wait is not None)
            if kind is FailureKind.PRIVATE and cause.status == 403:
                kind = FailureKind.NETWORK  # see failures.py
            facts = {} if wait is None else {"retry_after": wait}
            return ClipFailure(kind, f"{name}: {text}", facts)
        if isinstance(cause, GeoRestrictedError):
            return ClipFailure(FailureKind.GEO_BLOCKED, f"{name}: {text}")
        if isinstance(cause, TimeoutError):
            return ClipFailure(FailureKind.TIMEOUT, f"{name}: {text}")
        if isinstance(cause, OSError) and not isinstance(cause, ConnectionError):
            known = ClipFailure.from_exception(cause)
            if known.kind is not FailureKind.ERROR:
                return known
    kind = kind_of_message(text)
    if _NO_FORMATS.search(text) and any("JavaScript runtime" in said for said in warnings or ()):
        kind = FailureKind.TOOL_MISSING
        text += " (yt-dlp found no JavaScript runtime, see `vggss doctor`)"
    return ClipFailure(kind, f"{name}: {text}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and what yt-dlp says has caused it."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        info = getattr(one, "exc_info", None)
        waiting += [info[1] if info else None, getattr(one, "cause", None), one.__cause__]
