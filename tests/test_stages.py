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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from counting_stage import CountingStage

from vggss_tools.atomic import PART_PREFIX, part_path
from vggss_tools.clips import Clip
from vggss_tools.errors import (
    Blocked,
    ClipFailure,
    FailureKind,
    Incomplete,
    SomeFailed,
    VggssError,
)
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.locks import stage_lock
from vggss_tools.stage_plan import Shard, select_shard
from vggss_tools.stages import Facts, Parts, StageSummary, run_stage
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
    cured = run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0, retry="all")
    assert (cured.done, cured.failures) == (1, ())
    with Ledger(workspace.ledger_path) as ledger:
        attempts = {o.clip_id: o.attempts for o in ledger.outcomes("count")}
    assert attempts["video1_000000"] == 2


@dataclass
class ShiftedStage(CountingStage):
    """A stage with settings and facts of each clip's own."""

    shifts: tuple[tuple[str, float], ...] = ()

    def clip_settings(self, clip: Clip) -> dict[str, Any]:
        shift = dict(self.shifts).get(clip.clip_id)
        return {} if shift is None else {"shift": shift}

    def process(self, clip: Clip, parts: Parts) -> Facts:  # type: ignore[override]
        super().process(clip, parts)
        return {"length": len(clip.label), **self.clip_settings(clip)}


def test_a_clips_own_settings_make_its_outcome_stale(tmp_path: Path) -> None:
    """Where one clip's settings change, that clip alone is done again."""
    workspace = Workspace(tmp_path)
    run_stage(ShiftedStage(tmp_path), CLIPS, workspace, workers=0)
    shifted = ShiftedStage(tmp_path, shifts=(("video2_000000", 1.5),))
    again = run_stage(shifted, CLIPS, workspace, workers=0)
    assert (again.done, again.skipped) == (1, 5)
    assert run_stage(shifted, CLIPS, workspace, workers=0).skipped == 6


@pytest.mark.parametrize("batch_size", [1, 4])
def test_facts_are_kept_in_the_ledger(tmp_path: Path, batch_size: int) -> None:
    """What a stage returns stands with the outcome."""
    stage = ShiftedStage(tmp_path, shifts=(("video2_000000", 1.5),), batch_size=batch_size)
    run_stage(stage, CLIPS, Workspace(tmp_path), workers=0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        facts = {outcome.clip_id: outcome.facts for outcome in ledger.outcomes("count")}
    assert facts["video1_000000"] == {"length": 7}
    assert facts["video2_000000"] == {"length": 7, "shift": 1.5}


def test_a_stage_that_makes_more_files_than_before_is_not_done(tmp_path: Path) -> None:
    """Done means that all the files are there which the stage makes now."""

    class Twice(CountingStage):
        def outputs(self, clip: Clip) -> list[Path]:
            return [*super().outputs(clip), self.root / "more" / f"{clip.clip_id}.txt"]

        def process(self, clip: Clip, parts: Parts) -> None:
            for part in parts.values():
                part.write_text(clip.label)

    workspace = Workspace(tmp_path)
    run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0)
    assert run_stage(Twice(tmp_path), CLIPS, workspace, workers=0).done == 6
    assert run_stage(Twice(tmp_path), CLIPS, workspace, workers=0).skipped == 6


def test_a_missing_input_is_waited_for(tmp_path: Path) -> None:
    """A clip whose file is not there is tried by every run, and done once it has come."""
    workspace = Workspace(tmp_path)
    stage = CountingStage(tmp_path, failing=(("video1_000000", "not_found"),))
    for _ in range(2):
        with pytest.raises(Incomplete):
            run_stage(stage, CLIPS, workspace, workers=0).raise_for_failures()
    assert calls(tmp_path)["video1_000000"] == 2
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "video1_000000").write_text("here it is")
    assert run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0).done == 1


def test_what_a_remote_does_not_have_is_settled(tmp_path: Path) -> None:
    """A stage without local inputs does not ask again for what was not found."""

    class Remote(CountingStage):
        def inputs(self, clip: Clip) -> list[Path]:
            return []

    stage = Remote(tmp_path, failing=(("video1_000000", "not_found"),))
    for _ in range(2):
        with pytest.raises(SomeFailed, match="another source may have them"):
            run_stage(stage, CLIPS, Workspace(tmp_path), workers=0).raise_for_failures()
    assert calls(tmp_path)["video1_000000"] == 1


FAILING = (
    ("video0_000000", "timeout"),
    ("video1_000000", "http_5xx"),
    ("video2_000000", "no_audio"),
    ("video3_000000", "removed"),
)


@pytest.mark.parametrize(
    ("retry", "tried"),
    [
        ("transient", {"video0_000000", "video1_000000"}),
        ("timeout", {"video0_000000"}),
        ("media", {"video2_000000"}),
        ("removed", {"video3_000000"}),
        ("captcha", set()),
        ("all", {clip_id for clip_id, _ in FAILING}),
        (None, {"video0_000000", "video1_000000", "video5_000000"}),
    ],
)
def test_retry_chooses_among_the_failures(
    tmp_path: Path, retry: str | None, tried: set[str]
) -> None:
    """Only what failed in the given way is tried again, and nothing new is started."""
    workspace = Workspace(tmp_path)
    run_stage(CountingStage(tmp_path, failing=FAILING), CLIPS[:5], workspace, workers=0)
    before = calls(tmp_path)
    summary = run_stage(CountingStage(tmp_path), CLIPS, workspace, workers=0, retry=retry)
    after = calls(tmp_path)
    assert {clip_id for clip_id in after if after[clip_id] > before[clip_id]} == tried
    assert summary.done == len(tried)
    assert summary.left == (0 if retry is None else 1)
    assert summary.done + summary.skipped + summary.left + len(summary.failures) == 6


