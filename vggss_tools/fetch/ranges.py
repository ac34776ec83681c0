"""A remote file of which only some parts are read, through HTTP ranges.

What has come is kept in a local file at its own place, so nothing comes twice: a demuxer may jump
about in it, and a clip that is wanted whole is completed by asking for what is still missing. Each
request names its last byte; a server never sends, nor a socket holds, what nobody reads.
"""

from __future__ import annotations

import io
import random
import re
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.session import backoff_s

# The first request: tells what the file is, and how long a header an MP4 has.
FIRST_BYTES = 1 << 15
# Reading on doubles what is asked for, up to this much or this part of the file: what was asked for
# last may come in vain. A jump starts small again.
MOST_BYTES = 1 << 20
MOST_PART = 64
# How often in a row a broken connection is taken up again without one byte having come.
RESUMES = 3
# Shorter gaps are read over, because a request costs more.
GAP_BYTES = 1 << 14
BLOCK = 1 << 16

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Reply(Protocol):
    """An answer to a request, whose status was a success."""

    @property
    def status(self) -> int:
        """200, or 206 for a part."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields, by any spelling of their names."""

    def read(self, amount: int) -> bytes:
        """Return at least one and at most ``amount`` bytes; none at the end.

        Raises
        ------
        ClipFailure
            Of kind timeout, network or truncated.
        """

    def close(self) -> None:
        """Give the connection back, or up."""


# Asks for bytes first to last, both included.
Ask = Callable[[int, int], Reply]


