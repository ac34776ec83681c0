from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from counting_stage import CountingStage

from vggss_tools.atomic import PART_PREFIX
from vggss_tools.clips import Clip
from vggss_tools.errors import FailureKind, Incomplete, SomeFailed, VggssError
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.stages import StageSummary, run_stage
from vggss_tools.workspace import Workspace

CLIPS = [Clip(f"video{i}_000000", f"label {i}", "test") for i in range(6)]


def calls(root: Path) -> Counter[str]:
    """How often each clip was processed."""
    return Counter({path.name: len(path.read_text()) for path in (root / "calls").glob("*")})


def parts_left(root: Path) -> list[Path]:
    return list(root.rglob(f"{PART_PREFIX}*"))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_second_run_does_no_work(tmp_path: Path, workers: int) -> None:
    """Everything is done once, in this process or in workers, and then skipped."""
    workspace = Workspace(tmp_path)
    stage = CountingStage(tmp_path)
    first = run_stage(stage, CLIPS, workspace, workers=workers)
    second = run_stage(stage, CLIPS, workspace, workers=workers)
    assert (first.done, first.skipped) == (6, 0)
    assert (second.done, second.skipped) == (0, 6)
    assert set(calls(tmp_path).values()) == {1}
    assert (tmp_path / "counted" / "video3_000000.txt").read_text() == "label 3"
    assert not parts_left(tmp_path)


def test_the_ledger_records_what_was_made(tmp_path: Path) -> None:
    """Checksums, versions and settings stand in the ledger."""
    run_stage(CountingStage(tmp_path), CLIPS[:1], Workspace(tmp_path), workers=0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        (outcome,) = ledger.outcomes("count")
    assert list(outcome.checksums) == ["counted/video0_000000.txt"]
    assert outcome.settings == {"flavour": "plain", "inputs": [None]}
    assert "vggss-tools" in outcome.versions


def test_other_settings_make_outcomes_stale(tmp_path: Path) -> None:
    """A changed setting is a reason to do a clip again."""
    workspace = Workspace(tmp_path)
    run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0)
    again = run_stage(CountingStage(tmp_path, flavour="new"), CLIPS, workspace, workers=0)
    assert again.done == 6


def test_a_changed_input_or_a_lost_output_is_done_again(tmp_path: Path) -> None:
    """Only the clips whose files changed or went are worked on."""
    workspace = Workspace(tmp_path)
    run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "video1_000000").write_text("new")
    (tmp_path / "counted" / "video4_000000.txt").unlink()
    again = run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0)
    assert (again.done, again.skipped) == (2, 4)
    assert calls(tmp_path)["video1_000000"] == calls(tmp_path)["video4_000000"] == 2


@pytest.mark.parametrize("batch_size", [1, 4])
def test_one_clips_failure_leaves_the_others_alone(tmp_path: Path, batch_size: int) -> None:
    """A known failure, a crash and an output that was not written are three recorded outcomes."""
    failing = (
        ("video1_000000", "no_audio"),
        ("video2_000000", "crash"),
        ("video3_000000", "silent"),
    )
    stage = CountingStage(tmp_path, failing=failing, batch_size=batch_size)
    summary = run_stage(stage, CLIPS, Workspace(tmp_path), workers=0)
    assert summary.done == 3
    assert summary.failed == {"no_audio": 1, "error": 2}
    messages = {outcome.clip_id: outcome.message for outcome in summary.failures}
    assert messages["video2_000000"] == "RuntimeError: something unexpected"
    assert "did not write" in str(messages["video3_000000"])
    assert not parts_left(tmp_path)
    with pytest.raises(Incomplete, match="3 clip"):
        summary.raise_for_failures()


def test_permanent_failures_are_not_tried_again_unless_asked(tmp_path: Path) -> None:
    """A clip without sound stays failed; --retry tries it again and counts the attempts."""
    workspace = Workspace(tmp_path)
    stage = CountingStage(tmp_path, failing=(("video1_000000", "no_audio"),))
    run_stage(stage, CLIPS, workspace, workers=0)
    second = run_stage(stage, CLIPS, workspace, workers=0)
    assert calls(tmp_path)["video1_000000"] == 1
    assert second.failed == {"no_audio": 1}
    with pytest.raises(SomeFailed):
        second.raise_for_failures()
    cured = run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0, retry_failed=True)
    assert (cured.done, cured.failures) == (1, ())
    with Ledger(workspace.ledger_path) as ledger:
        attempts = {o.clip_id: o.attempts for o in ledger.outcomes("count")}
    assert attempts["video1_000000"] == 2


def test_unexpected_failures_are_tried_again(tmp_path: Path) -> None:
    """What may have been an accident gets another chance on the next run."""
    workspace = Workspace(tmp_path)
    run_stage(CountingStage(tmp_path, failing=(("video1_000000", "crash"),)), CLIPS, workspace)
    assert run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0).done == 1


def test_a_full_disk_stops_the_stage_with_nothing_lost(tmp_path: Path) -> None:
    """What was done is kept and recorded, the rest is left, no half file remains."""
    stage = CountingStage(tmp_path, failing=(("video3_000000", "full"),))
    with pytest.raises(VggssError, match=r"video3_000000.*No space left.*free some space"):
        run_stage(stage, CLIPS, Workspace(tmp_path), workers=0)
    assert len(list((tmp_path / "counted").iterdir())) == 3
    assert not parts_left(tmp_path)
    assert run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0).done == 3


