"""Source ``mirror``: any HTTP server that holds clips, or the whole videos.

What a file is, is told by how long it lasts: one that is hardly longer than a clip is the clip and
kept byte for byte; of a longer one only the section is read, where the server answers ranges
(but all of an AVI, ASF or RealMedia file, which cannot be cut exactly). If the template names
neither ``{clip_id}`` nor ``{start}``, the file is always the whole video.
"""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput
from vggss_tools.fetch.connection import Connection, check_proxy
from vggss_tools.fetch.deadline import Deadline
from vggss_tools.fetch.failures import page_failure, public_address
from vggss_tools.fetch.ranges import BLOCK, FIRST_BYTES, RangeReader, Reply
from vggss_tools.fetch.session import backoff_s
from vggss_tools.fetch.source import Fetched, FetchRequest
from vggss_tools.media.stream_copy import CannotCut, copy_section, media_seconds

_CHANCE = random.Random()
# A width of at most twenty: a wider number is no place in a video, and may be wider than memory.
_WIDTH = re.compile(r"(0?([1-9]|1[0-9]|20))?d?")
FIELDS = ("clip_id", "youtube_id", "start")
# A file under a clip's own name may be so much longer than the clip and still be it: people cut
# generously. From then on it is a whole video.
CLIP_SLACK_S = 5.0


