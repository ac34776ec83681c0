"""A detector of another package, found by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import VggssError
from vggss_tools.propose.detector import describe_detector, detector_names, load_detector
from vggss_tools.workspace import Workspace

DOCS = Path(__file__).parents[2] / "docs" / "propose.md"


def code_of(docs: str, name: str) -> str:
    """Return the block of the documentation that begins with a comment naming the file."""
    for block in docs.split("```")[1::2]:
        text = block.partition("\n")[2]
        if text.startswith(f"# {name}"):
            return text
    raise AssertionError(f"no block for {name}")


def install(folder: Path, module: str, code: str, points: str) -> None:
    """Put a distribution into a folder, as an installer leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vggss_tools.detectors]\n{points}\n")


def test_the_documented_detector_works_from_another_package(tmp_path: Path) -> None:
    """The 20 lines of docs/propose.md, installed in a folder of their own, run in the command."""
    code = code_of(DOCS.read_text(encoding="utf-8"), "bright_spot.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    install(tmp_path / "site", "bright_spot", code, "bright-spot = bright_spot")
    workspace = Workspace.create(tmp_path / "data")
    write_clips(workspace.clips_table, [Clip("a_000001", "lamp buzzing", "test")])
    frame = np.zeros((90, 160, 3), np.uint8)
    frame[30:60, 40:80] = 255
    workspace.frame_path("a").parent.mkdir()
    cv2.imwrite(str(workspace.frame_path("a_000001")), frame)
    line = ["propose-boxes", "--data", str(workspace.root), "--detector", "bright-spot", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "vggss_tools", *line, "--matcher", "names"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["settings"]["detector"] == "bright-spot"
    assert summary["kept"] == 1


def test_a_broken_plugin_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed; using it says what is wrong; those that are shipped go on."""
    install(
        tmp_path / "site",
        "plugin_for_test",
        "describe = 3",
        "odd = plugin_for_test\nlost = no_such_module_of_mine\nsample = plugin_for_test",
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert detector_names()[-2:] == ["lost", "odd"]
    with pytest.raises(VggssError, match=r"'odd' of plugin.for.test: .* has no function describe"):
        describe_detector("odd")
    with pytest.raises(VggssError, match=r"'lost' of .* cannot be loaded"):
        load_detector("lost")
    assert describe_detector("sample").name == "sample"