@pytest.mark.parametrize("reason", ["full", "full without a name", "tool"])
def test_a_failure_names_the_final_file(tmp_path: Path, reason: str) -> None:
    """Nobody knows the temporary name, so what is recorded has the other one."""
    stage = CountingStage(tmp_path, failing=(("video3_000000", reason),))
    with contextlib.suppress(VggssError):
        run_stage(stage, CLIPS, Workspace(tmp_path), workers=0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        failed = [outcome for outcome in ledger.outcomes("count") if not outcome.done]
    assert [outcome.clip_id for outcome in failed] == ["video3_000000"]
    assert str(tmp_path / "counted" / "video3_000000.txt") in str(failed[0].message)
    assert PART_PREFIX not in str(failed[0].message)


def test_a_dying_worker_is_reported_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    """A worker that is killed ends the command with a remedy; the next run completes it."""
    stage = CountingStage(tmp_path, failing=(("video5_000000", "die"),))
    with pytest.raises(Incomplete, match="worker process died"):
        run_stage(stage, CLIPS, Workspace(tmp_path), workers=1)
    summary = run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0)
    assert summary.done + summary.skipped == 6
    assert not parts_left(tmp_path)


def test_a_loop_of_links_fails_one_clip(tmp_path: Path) -> None:
    """A file that points at itself is that clip's failure for good, and the others are done."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "video1_000000").symlink_to("video1_000000")
    stage = CountingStage(tmp_path, failing=(("video1_000000", "read"),))
    summary = run_stage(stage, CLIPS, Workspace(tmp_path), workers=0)
    assert (summary.done, summary.failed) == (5, {"corrupt": 1})


@pytest.mark.parametrize(
    ("kind", "message", "done", "end"),
    [
        (FailureKind.CORRUPT, "a.jpg: damaged", 1, "replace these files, the other clips are done"),
        (FailureKind.CORRUPT, "a.jpg: damaged", 0, "a.jpg: damaged; replace these files"),
        (FailureKind.CORRUPT, "a.jpg: bad; extract again", 0, "a.jpg: bad; extract again"),
        (
            FailureKind.ERROR,
            "a.jpg: odd",
            0,
            "run the same command again once the cause is removed",
        ),
        (FailureKind.NOT_FOUND, "a.jpg: none; extract first", 1, "a.jpg: none; extract first"),
    ],
)
def test_failures_end_with_one_remedy(kind: FailureKind, message: str, done: int, end: str) -> None:
    """What says its own remedy gets no second one, and no clip is called done that is not."""
    failure = Outcome("a", "count", "failed", kind=kind, message=message)
    with pytest.raises(VggssError) as error:
        StageSummary("count", done, 0, (failure,)).raise_for_failures()
    assert error.value.message.endswith(end)
    assert error.value.message.count("again") <= 1


def test_a_folder_that_takes_no_lock_is_one_line(tmp_path: Path) -> None:
    """Where no lock file can be made, the folder and the cause are named."""
    with pytest.raises(VggssError, match=r"absent: cannot write there \(No such file"):
        run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path / "absent"), workers=0)


def test_two_processes_cannot_run_one_stage(tmp_path: Path) -> None:
    """The second is told to wait instead of doing the work twice."""
    script = textwrap.dedent(f"""
        from pathlib import Path
        from counting_stage import CountingStage
        from vggss_tools.locks import only_one
        with only_one(Path({str(tmp_path)!r}) / ".count.lock", "taken"):
            print("locked", flush=True)
            input()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(VggssError, match="another process runs count"):
            run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0)
        other.communicate("\n")
    assert run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0).done == 6


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until something has happened in another process."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute in vain"
        time.sleep(0.01)


def test_sigkill_loses_at_most_the_clips_in_flight(tmp_path: Path) -> None:
    """After kill -9 every final file is whole, workers end, and only the lost clips are redone."""
    script = textwrap.dedent(f"""
        from pathlib import Path
        from counting_stage import CountingStage
        from test_stages import CLIPS
        from vggss_tools.stages import run_stage
        from vggss_tools.workspace import Workspace
        if __name__ == "__main__":
            root = Path({str(tmp_path)!r})
            run_stage(CountingStage(root, pause=0.3), CLIPS, Workspace(root), workers=2)
    """)
    (tmp_path / "driver.py").write_text(script)
    driver = subprocess.Popen(
        [sys.executable, tmp_path / "driver.py"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        start_new_session=True,
    )
    counted = tmp_path / "counted"
    wait_for(lambda: any(counted.glob("video*.txt")))

    def one_is_recorded() -> bool:  # a moment after its file is there
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            return bool(ledger.outcomes("count"))

    wait_for(one_is_recorded)
    os.kill(driver.pid, signal.SIGKILL)  # the driver alone: its workers must notice by themselves
    driver.wait()

    def no_process_left() -> bool:
        try:
            os.killpg(driver.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(no_process_left)
    assert all(path.read_text().startswith("label") for path in counted.glob("video*.txt"))
    summary = run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0)
    assert summary.done + summary.skipped == 6
    assert summary.done < 6
    assert not parts_left(tmp_path)
    assert len(list(counted.glob("video*.txt"))) == 6
