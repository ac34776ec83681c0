"""``vggss validate``: every recorded file, checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from vggss_tools.checksums import sha256_of
from vggss_tools.clips import read_clips
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.workspace import Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sample world with frames and sounds."""
    from click.testing import CliRunner

    from vggss_tools.cli import group

    root = tmp_path_factory.mktemp("validate") / "data"
    for command in (
        ["sample", str(root), "--train", "1", "--test", "2", "--workers", "0"],
        ["extract", "--data", str(root), "--workers", "0"],
    ):
        result = CliRunner().invoke(group, command)
        assert result.exit_code == 0, result.output
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    """Return a copy of it."""
    import shutil

    return Workspace(shutil.copytree(made, tmp_path / "data"))


def findings(
    invoke: Callable[..., Result], workspace: Workspace, *options: str
) -> list[dict[str, str]]:
    """Run the command and return what it finds; its exit code follows."""
    result = invoke("validate", "--data", workspace.root, "--json", *options)
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["schema"] == "vggss-validate/1"
    assert result.exit_code == (6 if told["findings"] else 0), result.output
    assert sum(told["counts"].values()) == len(told["findings"])
    return list(told["findings"])


def one_clip(workspace: Workspace, split: str = "test") -> str:
    return next(c.clip_id for c in read_clips(workspace.clips_table) if c.split == split)


def test_a_whole_directory_has_no_findings(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """All files that were recorded are looked at, and nothing is wrong."""
    result = invoke("validate", "--data", workspace.root, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["findings"], told["counts"]) == (0, [], {})
    assert told["files"] >= 9


def test_each_kind_of_fault_is_found_and_nothing_is_removed(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """A file may be gone, other than recorded, unreadable as recorded, or unknown."""
    clip_id = one_clip(workspace)
    workspace.audio_path(clip_id).unlink()
    workspace.frame_path(clip_id).write_bytes(b"something else")
    clip = workspace.clip_path(clip_id)
    clip.write_bytes(b"recorded, but no video")
    with Ledger(workspace.ledger_path) as ledger:
        path = clip.relative_to(workspace.root).as_posix()
        sums = {path: sha256_of(clip)}
        # After the sample world's own outcome, which may be of this very second.
        later = (datetime.now(UTC) + timedelta(minutes=1)).replace(microsecond=0).isoformat()
        ledger.record([Outcome(clip_id, "fetch", "done", time=later, checksums=sums)])
    stranger = workspace.root / "clips" / "stranger_000000.mp4"
    stranger.write_bytes(b"who put it there?")
    (workspace.root / "clips" / ".part-0123-stranger.mp4").write_bytes(b"in the making")
    found = findings(invoke, workspace)
    assert {one["path"]: one["kind"] for one in found} == {
        f"audio/{clip_id}.wav": "missing",
        f"frames/{clip_id}.jpg": "changed",
        f"clips/{clip_id}.mp4": "unreadable",
        "clips/stranger_000000.mp4": "unrecorded",
    }
    commands = {one["kind"]: one["message"] for one in found}
    assert "`vggss extract`" in commands["missing"]
    assert "`vggss extract`" in commands["changed"]
    assert "`vggss fetch`" in commands["unreadable"]
    assert stranger.is_file()
    assert workspace.frame_path(clip_id).is_file()


def test_a_split_alone_can_be_checked(workspace: Workspace, invoke: Callable[..., Result]) -> None:
    """Faults of other splits' clips are not looked for."""
    workspace.frame_path(one_clip(workspace, "train")).unlink()
    assert findings(invoke, workspace, "--split", "test") == []
    assert len(findings(invoke, workspace, "--split", "train")) == 1


def test_the_repair_that_is_named_repairs(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """Moving a changed file away and running the command again makes the directory whole."""
    clip_id = one_clip(workspace)
    workspace.frame_path(clip_id).write_bytes(b"something else")
    (finding,) = findings(invoke, workspace)
    assert "move it away and run `vggss extract` again" in finding["message"]
    workspace.frame_path(clip_id).unlink()
    assert invoke("extract", "--data", workspace.root, "--workers", 0).exit_code == 0
    assert findings(invoke, workspace) == []


def test_no_directory_is_one_line(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """There is nothing to check where there is nothing."""
    result = invoke("validate", "--data", tmp_path / "none")
    assert result.exit_code == 1
    assert "no such data directory" in result.stderr
