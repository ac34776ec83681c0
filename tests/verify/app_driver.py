"""A real database, the real App and a real browser, each stopped by its own process id."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

START_S = 120  # a busy machine takes its time
READY = ".vggss[data-state=ready]"
# Nothing outside of this machine is asked for.
CHROMIUM = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing() -> str | None:
    """Say what is not there of FiftyOne, its database, Playwright and Chromium."""
    if find_spec("fiftyone") is None:
        return "fiftyone is not installed"
    if not mongod().is_file():
        return "fiftyone's database program is not installed"
    if find_spec("playwright") is None:
        return "playwright is not installed"
    if shutil.which("chromium") is None:
        return "chromium is not installed"
    return None


def need_app() -> None:
    """Skip where something is missing."""
    reason = missing()
    if reason:
        pytest.skip(reason)


def mongod() -> Path:
    """Return where FiftyOne keeps its database program."""
    package = find_spec("fiftyone")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "db" / "bin" / "mongod"


def until(condition: Callable[[], Any], what: str) -> Any:
    """Ask again and again; fail the test after a long while."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited for {what}")


def answers_on(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Database:
    """A database of our own: FiftyOne would share one among all programs of a user."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # fmt: off
        self.process = subprocess.Popen(
            [mongod(), "--dbpath", self.folder, "--bind_ip", "127.0.0.1", "--port", str(self.port),
             "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        # fmt: on
        until(lambda: answers_on(self.port), "mongod")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class App:
    """``vggss verify`` in a process of its own, and all that it starts."""

    world: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/datasets/vggss-tools-test"

    def servers(self) -> list[int]:
        """Return the process ids of the App's server: the one that listens."""
        import psutil  # type: ignore[import-untyped]

        return [
            child.pid
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if any(c.status == "LISTEN" and c.laddr.port == self.port
                   for c in child.net_connections("tcp"))
        ]  # fmt: skip

    def ends(self) -> str:
        """Wait until it ends by itself; return what it said."""
        return self.process.communicate(timeout=START_S)[1]

    def stop(self) -> str:
        """End it as a person does, with Ctrl-C; return what it said."""
        import psutil

        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        if self.process.stderr is None or self.process.stderr.closed:
            return ""
        try:
            _, said = self.process.communicate(timeout=START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said = "did not end at Ctrl-C"
        for child in children:
            if child.is_running():
                child.kill()
        return said


def environment_for(folder: Path, database: Database) -> dict[str, str]:
    """Return an environment in which FiftyOne touches nothing of the user's."""
    return {
        **os.environ,
        "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{database.port}",
        "FIFTYONE_DATABASE_NAME": f"verify-{abs(hash(folder))}",
        "FIFTYONE_DATABASE_DIR": str(folder / "unused"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_CONFIG_PATH": str(folder / "fiftyone.json"),
        "FIFTYONE_DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
    }


# A shell that runs the tests in the background has told its children to ignore Ctrl-C.
HEARS_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from vggss_tools.cli import main; main()"
)


def start_app(world: Path, environment: dict[str, str], *options: str) -> App:
    """Start ``vggss verify`` and wait until its App answers."""
    port = free_port()
    # fmt: off
    process = subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, "--data", world, "verify", "--reviewer", "ann",
         "--port", str(port), "--remote", *options],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )
    # fmt: on
    app = App(world, port, environment, process)
    until(lambda: answers_on(port) or process.poll() is not None, "the App")
    if process.poll() is not None:
        raise AssertionError(process.communicate()[1])
    return app


@contextmanager
def browser_page() -> Iterator[Any]:
    """A page of a fresh Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(CHROMIUM)
        )
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(START_S * 1000)
            yield page
        finally:
            browser.close()


def open_review(page: Any, app: App) -> None:
    """Open the App and wait until a clip is shown."""
    page.goto(app.url)
    page.wait_for_selector(READY)


def shown_clip(page: Any) -> str:
    return str(page.get_attribute(".vggss", "data-clip"))


def press(page: Any, key: str) -> str:
    """Answer the clip that is shown and wait for the next; return which it was."""
    clip = shown_clip(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "clip => { const d = document.querySelector('.vggss').dataset;"
        " return d.clip !== clip && d.state === 'ready'; }",
        arg=clip,
    )
    return clip


def log_lines(world: Path) -> list[dict[str, Any]]:
    """Return what people have logged, in the log's order."""
    lines = (world / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [event for event in events if event["reviewer"] != "sample-world"]
