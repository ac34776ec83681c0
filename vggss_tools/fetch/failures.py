"""What a server or yt-dlp said, as one of the kinds of failure; the raw message is kept.

HTTP statuses, for any source:

==================  ================  ===========================================================
401, 403            ``private``       with ``Retry-After``: ``rate_limited``
404                 ``not_found``
410                 ``removed``
451                 ``copyright``     RFC 7725, a legal demand
408                 ``timeout``
407                 ``permission``    the proxy wants a login: every clip would fail
429                 ``rate_limited``
5xx                 ``http_5xx``      ``Retry-After`` is honoured
a page              ``corrupt``       HTML in the place of a video; ``captcha`` if it holds one
anything else       ``error``
==================  ================  ===========================================================

A refusal (403) of one of YouTube's media addresses is ``network``: the address has expired or was
made for another client, and a fresh one may do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from vggss_tools.errors import ClipFailure, FailureKind

_STATUS = {
    401: FailureKind.PRIVATE,
    403: FailureKind.PRIVATE,
    404: FailureKind.NOT_FOUND,
    407: FailureKind.PERMISSION,
    408: FailureKind.TIMEOUT,
    410: FailureKind.REMOVED,
    429: FailureKind.RATE_LIMITED,
    451: FailureKind.COPYRIGHT,
}

# The first that matches counts. YouTube's own wordings, as yt-dlp passes them on; where each was
# seen is told in tests/fetch/test_failures.py.
_MESSAGES: tuple[tuple[str, FailureKind], ...] = (
    # Blocked first: some of these sentences also say "unavailable" or "sign in".
    (r"confirm (that )?you.?re not a bot|not a robot", FailureKind.BOT_CHECK),
    (r"captcha|unusual traffic", FailureKind.CAPTCHA),
    (r"content isn.?t available, try again later|rate.?limited|HTTP Error 429|too many requests",
     FailureKind.RATE_LIMITED),
    (r"account associated with this video has been terminated|closed their YouTube account"
     r"|(account|channel) (has been|was) (terminated|closed|deleted)",
     FailureKind.ACCOUNT_TERMINATED),
    (r"(not|n.t) (made this video )?available (in|from) your (country|location|region)"
     r"|blocked it in your country|geo.?restrict|not available in your country",
     FailureKind.GEO_BLOCKED),
    (r"copyright|DRM.?protected|requested site is known to use DRM", FailureKind.COPYRIGHT),
    (r"members.?only|join this channel|Premium members|only available to .*members"
     r"|requires payment|must be (purchased|rented)|available to subscribers",
     FailureKind.MEMBERS_ONLY),
    (r"confirm your age|age.?restricted|age.?verif|inappropriate for some users",
     FailureKind.AGE_RESTRICTED),
    (r"private video|video is private|granted (you )?access|HTTP Error 401", FailureKind.PRIVATE),
    (r"has been removed|removed by the (uploader|user)|no longer available|HTTP Error 410"
     r"|isn.?t available any ?more|live stream recording is not available", FailureKind.REMOVED),
    (r"does not exist|video unavailable|video is (not available|unavailable)|HTTP Error 404"
     r"|incomplete youtube id|truncated.*id|is not a valid URL|unsupported url",
     FailureKind.NOT_FOUND),
    (r"no space left|disk quota exceeded", FailureKind.DISK_FULL),
    (r"javascript runtime|ffmpeg is not installed|ffmpeg not found", FailureKind.TOOL_MISSING),
    (r"timed? ?out", FailureKind.TIMEOUT),
    (r"HTTP Error 5\d\d|bad gateway|service unavailable", FailureKind.HTTP_5XX),
    (r"bytes read, \d+ more expected|incomplete ?read|did not get any data blocks"
     r"|content too short", FailureKind.TRUNCATED),
    (r"HTTP Error 403|connection (was )?(reset|refused|aborted|closed)|unreachable"
     r"|remote end closed|name resolution|name or service not known|getaddrinfo|SSL|certificate"
     r"|proxy|failed to resolve|unable to connect|network", FailureKind.NETWORK),
)  # fmt: skip
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _MESSAGES]

HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML_START = re.compile(
    rb"\s*(<!doctype\s+html|<html|<head|<\?xml[^>]*>\s*<!doctype\s+html)", re.I
)


def kind_of_message(message: str) -> FailureKind:
    """Return the kind of a message of yt-dlp or YouTube; ``error`` where nobody knows it."""
    for pattern, kind in _PATTERNS:
        if pattern.search(message):
            return kind
    return FailureKind.ERROR


def kind_of_status(status: int, *, retry_after: bool = False) -> FailureKind:
    """Return the kind of an HTTP status that is not a success."""
    if status == 403 and retry_after:
        return FailureKind.RATE_LIMITED
    if 500 <= status <= 599:
        return FailureKind.HTTP_5XX
    return _STATUS.get(status, FailureKind.ERROR)


def status_failure(
    status: int, reason: str, url: str, headers: Mapping[str, str], body: bytes = b""
) -> ClipFailure:
    """Return the failure of a request that was answered with an error.

    Parameters
    ----------
    body : bytes
        The start of the page that came with it, in which a captcha shows.
    """
    wait = retry_after_seconds(headers)
    kind = kind_of_status(status, retry_after=wait is not None)
    if status in (403, 429, 503) and b"captcha" in body.lower():
        kind = FailureKind.CAPTCHA
    message = f"{public_address(url)}: the server answers {status} {reason}".rstrip()
    if wait is not None:
        message += f" (again after {wait:.0f} s)"
    return ClipFailure(kind, message, {} if wait is None else {"retry_after": wait})


def page_failure(url: str, content_type: str, body: bytes) -> ClipFailure | None:
    """Return the failure of a success that is a page and not a video, or None for a video."""
    if content_type not in HTML_TYPES and not _HTML_START.match(body):
        return None
    if b"captcha" in body.lower():
        return ClipFailure(
            FailureKind.CAPTCHA, f"{public_address(url)}: a captcha came in the place of the video"
        )
    title = re.search(rb"<title[^>]*>\s*([^<]{1,80})", body, re.IGNORECASE)
    says = f" ({title[1].decode(errors='replace').strip()!r})" if title else ""
    return ClipFailure(
        FailureKind.CORRUPT,
        f"{public_address(url)}: a web page (text/html) came in the place of the video{says}",
    )


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return what ``Retry-After`` asks for, in seconds from now; None where it asks for nothing.

    A date counts from the server's own ``Date``, so that a wrong clock on either side does no harm.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    text = (lowered.get("retry-after") or "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    moment = _timestamp(text)
    if moment is None:
        return None
    now = _timestamp(lowered.get("date") or "")
    return max(0.0, moment - (time.time() if now is None else now))


def _timestamp(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def public_address(url: str) -> str:
    """Return an address as it may be shown and kept: without login, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    if ":" in host:
        host = f"[{host}]"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def video_address(url: str) -> str:
    """Return the public address of a video's page, with the id that YouTube has in the query."""
    name = public_address(url)
    try:
        parts = urlsplit(url)
        ids = parse_qs(parts.query).get("v", []) if parts.path.rstrip("/") == "/watch" else []
    except ValueError:
        return name
    return f"{name}?v={quote(ids[0])}" if ids else name
