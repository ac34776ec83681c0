"""The Ray engine: the same files as the local one, and nothing lost with a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from counting_stage import CountingStage

from vggss_tools.clips import Clip
from vggss_tools.errors import Blocked, ClipFailure, FailureKind, VggssError
from vggss_tools.ledger import Ledger
from vggss_tools.stages import Parts, run_stage
from vggss_tools.workspace import Workspace

pytest.importorskip("ray", reason="needs vggss-tools[ray]")

CLIPS = [Clip(f"video{i:02}_000000", f"label {i}", "test") for i in range(12)]


@dataclass
class DyingStage(CountingStage):
    """Its process dies at some clips: at the first try, or at every one."""

    once: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    def process(self, clip: Clip, parts: Parts) -> None:
        super().process(clip, parts)
        first = len((self.root / "calls" / clip.clip_id).read_text()) == 1
        if clip.clip_id in self.always or (first and clip.clip_id in self.once):
            os.kill(os.getpid(), signal.SIGKILL)


class BlockedStage(CountingStage):
    """Refuses every clip but the first."""

    def process(self, clip: Clip, parts: Parts) -> None:
        super().process(clip, parts)
        if clip != CLIPS[0]:
            raise ClipFailure(FailureKind.BOT_CHECK, "confirm that you are not a bot")


def calls(root: Path) -> Counter[str]:
    """How often each clip was processed."""
    return Counter({path.name: len(path.read_text()) for path in (root / "calls").glob("*")})


def files(root: Path, *folders: str) -> dict[str, bytes]:
    """Everything that lies in some folders."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def recorded(root: Path, stage: str) -> dict[str, tuple[object, ...]]:
    """Return what the ledger says of each clip, times apart."""
    with Ledger(root / "ledger.sqlite") as ledger:
        return {
            o.clip_id: (o.status, o.kind, o.attempts, o.checksums, o.facts)
            for o in ledger.outcomes(stage)
        }


@pytest.mark.slow
def test_a_worker_that_dies_loses_nothing(tmp_path: Path) -> None:
    """Its clips are done by others; a clip that kills every worker is given up, alone."""
    once, always = (CLIPS[1].clip_id, CLIPS[6].clip_id), (CLIPS[4].clip_id,)
    failing = ((CLIPS[9].clip_id, "no_audio"),)
    stage = DyingStage(tmp_path, failing=failing, batch_size=2, once=once, always=always)
    summary = run_stage(stage, CLIPS, Workspace(tmp_path), workers=2, engine="ray")
    assert (summary.done, summary.failed) == (10, {"error": 1, "no_audio": 1})
    messages = {outcome.clip_id: outcome.message for outcome in summary.failures}
    assert "3 workers died of it" in str(messages[always[0]])
    assert len(files(tmp_path, "counted")) == 10
    assert calls(tmp_path)[always[0]] >= 3
    again = run_stage(CountingStage(tmp_path), CLIPS, Workspace(tmp_path), workers=0)
    assert (again.done, again.skipped) == (1, 10)


@pytest.mark.slow
def test_a_remote_that_refuses_stops_a_ray_run(tmp_path: Path) -> None:
    """What is in flight is recorded, and the rest is left."""
    with pytest.raises(Blocked, match="not a bot"):
        run_stage(BlockedStage(tmp_path), CLIPS, Workspace(tmp_path), workers=1, engine="ray")
    assert set(recorded(tmp_path, "count")) == set(calls(tmp_path))
    assert len(calls(tmp_path)) < len(CLIPS)


def children(process: int) -> Iterator[tuple[int, str]]:
    """Processes below a process, with what they call themselves."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    below: dict[int, list[tuple[int, str]]] = {}
    for line in listed.stdout.splitlines():
        pid, parent, command = line.split(maxsplit=2)
        below.setdefault(int(parent), []).append((int(pid), command))
    waiting = [process]
    while waiting:
        for child, name in below.get(waiting.pop(), []):
            yield child, name
            waiting.append(child)


@pytest.mark.slow
def test_extract_on_ray_is_byte_identical_even_if_a_worker_is_killed(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Frames, sounds and outcomes are those of the local engine, killed worker or not."""
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for root in (quiet, killed):
        made = invoke("sample", root, "--train", 12, "--test", 4, "--workers", 2)
        assert made.exit_code == 0, made.output
    assert invoke("extract", "--data", quiet, "--workers", 0).exit_code == 0
    command = [sys.executable, "-m", "vggss_tools", "extract", "--data", str(killed)]
    with subprocess.Popen(
        [*command, "--engine", "ray", "--workers", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        victims: list[int] = []
        deadline = time.monotonic() + 120
        while not victims and driver.poll() is None and time.monotonic() < deadline:
            at_work = [pid for pid, name in children(driver.pid) if name.startswith("ray::_Worker")]
            if any((killed / "frames").glob("*.jpg")) and at_work:
                victims = at_work[:1]
                os.kill(victims[0], signal.SIGKILL)
            time.sleep(0.01)
        out, errors = driver.communicate()
    assert driver.returncode == 0, errors
    assert out.startswith("{")  # Ray's own warnings are kept from stdout
    folders = ("frames", "audio")
    assert files(quiet, *folders) == files(killed, *folders)
    assert len(files(killed, *folders)) == 32
    assert recorded(quiet, "extract") == recorded(killed, "extract")


@pytest.mark.slow
def test_fetch_and_propose_on_ray_are_byte_identical(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Clips of a folder and detections in frames are those of the local engine."""
    world, here, there = (tmp_path / name for name in ("world", "here", "there"))
    assert invoke("sample", world, "--train", 2, "--test", 4, "--workers", 0).exit_code == 0
    on_ray = ("--engine", "ray", "--workers", 2)
    for root, engine in ((here, ()), (there, on_ray)):
        root.mkdir()
        (root / "clips.parquet").write_bytes((world / "clips.parquet").read_bytes())
        for name, *options in (
            ("fetch", "--source", f"dir:{world / 'clips'}", "--link", "copy"),
            ("extract",),
            ("propose-boxes", "--detector", "sample"),
        ):
            chosen = () if name == "extract" else engine
            result = invoke(name, "--data", root, *options, *chosen)
            assert result.exit_code == 0, result.output
    folders = ("clips", "proposals")
    assert len(files(here, *folders)) == 12
    assert files(here, *folders) == files(there, *folders)
    for stage in ("fetch", "propose"):
        assert recorded(here, stage).keys() == recorded(there, stage).keys()


def test_ray_options_belong_together(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """An address without Ray is a wrong use of the command."""
    result = invoke("extract", "--data", tmp_path, "--address", "auto")
    assert result.exit_code == 2
    assert "--engine ray" in result.stderr


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The address, the cause and what to do are named, at once."""
    with pytest.raises(VggssError, match=r"cannot use the cluster 127\.0\.0\.1:9 .*ray start"):
        run_stage(
            CountingStage(tmp_path),
            CLIPS,
            Workspace(tmp_path),
            engine="ray",
            address="127.0.0.1:9",
        )
