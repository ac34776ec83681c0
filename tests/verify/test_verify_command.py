"""``vggss verify`` where something is missing, and what it cuts and follows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import Result
from clip_folder import LABELS, make_clip_folder
from clip_maker import make_clip

from vggss_tools.annotate.events import new_event
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events
from vggss_tools.errors import InvalidInput
from vggss_tools.media.probe import probe
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.plugin_files import install_plugin
from vggss_tools.verify.segments import cut_segments, segment_of

Invoke = Callable[..., Result]


def one_line(result: Result) -> str:
    assert result.exit_code != 0
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_no_clips_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    """An empty data directory, a split that is not there, and clips without videos."""
    assert "no clips in this data directory" in one_line(
        invoke("--data", tmp_path / "none", "verify")
    )
    make_clip_folder(tmp_path / "data", train=0, test=1)
    assert "no clip of split 'val'" in one_line(
        invoke("--data", tmp_path / "data", "verify", "--split", "val")
    )
    assert "has both a video and a frame" in one_line(invoke("--data", tmp_path / "data", "verify"))


def test_a_port_in_use_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    """Whatever listens there is not joined."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = one_line(invoke("--data", tmp_path, "verify", "--port", str(port)))
    assert f"port {port}: cannot be used" in said
    assert "--port" in said


@pytest.mark.skipif(find_spec("fiftyone") is None, reason="fiftyone is not installed")
def test_a_database_that_does_not_answer_is_one_line(
    tmp_path: Path, vggss: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """FiftyOne's own error is many lines; the password of the address is not shown."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "FIFTYONE_DATABASE_URI": f"mongodb://me:secret@127.0.0.1:{port}",
    }
    make_clip_folder(tmp_path, train=0, test=1)
    done = vggss("--data", tmp_path, "verify", "--sync", env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: FiftyOne's database at mongodb://127.0.0.1:")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    """Without FiftyOne, the line says how to install it."""
    code = (
        "import sys; sys.modules['fiftyone'] = None\n"
        "from vggss_tools.cli import main\n"
        f"main(['--data', {str(tmp_path)!r}, 'verify', '--sync'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: fiftyone: not installed, and this needs it; "
        "install it with: pip install 'vggss-tools[verify]'\n"
    )


@pytest.mark.parametrize("only", ["all", "class", "to verify", ""])
def test_an_unknown_choice_is_a_usage_error(invoke: Invoke, tmp_path: Path, only: str) -> None:
    """What can be chosen is listed."""
    result = invoke("--data", tmp_path, "verify", "--only", only)
    assert result.exit_code == 2
    assert "to-verify" in result.stderr


@pytest.mark.parametrize("name", ["", " ", "a\nb", "sample-world"])
def test_a_name_of_nobody_is_refused_before_any_work(
    invoke: Invoke, tmp_path: Path, name: str
) -> None:
    """No answer is written under the login's name where another was given."""
    result = invoke("--data", tmp_path, "verify", "--reviewer", name)
    assert result.exit_code == 2
    assert "reviewer" in one_line(result)


def test_segments_are_cut_once_with_their_sound(tmp_path: Path) -> None:
    """Five seconds round the frame; a clip that is newer than its segment is cut again."""
    workspace = make_clip_folder(tmp_path, train=0, test=2)
    ids = [clip.clip_id for clip in workspace.clips()]
    workspace.clip_path(ids[0]).parent.mkdir()
    make_clip(workspace.clip_path(ids[0]))
    workspace.clip_path(ids[1]).write_bytes(b"no video")
    items = WorkspaceItems(workspace)

    cut, failed = cut_segments(workspace, items.values(), workers=1)
    assert (cut, list(failed)) == (1, [ids[1]])
    segment = segment_of(workspace, items[ids[0]])
    info = probe(segment.path)
    assert info.duration == pytest.approx(5, abs=0.1)
    assert info.has_audio
    assert segment.frame_at == pytest.approx(2.5)
    assert cut_segments(workspace, items.values(), workers=1)[0] == 0
    later = segment.path.stat().st_mtime + 10
    os.utime(workspace.clip_path(ids[0]), (later, later))
    assert cut_segments(workspace, items.values(), workers=1)[0] == 1


def test_the_plugin_is_installed_and_kept_up_to_date(tmp_path: Path) -> None:
    """Files that differ are replaced; those that do not are left alone."""
    folder = install_plugin(tmp_path)
    assert folder == tmp_path / "@vggss" / "review"
    bundle = folder / "dist" / "index.umd.js"
    assert "registerComponent" in bundle.read_text()
    before = (folder / "fiftyone.yml").stat().st_mtime_ns
    bundle.write_text("old")
    install_plugin(tmp_path)
    assert "registerComponent" in bundle.read_text()
    assert (folder / "fiftyone.yml").stat().st_mtime_ns == before


def test_the_log_is_followed_while_others_write(tmp_path: Path) -> None:
    """Only new lines are read; a torn one is let be, a broken one is named."""
    path = tmp_path / "annotations.jsonl"
    follower = LogFollower(path)
    assert follower.refresh() == set()
    events = [
        new_event(f"a_00000{i}", LABELS[0], "yes", stage="verify", reviewer="ann", tool="test")
        for i in range(3)
    ]
    append_events(path, events[:1])
    assert follower.refresh() == {"a_000000"}
    with path.open("a") as log:
        log.write(events[1].as_line() + json.dumps(events[2].as_json())[:20])
    assert follower.refresh() == {"a_000001"}
    append_events(path, events[:1] + events[2:], report=lambda _: None)
    assert follower.refresh() == {"a_000002"}
    with path.open("a") as log:
        log.write("broken\n")
    with pytest.raises(InvalidInput, match="line"):
        follower.refresh()


def test_a_log_that_is_put_in_anothers_place_is_read_again(tmp_path: Path) -> None:
    """A restored copy may be longer than what was read, and say something else."""
    path, copy = tmp_path / "annotations.jsonl", tmp_path / "copy.jsonl"
    events = [
        new_event(f"a_00000{i}", LABELS[0], "yes", stage="verify", reviewer="ann", tool="test")
        for i in range(3)
    ]
    append_events(path, events[:1])
    follower = LogFollower(path)
    append_events(copy, events[1:])
    copy.replace(path)
    assert follower.refresh() == {"a_000001", "a_000002"}
    assert follower.find(events[0].event_id) is None