@dataclass
class MirrorSource:
    """Clips from an HTTP server.

    Attributes
    ----------
    template : str
        Address with ``{clip_id}``, ``{youtube_id}`` and ``{start}`` (in seconds; ``{start:06d}``
        works as well). A login in it (``https://USER:PASSWORD@HOST/``) is sent as basic auth.
    proxy, cookies : str, optional
        A proxy's address; the text of a cookie file.

    Raises
    ------
    InvalidInput
        If the template is none.
    """

    template: str = field(repr=False)  # it may hold a login
    proxy: str | None = None
    cookies: str | None = field(default=None, repr=False)
    _connection: Connection | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proxy is not None:
            check_proxy(self.proxy)
        shown = _LOGIN.sub("//", self.template)
        remedy = "give one such as mirror:https://HOST/clips/{clip_id}.mp4"
        try:
            fields = [f[1:] for f in string.Formatter().parse(self.template) if f[1] is not None]
            for name, form, conversion in fields:
                plain = name != "start" and not form
                if conversion or not (plain or _WIDTH.fullmatch(form or "")):
                    raise ValueError(
                        f"{{{name}}} with {form or conversion!r}; only {{start}} may have a form, "
                        "such as {start:06d}"
                    )
            named = {name for name, _, _ in fields if name}
            address = self.address("a_000000", "a", 0.0) if named <= set(FIELDS) else ""
            parts = urlsplit(address)
            _ = parts.port  # raises where it cannot be one
        except (ValueError, IndexError, KeyError) as error:
            raise InvalidInput(f"mirror {shown!r}: {error}; {remedy}") from None
        if unknown := sorted(named - set(FIELDS)):
            raise InvalidInput(
                f"mirror {shown!r}: {{{unknown[0]}}} is none of "
                f"{', '.join(f'{{{name}}}' for name in FIELDS)}; {remedy}"
            )
        if not named & {"clip_id", "youtube_id"}:
            raise InvalidInput(
                f"mirror {shown!r}: names neither {{clip_id}} nor {{youtube_id}}; {remedy}"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"mirror {shown!r}: not an http address; {remedy}")
        self._names_clip = bool(named & {"clip_id", "start"})
        self._host = parts.hostname

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connection": None}

    @property
    def name(self) -> str:
        """``mirror``."""
        return "mirror"

    @property
    def host(self) -> str:
        """The server's name."""
        return self._host

    def address(self, clip_id: str, youtube_id: str, start: float) -> str:
        """Return the address of one clip."""
        return self.template.format(
            clip_id=quote(clip_id), youtube_id=quote(youtube_id), start=int(start)
        )

    def settings(self) -> dict[str, Any]:
        """Return the template, without a login and a query that may hold a key."""
        return {"name": self.name, "template": public_address(self.template)}

    def versions(self) -> dict[str, str]:
        """Return the version of the HTTP library."""
        return {"urllib3": version("urllib3")}

    def setup(self) -> None:
        """Make ready for connections."""
        if self._connection is None:
            self._connection = Connection(self.proxy, self.cookies)

    def close(self) -> None:
        """Close the connections."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        """Write the clip to ``target``; see the protocol."""
        self.setup()
        connection = self._connection
        assert connection is not None
        url = self.address(request.clip_id, request.youtube_id, request.start)
        deadline = Deadline.after(request.try_limit, limit=request.time_limit)

        def ask(first: int, last: int) -> Reply:
            return connection.ask(url, deadline=deadline, first=first, last=last)

        def pause(failures: int) -> bool:
            return connection.wait(backoff_s(failures, _CHANCE), deadline=deadline)

        reply = _Peeked(ask(0, FIRST_BYTES - 1))
        page = page_failure(url, _content_type(reply), reply.start)
        if page is not None:
            reply.close()
            raise page
        name = public_address(url)
        if reply.status == 200:
            received = _receive_whole(reply, target, name)
            try:
                return self._taken(request, target, name, received)
            except ClipFailure as failure:
                failure.message = failure.message.replace(str(target), name)
                raise
        with RangeReader(ask, reply, target, name, pause) as reader:
            if self._is_clip(request, media_seconds(_rewound(reader))):
                reader.fill()
                return Fetched(0.0, reader.received, name, {"mode": "clip"})
            section = target.with_name(f"{target.name}.section.mp4")
            try:
                offset = copy_section(
                    [_rewound(reader)],
                    section,
                    start=request.start,
                    seconds=request.seconds,
                    margin=request.margin,
                )
                section.replace(target)
            except CannotCut:
                reader.fill()
                facts = {"mode": "full", "bytes_of_whole": reader.total}
                return Fetched(request.start, reader.received, name, facts)
            finally:
                section.unlink(missing_ok=True)
            facts = {"mode": "section", "bytes_of_whole": reader.total}
            return Fetched(offset, reader.received, name, facts)

    def _taken(self, request: FetchRequest, target: Path, name: str, received: int) -> Fetched:
        """Return what a file is that came whole, cut if it is a whole video."""
        if self._is_clip(request, media_seconds(target)):
            return Fetched(0.0, received, name, {"mode": "clip"})
        section = target.with_name(f"{target.name}.section.mp4")
        try:
            offset = copy_section(
                [target],
                section,
                start=request.start,
                seconds=request.seconds,
                margin=request.margin,
            )
            section.replace(target)
        except CannotCut:
            offset = request.start
        finally:
            section.unlink(missing_ok=True)
        return Fetched(offset, received, name, {"mode": "whole", "bytes_of_whole": received})

    def _is_clip(self, request: FetchRequest, lasts: float | None) -> bool:
        """Whether a file is the clip itself, and not the whole video."""
        return self._names_clip and (lasts is None or lasts <= request.seconds + CLIP_SLACK_S)


_LOGIN = re.compile(r"//[^/@]*@")


class _Peeked:
    """A reply whose first bytes were looked at, and are read again."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        try:
            self.start = reply.read(BLOCK)
        except ClipFailure as failure:
            # The body will be asked for again, from its beginning; see RangeReader.
            if reply.status != 206 or failure.kind not in (
                FailureKind.TRUNCATED,
                FailureKind.NETWORK,
            ):
                reply.close()
                raise
            self.start = b""
        self._unread = self.start

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Any:
        return self._reply.headers

    def read(self, amount: int) -> bytes:
        if self._unread:
            data, self._unread = self._unread[:amount], self._unread[amount:]
            return data
        return self._reply.read(amount)

    def close(self) -> None:
        self._reply.close()


def _content_type(reply: Reply) -> str:
    return (reply.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _receive_whole(reply: Reply, target: Path, name: str) -> int:
    """Write a body of known or unknown length, and check that it is whole."""
    length = reply.headers.get("Content-Length") or ""
    received = 0
    try:
        with target.open("wb") as file:
            while data := reply.read(BLOCK):
                file.write(data)
                received += len(data)
    finally:
        reply.close()
    if length.isdigit() and received < int(length):
        raise ClipFailure(
            FailureKind.TRUNCATED,
            f"{name}: the connection ended after {received:,} of {int(length):,} bytes",
        )
    if received == 0:
        raise ClipFailure(FailureKind.CORRUPT, f"{name}: is empty (zero bytes)")
    return received


def _rewound(reader: RangeReader) -> RangeReader:
    reader.seek(0)
    return reader
