"""What a stage leaves behind when the world ends in the middle: nothing wrong, nothing half."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from counting_stage import CountingStage
from killing import run_and_kill

from vggss_tools import stages
from vggss_tools.clips import Clip
from vggss_tools.ledger import Ledger
from vggss_tools.stages import run_stage
from vggss_tools.workspace import Workspace

KILLS = 20
CLIPS = [Clip(f"video{i:03}_000000", f"label {i}", "test") for i in range(400)]
CONTENT_BYTES = 50_000

# Writes each file in two halves with a pause between them, in four threads.
SCRIPT = textwrap.dedent("""
    import signal, sys, time
    from pathlib import Path
    from counting_stage import CountingStage
    from test_stage_robustness import CLIPS, content
    from vggss_tools.errors import VggssError
    from vggss_tools.stages import run_stage
    from vggss_tools.workspace import Workspace

    class HalvesStage(CountingStage):
        workers_are = "threads"

        def process(self, clip, parts):
            (part,) = parts.values()
            whole = content(clip)
            with part.open("wb") as handle:
                handle.write(whole[: len(whole) // 2])
                handle.flush()
                time.sleep(self.pause)
                handle.write(whole[len(whole) // 2 :])
            return {"bytes": len(whole)}

    # A shell that runs the tests in the background has told its children to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    root, pause, workers, count = Path(sys.argv[1]), *map(float, sys.argv[2:5])
    if __name__ == "__main__":
        stage = HalvesStage(root, pause=pause)
        print("started", flush=True)
        try:
            run_stage(stage, CLIPS[: int(count)], Workspace(root), workers=int(workers))
        except VggssError as error:
            sys.exit(f"Error: {error.message}")
        except KeyboardInterrupt:
            sys.exit(130)
""")


def content(clip: Clip) -> bytes:
    """What the file of a clip holds."""
    return (clip.label.encode() * CONTENT_BYTES)[:CONTENT_BYTES]


def command(tmp_path: Path, root: Path, pause: float, workers: int, count: int) -> list[str]:
    """Return the command that runs the stage."""
    script = tmp_path / "driver.py"
    script.write_text(SCRIPT)
    return [sys.executable, *map(str, (script, root, pause, workers, count))]


@pytest.fixture(autouse=True)
def _helpers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands import this file and its helpers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def check_state(root: Path) -> int:
    """Every file under a final name is whole; what is recorded as done is there. Return how many.

    A file may be there without a record (it was killed in between), never the other way round.
    """
    expected = {clip.clip_id: content(clip) for clip in CLIPS}
    for path in (root / "counted").glob("video*.txt"):
        assert path.read_bytes() == expected[path.stem], f"{path} is not whole"
    if not (root / "ledger.sqlite").is_file():
        return 0
    with Ledger(root / "ledger.sqlite") as ledger:
        ledger.check()
        outcomes = ledger.outcomes("count")
    for outcome in outcomes:
        assert outcome.done, outcome.message
        ((name, sha256),) = outcome.checksums.items()
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == sha256
        assert outcome.facts == {"bytes": CONTENT_BYTES}
    return len(outcomes)


@pytest.mark.slow
def test_kill_9_at_twenty_random_moments_leaves_no_wrong_state(tmp_path: Path) -> None:
    """After each kill all that is there is whole and true, and the last run completes it."""
    root = tmp_path / "data"
    root.mkdir()
    moments = random.Random(0)
    reached = []
    for _ in range(KILLS):
        # At most 20 clips a second, so that the last kill still finds some to be done.
        assert run_and_kill(command(tmp_path, root, 0.2, 4, 400), moments.uniform(0.3, 1.5))
        reached.append(check_state(root))
    assert reached == sorted(reached)  # nothing that was done is lost
    assert reached[-1] > 0  # some of the kills came in the middle of the work
    subprocess.run(command(tmp_path, root, 0.0, 4, 400), check=True)
    assert check_state(root) == 400
    assert not list(root.rglob(".part-*"))


def limited(bytes_a_file: int) -> Callable[[], None]:
    """Return what limits the size of every file that a process writes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))


@pytest.mark.parametrize("limit", [20_000, 120_000])
def test_a_limit_in_the_way_of_files_or_of_the_ledger_stops_the_run(
    tmp_path: Path, limit: int
) -> None:
    """Where a file, or the ledger, cannot be written, one line says so and nothing is lost."""
    root = tmp_path / "data"
    root.mkdir()
    run = command(tmp_path, root, 0.0, 2, 60)
    subprocess.run([*run[:-1], "5"], check=True)
    stopped = subprocess.run(
        run, preexec_fn=limited(limit), capture_output=True, text=True, check=False
    )
    assert stopped.returncode == 1
    assert stopped.stderr.count("\n") == 1, stopped.stderr
    assert "free some space" in stopped.stderr
    with Ledger(root / "ledger.sqlite") as ledger:
        done = [outcome for outcome in ledger.outcomes("count") if outcome.done]
    assert len(done) >= 5
    assert {path.stat().st_size for path in (root / "counted").glob("video*")} == {CONTENT_BYTES}
    subprocess.run(run, check=True)
    assert check_state(root) == 60
    assert not list(root.rglob(".part-*"))


def in_mounts_of_its_own(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount what it likes; skip where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("only root may mount")
    if subprocess.run([unshare, "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    return subprocess.run(
        [unshare, "-m", "sh", "-ec", script, "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_stops_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    """On a file system of 1.5 MB the run stops with one line, and goes on once there is room."""
    small, root = tmp_path / "small", tmp_path / "data"
    small.mkdir()
    script = """
        mount -t tmpfs -o size=1500k none "$1"
        shift
        small=$1; kept=$2; shift 2
        "$@" || code=$?
        cp -r "$small" "$kept"
        exit ${code:-0}
    """
    run = command(tmp_path, small, 0.0, 2, 60)
    stopped = in_mounts_of_its_own(script, str(small), str(small), str(root), *run)
    assert stopped.returncode == 1, stopped.stderr
    assert "No space left" in stopped.stderr or "the disk is full" in stopped.stderr
    assert "free some space" in stopped.stderr
    (root / "ledger.sqlite-shm").unlink(missing_ok=True)
    with Ledger(root / "ledger.sqlite") as ledger:
        done = sum(outcome.done for outcome in ledger.outcomes("count"))
    assert 0 < done < 60
    assert {path.stat().st_size for path in (root / "counted").glob("video*")} == {CONTENT_BYTES}
    subprocess.run(command(tmp_path, root, 0.0, 2, 60), check=True)
    assert check_state(root) == 60


def test_a_read_only_directory_is_one_line_and_can_be_looked_at(tmp_path: Path) -> None:
    """Running there is refused before the work; `status` and `validate` work."""
    root = tmp_path / "data"
    root.mkdir()
    subprocess.run(command(tmp_path, root, 0.0, 2, 5), check=True)
    script = """
        mount --bind "$1" "$1"
        mount -o remount,ro,bind "$1"
        shift
        exec "$@"
    """
    run = command(tmp_path, root, 0.0, 2, 60)
    refused = in_mounts_of_its_own(script, str(root), *run)
    assert refused.returncode == 1, refused.stderr
    assert refused.stderr == (
        f"Error: {root}: cannot write there (Read-only file system); check that the directory "
        "exists and its rights, or choose another directory\n"
    )
    for name in ("status", "validate"):
        vggss = [sys.executable, "-m", "vggss_tools", name, "--data", str(root)]
        looked = in_mounts_of_its_own(script, str(root), *vggss)
        assert looked.returncode == 0, looked.stderr
    assert check_state(root) == 5


def test_a_clock_that_jumps_back_brings_no_old_outcome_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done under a wrong clock stays done, and the recorded times never go back."""
    clips, workspace = CLIPS[:3], Workspace(tmp_path)
    failing = ((clips[1].clip_id, "timeout"),)
    run_stage(CountingStage(tmp_path, failing=failing), clips, workspace, workers=0)
    with Ledger(workspace.ledger_path) as ledger:
        before = {outcome.clip_id: outcome.time for outcome in ledger.outcomes()}
    monkeypatch.setattr(stages, "now", lambda: "1999-01-01T00:00:00+00:00")
    assert run_stage(CountingStage(tmp_path), clips, workspace, workers=0).done == 1
    with Ledger(workspace.ledger_path) as ledger:
        after = {outcome.clip_id: outcome.time for outcome in ledger.outcomes()}
        assert all(outcome.done for outcome in ledger.outcomes())
    assert after == before
    assert run_stage(CountingStage(tmp_path), clips, workspace, workers=0).skipped == 3


def test_ctrl_c_ends_threads_and_keeps_what_was_done(tmp_path: Path) -> None:
    """The process ends with the code of an interrupt, and the next run goes on."""
    root = tmp_path / "data"
    root.mkdir()
    with subprocess.Popen(
        command(tmp_path, root, 0.05, 4, 400), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "started\n"
        while not any((root / "counted").glob("video*.txt")):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    done = check_state(root)
    assert 0 <= done < 400
    subprocess.run(command(tmp_path, root, 0.0, 4, 400), check=True)
    assert check_state(root) == 400
