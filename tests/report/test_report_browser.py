"""The page in a real browser, where there is one: nothing is requested, and its script runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from report.html_page import parse

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page in")

# The browser's own requests (time, updates) have no page behind them.
NO_PAGE = "not an origin"


def open_page(page: Path, folder: Path) -> tuple[str, list[str]]:
    """Open a file; return the document that its script leaves, and what it asked the network."""
    folder.mkdir()
    assert BROWSER is not None
    # fmt: off
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}", f"--log-net-log={folder / 'net.json'}",
            "--net-log-capture-mode=Everything", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )
    # fmt: on
    events = json.loads((folder / "net.json").read_text(encoding="utf-8"))["events"]
    told = [event.get("params") or {} for event in events]
    asked = [p["url"] for p in told if p.get("url") and p.get("initiator", NO_PAGE) != NO_PAGE]
    return done.stdout, [url for url in asked if not url.startswith(("data:", "file:"))]


def test_page_asks_the_network_for_nothing(html: str, tmp_path: Path) -> None:
    """From file://, with pictures and sounds; a page that does ask is seen to."""
    page = tmp_path / "report.html"
    page.write_text(html, encoding="utf-8")
    document, asked = open_page(page, tmp_path / "ours")
    assert asked == []
    assert "<audio" in document

    control = tmp_path / "control.html"
    control.write_text('<img src="http://127.0.0.1:9/pixel.png">', encoding="utf-8")
    assert open_page(control, tmp_path / "control")[1] == ["http://127.0.0.1:9/pixel.png"]


def test_script_runs_under_the_page_s_own_policy(html: str, tmp_path: Path) -> None:
    """Headings of class tables become buttons, and the filter shows; without it both are inert."""
    page = tmp_path / "report.html"
    page.write_text(html, encoding="utf-8")
    before = parse(html)
    assert before.count("button") == 0
    assert before.count("p", class_="filter", hidden="") == before.count("table", class_="sortable")
    after = parse(open_page(page, tmp_path / "ours")[0])
    assert after.count("button") >= 4 * before.count("table", class_="sortable") > 0
    assert not [a for _, a in after.tags if a.get("class") == "filter" and "hidden" in a]
