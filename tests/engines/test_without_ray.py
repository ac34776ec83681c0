"""Without the extra ``ray``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from counting_stage import CountingStage

from vggss_tools.clips import Clip
from vggss_tools.errors import MissingExtra, VggssError
from vggss_tools.stages import run_stage
from vggss_tools.workspace import Workspace

CLIPS = [Clip("video0_000000", "label", "test")]


def test_ray_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is one line with the command that installs it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vggss-tools\[ray\]'"):
        run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), engine="ray")


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    """Nothing takes the place of an engine that there is not."""
    with pytest.raises(VggssError, match="no such engine"):
        run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), engine="spark")