class RangeReader(io.RawIOBase):
    """A remote file as one that can be read and sought in.

    Parameters
    ----------
    ask : callable
        Makes a request for a range and returns the reply.
    reply : Reply
        The answer to ``ask(0, FIRST_BYTES - 1)``, of status 206.
    store : Path
        Local file for what comes; complete after :meth:`fill`.
    pause : callable
        Waits before a broken connection is taken up again, given how often in a row it broke;
        False if there is no time left to. Default: sleeps as after other failures that may pass.

    Attributes
    ----------
    total : int
        Bytes of the whole file.
    received : int
        Bytes that have come.
    """

    def __init__(
        self,
        ask: Ask,
        reply: Reply,
        store: Path,
        name: str,
        pause: Callable[[int], bool] | None = None,
    ) -> None:
        super().__init__()
        self._pause = pause or _sleep
        self.name = name
        self._ask = ask
        self._have: list[tuple[int, int]] = []  # sorted, disjoint, end excluded
        self._position = 0
        self._growing = FIRST_BYTES
        self.received = 0
        _, _, total = _parse_range(reply, name)
        self.total = total
        self._file = store.open("w+b")
        try:
            self._receive(0, min(FIRST_BYTES, total), reply)
            self._file.seek(0)
            self.want(*index_of_mp4(self._file.read(FIRST_BYTES), total))
        except BaseException:  # whatever it is, it goes on; the file does not stay open
            self._file.close()
            raise

    def close(self) -> None:
        """Close the local file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.total}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, asking for them if they have not come yet."""
        at = self._position
        if at >= self.total or size == 0:
            return b""
        if self._held_until(at) <= at:
            self._request_from(at)
        until = self._held_until(at)
        amount = until - at if size < 0 else min(size, until - at)
        self._file.seek(at)
        data = self._file.read(amount)
        self._position = at + len(data)
        return data

    def want(self, start: int, end: int) -> None:
        """Ask for what is missing of ``start`` to ``end``, the last excluded, in one go."""
        for gap_start, gap_end in self._gaps(max(0, start), min(end, self.total)):
            self._receive(gap_start, gap_end)
        self._growing = FIRST_BYTES

    def fill(self) -> None:
        """Ask for all that has not come yet, and flush it to the local file."""
        self.want(0, self.total)
        self._file.flush()

    def _request_from(self, at: int) -> None:
        """Ask for a stretch from ``at`` on: more, the longer it was read in one go."""
        start = at
        for _, end in self._have:  # a short gap behind what is there: read over it
            if end <= at < end + GAP_BYTES:
                start = end
        sequential = any(end == start for _, end in self._have)
        most = min(max(self.total // MOST_PART, FIRST_BYTES), MOST_BYTES)
        self._growing = min(self._growing * 2, most) if sequential else FIRST_BYTES
        end = min(start + max(self._growing, at - start + 1), self.total)
        following = [s for s, _ in self._have if s > start]
        self._receive(start, min([end, *following]))

    def _receive(self, start: int, end: int, reply: Reply | None = None) -> None:
        """Keep bytes ``start`` to ``end``; a connection that breaks is taken up where it broke."""
        at = start
        failures = 0
        while at < end:
            before = at
            try:
                if reply is None:
                    reply = self._ask(at, end - 1)
                    self._check(reply, at)
                try:
                    while at < end and (data := reply.read(min(BLOCK, end - at))):
                        self._file.seek(at)
                        self._file.write(data)
                        self._keep(at, at + len(data))
                        at += len(data)
                        self.received += len(data)
                finally:
                    reply.close()
                if at < end:
                    raise ClipFailure(
                        FailureKind.TRUNCATED,
                        f"{self.name}: the connection ended after {at:,} of {self.total:,} bytes",
                    )
            except ClipFailure as failure:
                if failure.kind not in (FailureKind.TRUNCATED, FailureKind.NETWORK):
                    raise
                failures = 1 if at > before else failures + 1
                # With nothing there to go on from, the whole clip may as well be tried again.
                if failures > RESUMES or not self.received or not self._pause(failures):
                    raise
            reply = None

    def _check(self, reply: Reply, start: int) -> None:
        """Refuse a reply that is not the part that was asked for."""
        if reply.status != 206:
            reply.close()
            raise ClipFailure(FailureKind.ERROR, f"{self.name}: the server stopped to send ranges")
        came, _, total = _parse_range(reply, self.name)
        if came != start or total != self.total:
            reply.close()
            raise ClipFailure(FailureKind.ERROR, f"{self.name}: changed while it was read")

    def _held_until(self, at: int) -> int:
        """Return the end of what is there from ``at`` on; ``at`` itself where nothing is."""
        return next((end for start, end in self._have if start <= at < end), at)

    def _gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        gaps = []
        at = start
        for held_start, held_end in self._have:
            if held_end <= at:
                continue
            if held_start >= end:
                break
            if held_start > at:
                gaps.append((at, held_start))
            at = held_end
        if at < end:
            gaps.append((at, end))
        return gaps

    def _keep(self, start: int, end: int) -> None:
        spans = sorted([*self._have, (start, end)])
        merged = [spans[0]]
        for next_start, next_end in spans[1:]:
            last_start, last_end = merged[-1]
            if next_start <= last_end:
                merged[-1] = (last_start, max(last_end, next_end))
            else:
                merged.append((next_start, next_end))
        self._have = merged


def _sleep(failures: int) -> bool:
    time.sleep(backoff_s(failures, random.Random()))
    return True


def index_of_mp4(start: bytes, total: int) -> tuple[int, int]:
    """Return where the index of an MP4 lies, first byte and last excluded, by its first bytes.

    An empty range where it is no MP4, or where the index is not told of: ISO/IEC 14496-12, 4.2.
    """
    at = 0
    while at + 16 <= len(start):
        size, kind = struct.unpack_from(">I4s", start, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", start, at + 8)
        if at == 0 and kind != b"ftyp":
            break
        if kind == b"moov":
            return at, min(at + size, total)
        if kind == b"mdat" and size:  # the index comes behind it
            return min(at + size, total), total
        if size < 8:
            break
        at += size
    return 0, 0


def _parse_range(reply: Reply, name: str) -> tuple[int, int, int]:
    """Return first byte, last byte and total of a partial reply."""
    text = reply.headers.get("Content-Range") or ""
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None or match[3] == "*":
        reply.close()
        raise ClipFailure(FailureKind.ERROR, f"{name}: a part came without its place ({text!r})")
    return int(match[1]), int(match[2]), int(match[3])
