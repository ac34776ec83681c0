"""A real Chromium, a loopback server for what it opens, and a data directory to ask about."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vggss_tools.annotate.events import Event, EventBox, new_event
from vggss_tools.annotate.log import append_events
from vggss_tools.boxes import Box
from vggss_tools.clips import write_clips
from vggss_tools.workspace import Workspace

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".jpg": "image/jpeg",
         ".mp4": "video/mp4", ".json": "application/json"}  # fmt: skip
# Of every clip of the data directory, before anybody has looked: the first sounds.
BOXES = (
    EventBox(Box(0.1, 0.2, 0.4, 0.7)),
    EventBox(Box(0.53, 0.51, 0.87, 0.93), False),
)


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Run the system's Chromium, which can reach nothing but this machine; skip without one."""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("chromium: not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Server:
    """Folders over HTTP on the loopback, with byte ranges, without which VIA 3 shows no video.

    Attributes
    ----------
    url : str
        Of the server itself, without a slash.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def add(self, name: str, folder: Path) -> str:
        """Serve a folder; return its URL, ending in a slash."""
        self.folders[name] = folder
        return f"{self.url}/{name}/"

    def close(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send a file, or the part of it that is asked for."""
        name, _, rest = request.path.partition("?")[0].lstrip("/").partition("/")
        file = self.folders.get(name, Path("/nowhere")) / rest
        if not file.is_file():
            request.send_error(404)
            return
        data = file.read_bytes()
        start, end = 0, len(data) - 1
        wanted = request.headers.get("Range", "")
        if wanted.startswith("bytes="):
            first, _, last = wanted[6:].partition("-")
            start, end = int(first), int(last) if last else end
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        else:
            request.send_response(200)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Type", TYPES.get(file.suffix, "application/octet-stream"))
        request.send_header("Content-Length", str(end - start + 1))
        request.end_headers()
        # A browser stops reading what it no longer needs.
        with suppress(BrokenPipeError, ConnectionResetError):
            request.wfile.write(data[start : end + 1])


def make_world(root: Path, clips: int = 3) -> Workspace:
    """Make a data directory of sample clips with a detector's boxes, which nobody has seen."""
    from click.testing import CliRunner

    from vggss_tools.cli import group

    for command in (["sample", str(root), "--train", "0", "--test", str(clips), "--workers", "0"],
                    ["extract", "--data", str(root), "--workers", "0"]):  # fmt: skip
        done = CliRunner().invoke(group, command)
        assert done.exit_code == 0, done.output
    return before_anybody(Workspace(root))


def before_anybody(workspace: Workspace) -> Workspace:
    """Begin the log anew, with a detector's boxes alone."""
    workspace.annotations_log.unlink()
    append_events(
        workspace.annotations_log,
        [
            new_event(clip.clip_id, clip.label, "unseen", BOXES, stage="auto",
                      reviewer="detector", tool="test")
            for clip in workspace.clips()
        ],
    )  # fmt: skip
    return workspace


def relabelled(world: Workspace, root: Path, label: str) -> Workspace:
    """Return a copy of a data directory whose clips are of another class."""
    workspace = copy_world(world, root)
    clips = [replace(clip, label=label) for clip in workspace.clips()]
    write_clips(workspace.clips_table, clips)
    return before_anybody(workspace)


def copy_world(world: Workspace, root: Path) -> Workspace:
    """Return a copy of a data directory, for one test to write to."""
    shutil.copytree(world.root, root)
    return Workspace(root)


def nearest(event: Event, place: Sequence[float]) -> EventBox:
    """Return the box of an event that is nearest to a place, whatever the boxes' order."""
    return min(
        event.boxes,
        key=lambda one: max(abs(a - b) for a, b in zip(one.box.as_list(), place, strict=True)),
    )
