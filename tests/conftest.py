"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

# A busy machine is no failure: no test asserts a time.
settings.register_profile("vggss", deadline=None)
settings.load_profile("vggss")


# They drive programs of others (a browser, FiftyOne's App, Ray), whose timing is not ours: tried
# once more before they count as failed, and the summary says so. No other test is.
OTHERS_PROGRAMS = {
    "test_ray_engine.py",
    "test_report_browser.py",
    "test_review_page_in_browser.py",
    "test_verify_app.py",
    "test_via2_page.py",
    "test_via3_page.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what may be tried twice."""
    for item in items:
        if item.path.name in OTHERS_PROGRAMS:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder with the field's published lists, for parity tests."""
    folder = os.environ.get("VGGSS_REFERENCE_DATA")
    if not folder:
        pytest.skip("VGGSS_REFERENCE_DATA is not set: no published lists to compare with")
    path = Path(folder)
    assert path.is_dir(), f"VGGSS_REFERENCE_DATA={folder} is not a folder"
    return path


@pytest.fixture(autouse=True)
def _no_user_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the tests from the user's own configuration and environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))
    for name in [name for name in os.environ if name.startswith("VGGSS_")]:
        if name != "VGGSS_REFERENCE_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run ``vggss`` in this process; stdout and stderr come apart."""
    from vggss_tools.cli import group

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(
            group, [str(argument) for argument in arguments], prog_name="vggss"
        )

    return run


@pytest.fixture(scope="session")
def vggss() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``vggss`` as a user does, in a process of its own."""

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vggss_tools", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run
