"""The App of one review session: its server, and the end of it."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import Any

from vggss_tools.errors import VggssError
from vggss_tools.verify.environment import import_fiftyone, leave_database, settle_environment
from vggss_tools.verify.plugin_files import PANEL, install_plugin
from vggss_tools.verify.review import Report, Review, Synced, sync
from vggss_tools.verify.session_file import VARIABLE, Session

ADDRESS = "127.0.0.1"
CLOSING_S = 5.0  # for the App's server to end by itself


def run_app(review: Review, session: Session, report: Report) -> Synced:
    """Serve the App until Ctrl-C, SIGTERM or the end of its server; then take edits once more.

    Raises
    ------
    VggssError
        If the port is taken, or the server ends by itself.
    """
    settle_environment()
    path = session.write()
    try:
        os.environ[VARIABLE] = str(path)
        fo = import_fiftyone()
        port = review.port or fo.config.default_app_port
        check_port(port)
        install_plugin(fo.config.plugins_dir)
        report("Starting the App …")
        with _stoppable(), redirect_stdout(_WithoutRetries()):
            try:
                _launch(fo, review, session, port)
                _announce(review, session, port, report)
                _wait(port, report)
            except KeyboardInterrupt:
                pass  # the way to end it
            finally:
                _close(fo)
        try:
            return sync(review, live=True)
        except VggssError:
            leave_database(fo)
            raise
    finally:
        path.unlink(missing_ok=True)
        os.environ.pop(VARIABLE, None)


class _WithoutRetries(io.TextIOBase):
    """What FiftyOne prints goes to stderr, less that it tries again to join its own server."""

    def write(self, text: str) -> int:
        if text.strip() and "Could not connect session" not in text:
            sys.stderr.write(text if text.endswith("\n") else text + "\n")
        return len(text)


def check_port(port: int) -> None:
    """Refuse a port on which something listens: FiftyOne would join whatever that is.

    Raises
    ------
    VggssError
        Naming the port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise VggssError(
                f"port {port}: cannot be used ({error.strerror}); choose another with --port"
            ) from None


def _launch(fo: Any, review: Review, session: Session, port: int) -> None:
    dataset = fo.load_dataset(session.dataset)
    panel = fo.Panel(type=PANEL)
    spaces = fo.Space(
        children=[fo.Panel(type="Samples", pinned=True), panel], active_child=panel.component_id
    )
    fo.launch_app(dataset, port=port, address=ADDRESS, remote=True, auto=False, spaces=spaces)
    if not review.remote:
        import webbrowser

        webbrowser.open(_url(session, port))


def _url(session: Session, port: int) -> str:
    return f"http://{ADDRESS}:{port}/datasets/{session.dataset}"


def _announce(review: Review, session: Session, port: int, report: Report) -> None:
    report(
        f"{len(session.questions)} clips for {session.reviewer}: {_url(session, port)}\n"
        "Choose the tab Review; press Y, N or U for each clip. Ctrl-C here ends it."
    )
    if review.remote:
        host = socket.gethostname()
        report(
            "On your own machine: "
            f"ssh -N -L {port}:{ADDRESS}:{port} {host}, then open the same address there"
        )


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end the session as Ctrl-C does, with the App's processes."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(port: int, report: Report) -> None:
    silent = 0
    while silent < 3:
        time.sleep(1.0)
        try:
            with socket.create_connection((ADDRESS, port), timeout=5):
                silent = 0
        except OSError:
            silent += 1
    raise VggssError(
        "the App's server has ended; every answer is in the log, run the same command to go on"
    )


def _close(fo: Any) -> None:
    """End the App's processes; without a database its server would not end by itself."""
    import psutil  # type: ignore[import-untyped]  # FiftyOne needs it too

    servers = [
        child
        for child in psutil.Process().children(recursive=True)
        if child.is_running()
        and "--51-service" not in child.cmdline()
        and "main.py" in child.cmdline()
    ]

    def kill() -> None:
        for server in servers:
            with suppress(psutil.NoSuchProcess):
                server.kill()

    late = threading.Timer(CLOSING_S, kill)
    late.daemon = True
    late.start()
    try:
        fo.close_app()
    finally:
        late.cancel()