def test_an_unknown_kind_is_one_line_with_the_kinds(tmp_path: Path) -> None:
    """A slip of the pen is told what there is."""
    with pytest.raises(VggssError, match=r"--retry typo: no such kind.*transient.*http_5xx"):
        run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), retry="typo")


class ThreadedStage(CountingStage):
    """The same in threads."""

    workers_are = "threads"


class BlockedStage(ThreadedStage):
    """Refuses from the third clip on, as a host does that has had enough."""

    def process(self, clip: Clip, parts: Parts) -> None:
        super().process(clip, parts)
        if clip.clip_id >= "video2":
            raise ClipFailure(
                FailureKind.RATE_LIMITED, "HTTP 429", {"retry_at": "2126-05-01T12:00:00+00:00"}
            )


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_remote_that_refuses_stops_the_run(tmp_path: Path, workers: int) -> None:
    """What is in flight is recorded, nothing new is started, and it is said when to come back."""
    clips = [Clip(f"video{i}_000000", "label", "test") for i in range(9)]
    with pytest.raises(Blocked, match=r"HTTP 429.*again after 2126-05-01T12:00:00") as stopped:
        run_stage(BlockedStage(tmp_path), clips, Workspace(tmp_path), workers=workers)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        recorded = {outcome.clip_id for outcome in ledger.outcomes("count")}
    assert recorded == set(calls(tmp_path))
    assert len(recorded) < 9
    assert stopped.value.summary.done == 2
    assert stopped.value.exit_code == 5
    again = run_stage(ThreadedStage(tmp_path), clips, Workspace(tmp_path), workers=workers)
    assert (again.done, again.skipped) == (7, 2)


def test_shards_make_up_the_whole(tmp_path: Path) -> None:
    """Every clip is in one shard, the same one whatever the list."""
    clips = [Clip(f"video{i}_000000", "label", "test") for i in range(200)]
    shards = [select_shard(clips, (i, 3)) for i in (1, 2, 3)]
    assert sorted(c.clip_id for shard in shards for c in shard) == sorted(c.clip_id for c in clips)
    assert min(map(len, shards)) > 40
    assert select_shard(clips[50:], (2, 3)) == [clip for clip in shards[1] if clip in clips[50:]]
    for i in (1, 2, 3):
        run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0, shard=(i, 3))
    assert run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0).skipped == 6
    assert set(calls(tmp_path).values()) == {1}


def test_shards_run_beside_each_other(tmp_path: Path) -> None:
    """Two processes work on two shards of one data directory, into one ledger."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from counting_stage import CountingStage
        from vggss_tools.clips import Clip
        from vggss_tools.stages import run_stage
        from vggss_tools.workspace import Workspace
        clips = [Clip(f"video{i}_000000", f"label {i}", "test") for i in range(40)]
        root = Path(sys.argv[1])
        stage = CountingStage(root, pause=0.01)
        print("started", flush=True)
        input()
        run_stage(stage, clips, Workspace(root), workers=0, shard=(int(sys.argv[2]), 2))
    """)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        for number in (1, 2)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        assert process.returncode == 0
    assert len(calls(tmp_path)) == 40
    assert set(calls(tmp_path).values()) == {1}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert len(ledger.outcomes("count")) == 40


@pytest.mark.parametrize(
    ("held", "wanted", "message"),
    [
        (None, (1, 2), "another process runs count in"),
        ((1, 2), None, "another process runs count in"),
        ((1, 2), (1, 2), "another process runs shard 1/2 of count"),
        ((1, 2), (1, 3), "a shard of 2 of count.*use shards of 2"),
        ((1, 2), (2, 2), None),
    ],
)
def test_the_same_clips_are_not_worked_on_twice(
    tmp_path: Path, held: Shard | None, wanted: Shard | None, message: str | None
) -> None:
    """A shard keeps out itself, the whole, and shards of another number; not the other ones."""
    with stage_lock(tmp_path, "count", held):
        if message is None:
            with stage_lock(tmp_path, "count", wanted):
                return
        with pytest.raises(VggssError, match=message), stage_lock(tmp_path, "count", wanted):
            pass


def test_a_shard_leaves_the_temporary_files_of_others_alone(tmp_path: Path) -> None:
    """Left-over files are removed, but not those on which another shard may be at work."""
    folder = tmp_path / "counted"
    folder.mkdir()
    for clip in CLIPS:
        part_path(folder / f"{clip.clip_id}.txt").write_text("half")
        part_path(folder / f"{clip.clip_id}.txt").with_suffix(".ytdl").write_text("half")
    mine = select_shard(CLIPS, (1, 2))
    run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0, shard=(1, 2))
    assert len(parts_left(tmp_path)) == 2 * (len(CLIPS) - len(mine))
    run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0)
    assert not parts_left(tmp_path)


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
    # A file that is not there yet; anything else that is not found stays so.
    settings = {"inputs": [None]} if kind is FailureKind.NOT_FOUND else {}
    failure = Outcome("a", "count", "failed", kind=kind, message=message, settings=settings)
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
