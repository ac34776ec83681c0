"""What the tests of the page share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.report_case import Case, make_case

from vggss_tools.workspace import Workspace


@pytest.fixture(scope="session")
def finished_case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A small benchmark and its files, made once; tests get copies."""
    from vggss_tools.cli import group

    folder = tmp_path_factory.mktemp("case")

    def invoke(*arguments: str | Path) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(group, words, env={"XDG_CONFIG_HOME": str(folder / "no-config")})

    return make_case(folder, invoke)


@pytest.fixture
def case(finished_case: Case, tmp_path: Path) -> Case:
    """A small benchmark and its files."""
    shutil.copytree(finished_case.folder, tmp_path, dirs_exist_ok=True)
    return Case(Workspace(tmp_path / "data"), tmp_path, finished_case.names)


@pytest.fixture
def html(case: Case, invoke: Callable[..., Result]) -> str:
    """The page with everything on it."""
    out = case.folder / "report.html"
    result = invoke("report", *case.inputs, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return out.read_text(encoding="utf-8")
