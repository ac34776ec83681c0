"""VIA's real pages in a real browser: where they are, and a server for them and their media."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_browser import Server, make_world, open_chromium

from vggss_tools.workspace import Workspace

# Read at once: another fixture clears the settings of `vggss` from the environment.
_PAGES = os.environ.get("VGGSS_VIA_PAGES")


@pytest.fixture(scope="session")
def via_pages() -> Path:
    """Folder with VIA's own pages, unpacked as docs/via.md says."""
    if not _PAGES:
        pytest.skip("VGGSS_VIA_PAGES is not set: no pages of VIA to test with (docs/via.md)")
    path = Path(_PAGES)
    assert path.is_dir(), f"VGGSS_VIA_PAGES={_PAGES} is not a folder"
    return path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory of three sample clips; tests write to copies of it."""
    return make_world(tmp_path_factory.mktemp("via") / "world")


# Not of the session: only one Playwright can run in a process at a time.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Run the system's Chromium."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve folders on the loopback while a test runs."""
    running = Server()
    yield running
    running.close()
