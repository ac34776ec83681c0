"""A server on the loopback interface that holds clips and videos, and fails as it is told.

Real sockets, one thread a connection. What it sent is counted by address, before the socket's own
buffers, so a client cannot make it look smaller.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

BLOCK = 1 << 14
PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Hello</body></html>"


@dataclass
class Fault:
    """What goes wrong at one address.

    Attributes
    ----------
    status : int
        Answered instead of the file; 200: the file is sent, but see below.
    times : int or None
        How often; then the fault has cleared. None: always.
    headers : dict
        Sent with the answer.
    body : bytes
        Sent with the answer, in the place of the file if the status is 200.
    truncate_at : int or None
        The connection ends after so many bytes of the body.
    stall_at : int or None
        After so many bytes of the body nothing more comes, and the connection stays open.
    ranges : bool
        Whether ranges are answered.
    reset : bool
        Whether the connection is reset before an answer.
    """

    status: int = 200
    times: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    truncate_at: int | None = None
    stall_at: int | None = None
    ranges: bool = True
    reset: bool = False


class FaultServer(ThreadingHTTPServer):
    """Serves ``files`` (address → path) with ``faults`` (address → Fault)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Path] = {}
        self.pages: dict[str, tuple[str, bytes]] = {}  # address → type, content
        self.faults: dict[str, Fault] = {}
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.cookies: list[str] = []
        self.logins: list[str | None] = []
        self.ranges = ranges
        self.ended = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, path: str, sent: int = 0) -> None:
        """Count a request, or what was sent for one."""
        with self._lock:
            if sent:
                self.sent[path] += sent
            else:
                self.requests[path] += 1

    def fault_of(self, path: str) -> Fault | None:
        """Return the fault of an address that still lasts."""
        with self._lock:
            fault = self.faults.get(path)
            if fault is None or fault.times is None:
                return fault
            if fault.times == 0:
                return None
            fault.times -= 1
            return fault

    def forget(self) -> None:
        """Set the counters back."""
        with self._lock:
            self.requests.clear()
            self.sent.clear()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms for the header's receipt
    server: FaultServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.count(path)
        self.server.logins.append(self.headers.get("Authorization"))
        if cookie := self.headers.get("Cookie"):
            self.server.cookies.append(cookie)
        fault = self.server.fault_of(path) or Fault()
        if fault.reset:
            # RST instead of FIN: the connection is torn down.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if fault.status != 200 or fault.body is not None:
            self._answer(fault.status, fault.headers, fault.body or b"no")
            return
        if page := self.server.pages.get(path):
            self._answer(200, {"Content-Type": page[0], **fault.headers}, page[1])
            return
        file = self.server.files.get(path)
        if file is None:
            self._answer(404, {}, b"not here")
            return
        self._send_file(path, file, fault)

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_file(self, path: str, file: Path, fault: Fault) -> None:
        total = file.stat().st_size
        first, last = 0, total - 1
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        partial = bool(match) and self.server.ranges and fault.ranges
        if match and partial:
            first = int(match[1])
            last = min(int(match[2] or last), last)
            if first > last:
                self._answer(416, {"Content-Range": f"bytes */{total}"}, b"")
                return
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Last-Modified", formatdate(file.stat().st_mtime, usegmt=True))
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        if self.server.ranges and fault.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        end = last + 1
        if fault.truncate_at is not None:
            end = min(end, max(fault.truncate_at, first))
        if fault.stall_at is not None:
            end = min(end, max(fault.stall_at, first))
        with file.open("rb") as handle:
            handle.seek(first)
            at = first
            while at < end and (block := handle.read(min(BLOCK, end - at))):
                self.wfile.write(block)
                self.server.count(path, len(block))
                at += len(block)
        if end <= last:
            self.wfile.flush()
            if fault.stall_at is not None:
                self.server.ended.wait()
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def fault_server(*, ranges: bool = True) -> Iterator[FaultServer]:
    """Run a server for a while."""
    server = FaultServer(ranges=ranges)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
