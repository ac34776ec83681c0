"""Many clips from a server that fails in known ways: what comes of it, and what it costs."""

from __future__ import annotations

import resource
import shutil
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fetch.conftest import Videos
from fetch.fault_server import PAGE, Fault, FaultServer
from fetch.videos import make_video
from killing import kill_at_random

from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import Blocked, ClipFailure, FailureKind, VggssError
from vggss_tools.fetch import deadline, session
from vggss_tools.fetch.mirror import MirrorSource
from vggss_tools.fetch.source import Fetched, FetchRequest
from vggss_tools.fetch.stage import FetchStage
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.media.frames import frame_at
from vggss_tools.stages import run_stage
from vggss_tools.workspace import Workspace


def clips_named(*names: str) -> list[Clip]:
    return [Clip(f"{name}_000020", "dog barking", "test") for name in names]


def stage_of(workspace: Workspace, server: FaultServer, **options: float) -> FetchStage:
    source = MirrorSource(f"{server.url}/{{clip_id}}.mp4")
    return FetchStage(workspace, source, time_limit=options.pop("time_limit", 3.0), **options)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "data")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again follow at once; how long they wait is tested by a clock of its own."""
    monkeypatch.setattr(session, "BACKOFF_S", 0.01)
    monkeypatch.setattr(deadline, "STALL_S", 0.3)


def put(server: FaultServer, clip: Clip, video: Path, fault: Fault | None = None) -> None:
    path = f"/{clip.clip_id}.mp4"
    server.files[path] = video
    if fault is not None:
        server.faults[path] = fault


FAULTS: dict[str, tuple[Fault | None, str, str | None]] = {
    # name: fault, video, kind of failure (None: the clip comes)
    "good": (None, "clip", None),
    "whole": (None, "whole", None),
    "gone": (Fault(404), "clip", "not_found"),
    "refused": (Fault(403), "clip", "private"),
    "busy": (Fault(429, times=1, headers={"Retry-After": "0"}), "clip", None),
    "down": (Fault(503, times=2), "clip", None),
    "always-down": (Fault(503), "clip", "http_5xx"),
    "stalls": (Fault(stall_at=20_000, times=1), "clip", None),
    "always-stalls": (Fault(stall_at=20_000), "clip", "timeout"),
    "broken": (Fault(truncate_at=40_000, times=2), "clip", None),
    "always-broken": (Fault(truncate_at=0), "clip", "truncated"),
    "page": (Fault(body=PAGE, headers={"Content-Type": "text/html"}), "clip", "corrupt"),
    "other-container": (None, "webm", None),
    "rubbish": (Fault(body=b"\x7fELF" * 9999), "clip", "corrupt"),
    "mute": (None, "mute", "no_audio"),
    "silent": (None, "silent", "silent"),
    "still": (None, "still", "still_image"),
    "short": (None, "short", "too_short"),
}


@pytest.fixture(scope="session")
def library(videos: Videos) -> dict[str, Path]:
    """Videos by what is wrong with them."""
    folder = videos.folder
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
    return {
        "clip": videos.clip,
        "whole": videos.whole,
        "webm": make_video(folder / "c.webm", codec=vp9, options=("-c:a", "libopus")),
        "mute": make_video(folder / "mute.mp4", sound=False),
        "silent": make_video(folder / "silent.mp4", silent=True),
        "still": make_video(folder / "still.mp4", still=True),
        "short": make_video(folder / "short.mp4", seconds=6),
    }


def test_every_outcome_has_its_kind_and_nothing_is_asked_twice(
    server: FaultServer, workspace: Workspace, library: dict[str, Path]
) -> None:
    """All faults at once; a second run asks only for what may have cleared, a third for nothing."""
    clips = clips_named(*FAULTS)
    for clip, (fault, video, _) in zip(clips, FAULTS.values(), strict=True):
        put(server, clip, library[video], fault)
    with stage_of(workspace, server, time_limit=3.0) as stage:
        summary = run_stage(stage, clips, workspace, workers=4)
    found = {o.clip_id.rpartition("_")[0]: o.kind for o in summary.failures}
    assert found == {name: FailureKind(kind) for name, (_, _, kind) in FAULTS.items() if kind}
    present = {path.stem.rpartition("_")[0] for path in (workspace.root / "clips").iterdir()}
    assert present == {name for name, (_, _, kind) in FAULTS.items() if kind is None}
    for outcome in summary.failures:
        assert server.url in (outcome.message or "") or "clips/" in (outcome.message or "")
        assert outcome.facts["source"] == "mirror"
        assert ".part-" not in (outcome.message or "")
    transient = {f"/{o.clip_id}.mp4" for o in summary.failures if o.kind and not o.kind.permanent}
    server.forget()
    with stage_of(workspace, server, time_limit=3.0) as stage:
        run_stage(stage, clips, workspace, workers=4)
    assert set(server.requests) == transient
    for path in transient:
        server.faults.pop(path)
    with stage_of(workspace, server) as stage:
        run_stage(stage, clips, workspace, workers=4)
    server.forget()
    with stage_of(workspace, server) as stage:
        last = run_stage(stage, clips, workspace, workers=4)
    assert not server.requests
    assert last.done == 0


def test_the_offset_of_a_section_reaches_the_readers(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """The ledger's fact says where the clip starts in its file."""
    from fetch.videos import number_of

    (clip,) = clips_named("whole")
    put(server, clip, videos.whole)
    with stage_of(workspace, server) as stage:
        run_stage(stage, [clip], workspace, workers=1)
    offset = workspace.clip_offsets()[clip.clip_id]
    assert offset >= 1
    frame = frame_at(workspace.clip_path(clip.clip_id), offset=offset)
    assert number_of(frame) == 20 * 25 + 124
    with Ledger(workspace.ledger_path) as ledger:
        (outcome,) = ledger.outcomes("fetch")
    assert outcome.facts["mode"] == "section"
    assert outcome.facts["tries"] == 1
    assert outcome.facts["bytes"] == server.sent[f"/{clip.clip_id}.mp4"]


def test_a_section_of_five_minutes_costs_little(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """Less than 15 % of a video of five minutes goes over the wire, even of a small one."""
    path = videos.folder / "five.mp4"
    noisy = ("-vf", "noise=alls=20:allf=t")  # 900 kbit/s, which is still little for a video
    make_video(path, seconds=300, codec=("-c:v", "mpeg4", "-g", "100", "-q:v", "20"), options=noisy)
    clips = [Clip(f"five_{start:06d}", "dog barking", "test") for start in (0, 150, 289)]
    for clip in clips:
        put(server, clip, path)
    with stage_of(workspace, server, time_limit=60) as stage:
        summary = run_stage(stage, clips, workspace, workers=1)
    assert summary.done == 3
    for clip in clips:
        assert server.sent[f"/{clip.clip_id}.mp4"] < 0.15 * path.stat().st_size


def test_a_blocked_session_stops_and_says_when_to_come_back(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """What had come is kept; nobody is asked after the block."""
    clips = clips_named(*(f"clip-{n:02d}" for n in range(20)))
    for clip in clips:
        put(server, clip, videos.clip)
    blocked = f"/{clips[5].clip_id}.mp4"
    server.faults[blocked] = Fault(429, headers={"Retry-After": "7200"})
    with stage_of(workspace, server) as stage, pytest.raises(Blocked, match="429") as caught:
        run_stage(stage, clips, workspace, workers=2)
    assert caught.value.exit_code == 5
    with Ledger(workspace.ledger_path) as ledger:
        outcomes = {o.clip_id: o for o in ledger.outcomes("fetch")}
    assert outcomes[clips[5].clip_id].kind is FailureKind.RATE_LIMITED
    assert outcomes[clips[5].clip_id].facts["retry_at"][:2] == "20"
    assert server.requests[blocked] == 1
    assert len(server.requests) < len(clips)
    server.faults.clear()
    with stage_of(workspace, server) as stage:
        assert run_stage(stage, clips, workspace, workers=2).failures == ()


def test_a_short_pause_is_waited_for(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """The clip that was refused comes after the pause."""
    (clip,) = clips_named("busy")
    put(server, clip, videos.clip, Fault(429, times=2, headers={"Retry-After": "0"}))
    with stage_of(workspace, server) as stage:
        assert run_stage(stage, [clip], workspace, workers=1).done == 1
    assert server.requests[f"/{clip.clip_id}.mp4"] >= 3


def test_another_source_fills_the_gaps_only(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """What is there is not fetched again; what the first source had not is asked of the second."""
    here, there = clips_named("here", "there")
    put(server, here, videos.clip)
    with stage_of(workspace, server) as stage:
        run_stage(stage, [here, there], workspace, workers=1)
    server.forget()
    server.files[f"/second/{there.clip_id}.mp4"] = videos.clip
    second = MirrorSource(f"{server.url}/second/{{clip_id}}.mp4")
    with FetchStage(workspace, second) as stage:
        assert run_stage(stage, [here, there], workspace, workers=1).done == 1
    assert set(server.requests) == {f"/second/{there.clip_id}.mp4"}
    server.forget()
    for template in ("second/", ""):
        source = MirrorSource(f"{server.url}/{template}{{clip_id}}.mp4")
        with FetchStage(workspace, source) as stage:
            assert run_stage(stage, [here, there], workspace, workers=1).skipped == 2
    assert not server.requests


@pytest.mark.parametrize("failed_before", [False, True])
def test_a_file_that_is_there_is_never_asked_for_nor_replaced(
    server: FaultServer, workspace: Workspace, videos: Videos, *, failed_before: bool
) -> None:
    """A clip that somebody has put there is looked at and recorded as found."""
    (clip,) = clips_named("mine")
    path = workspace.clip_path(clip.clip_id)
    path.parent.mkdir()
    if failed_before:
        with stage_of(workspace, server) as stage:
            assert run_stage(stage, [clip], workspace, workers=1).failed == {"not_found": 1}
    shutil.copyfile(videos.clip, path)
    before = path.stat()
    put(server, clip, videos.whole)
    server.forget()
    for done in (1, 0):
        with stage_of(workspace, server) as stage:
            assert run_stage(stage, [clip], workspace, workers=1).done == done
    assert not server.requests
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with Ledger(workspace.ledger_path) as ledger:
        (outcome,) = ledger.outcomes("fetch")
    assert outcome.facts["source"] == "found"
    assert list(outcome.checksums) == [f"clips/{clip.clip_id}.mp4"]


def test_an_unfit_file_that_is_there_stays_and_says_so(
    server: FaultServer, workspace: Workspace, library: dict[str, Path]
) -> None:
    """Its defect is recorded; once it is moved away the clip is fetched."""
    (clip,) = clips_named("mine")
    path = workspace.clip_path(clip.clip_id)
    path.parent.mkdir()
    shutil.copyfile(library["mute"], path)
    put(server, clip, library["clip"])
    for _ in range(2):
        with stage_of(workspace, server) as stage:
            (failure,) = run_stage(stage, [clip], workspace, workers=1).failures
        assert failure.kind is FailureKind.NO_AUDIO
        assert "left as it is" in str(failure.message)
        assert failure.attempts == 1
    assert path.read_bytes() == library["mute"].read_bytes()
    assert not server.requests
    path.unlink()
    with stage_of(workspace, server) as stage:
        assert run_stage(stage, [clip], workspace, workers=1).done == 1


def test_an_address_that_is_always_blocked_does_not_keep_the_others_away(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """All others come in one run, which says that one clip stays blocked."""
    clips = clips_named(*(f"clip-{n}" for n in range(6)))
    for clip in clips:
        put(server, clip, videos.clip)
    server.faults[f"/{clips[0].clip_id}.mp4"] = Fault(429, headers={"Retry-After": "0"})
    with stage_of(workspace, server) as stage, pytest.raises(Blocked, match="went on") as caught:
        run_stage(stage, clips, workspace, workers=1)
    assert (caught.value.summary.done, caught.value.summary.left) == (5, 0)
    assert caught.value.summary.failed == {"rate_limited": 1}


def test_clips_that_were_blocked_come_last_in_the_next_run(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """A host that wants hours for one address gives the others first."""
    clips = clips_named(*(f"clip-{n}" for n in range(4)))
    for clip in clips:
        put(server, clip, videos.clip)
    server.faults[f"/{clips[0].clip_id}.mp4"] = Fault(429, headers={"Retry-After": "7200"})
    for done, left in ((0, 3), (3, 0)):
        with stage_of(workspace, server) as stage, pytest.raises(Blocked) as caught:
            run_stage(stage, clips, workspace, workers=1)
        assert (caught.value.summary.done, caught.value.summary.left) == (done, left)
        with Ledger(workspace.ledger_path) as ledger:  # who was not asked is as before
            assert len(ledger.outcomes("fetch")) == 1 + done
    assert caught.value.summary.retry_at is not None


def test_what_a_source_said_for_good_outlives_another_source(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """Going back to the first source asks it for nothing that it has refused."""
    (clip,) = clips_named("gone")
    path = f"/{clip.clip_id}.mp4"

    def run(folder: str) -> Outcome:
        source = MirrorSource(f"{server.url}{folder}/{{clip_id}}.mp4")
        with FetchStage(workspace, source, time_limit=3) as stage:
            (failure,) = run_stage(stage, [clip], workspace, workers=1).failures
        return failure

    server.faults[f"/b{path}"] = Fault(503)
    server.faults[f"/c{path}"] = Fault(410)
    assert run("").kind is FailureKind.NOT_FOUND
    assert run("/b").kind is FailureKind.HTTP_5XX
    (earlier,) = run("/c").facts["earlier_sources"]
    assert earlier["kind"] == "not_found"
    assert "404" in earlier["message"]
    server.forget()
    assert run("").kind is FailureKind.REMOVED
    assert run("/c").kind is FailureKind.REMOVED
    assert not server.requests
    assert run("/b").kind is FailureKind.HTTP_5XX
    asked = dict(server.requests)
    assert run("").kind is FailureKind.HTTP_5XX
    assert dict(server.requests) == asked


@dataclass
class HandedSource:
    """A source of the tests: calls what it is given."""

    work: object
    name: str = "handed"
    host: str | None = None
    closed: int = 0
    asked: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, str]:
        return {"name": self.name}

    def versions(self) -> dict[str, str]:
        return {}

    def setup(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self.closed += 1

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        self.asked.append(request.clip_id)
        return self.work(request, target)  # type: ignore[operator, no-any-return]


def test_interrupting_ends_the_source_and_its_waits(
    workspace: Workspace, videos: Videos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a clip waits: the source is closed, and the waiting thread ends."""
    closed = threading.Event()

    def work(request: FetchRequest, target: Path) -> Fetched:
        if request.clip_id.startswith("first"):
            target.write_bytes(videos.clip.read_bytes())
            return Fetched()
        closed.wait(60)
        raise ClipFailure(FailureKind.ERROR, "interrupted")

    source = HandedSource(work)
    stage = FetchStage(workspace, source)
    clips = clips_named("first", "second", "third")
    original = source.close

    def close() -> None:
        original()
        closed.set()

    source.close = close  # type: ignore[method-assign]
    recorded = Ledger.record

    def interrupt(self: Ledger, outcomes: object) -> None:
        recorded(self, outcomes)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage, clips, workspace, workers=2)
    assert source.closed >= 1
    with Ledger(workspace.ledger_path) as ledger:
        assert [o.clip_id for o in ledger.outcomes("fetch")] == [clips[0].clip_id]


def test_a_full_disk_stops_at_once_and_leaves_nothing_half_done(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """The message is about space; no partial file has a final name."""

    def full(request: FetchRequest, target: Path) -> Fetched:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(target))

    with FetchStage(workspace, HandedSource(full)) as stage, pytest.raises(VggssError) as caught:
        run_stage(stage, clips_named("a", "b"), workspace, workers=1)
    assert "free some space" in caught.value.message
    assert list((workspace.root / "clips").iterdir()) == []


def test_a_limit_of_file_size_is_met_cleanly(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """A write that the system refuses for real is a failure, with no file left."""
    (clip,) = clips_named("whole")
    put(server, clip, videos.whole)
    script = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, {resource.RLIM_INFINITY}))\n"
        "from pathlib import Path\n"
        "from vggss_tools.fetch.mirror import MirrorSource\n"
        "from vggss_tools.fetch.source import FetchRequest\n"
        f"source = MirrorSource({server.url!r} + '/{{clip_id}}.mp4')\n"
        "try:\n"
        "    source.fetch(FetchRequest(sys.argv[2], 'a', 20.0), Path(sys.argv[1]))\n"
        "except OSError as error:\n"
        "    print('OSError', error.errno)\n"
    )
    import subprocess

    target = workspace.root / ".part-x.mp4"
    done = subprocess.run(
        [sys.executable, "-c", script, str(target), clip.clip_id],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "OSError 27", done.stderr


@pytest.mark.slow
def test_killed_again_and_again_it_arrives_whole(
    server: FaultServer, workspace: Workspace, videos: Videos
) -> None:
    """After each SIGKILL no final name has a partial file; in the end all clips are there."""
    clips = clips_named(*(f"clip-{n:02d}" for n in range(40)))
    for clip in clips:
        put(server, clip, videos.clip)
    table = workspace.root / "list.parquet"
    write_clips(table, clips)
    # fmt: off
    command = [sys.executable, "-m", "vggss_tools", "fetch", "--data", str(workspace.root),
               "--clips", str(table), "--source", f"mirror:{server.url}/{{clip_id}}.mp4",
               "--workers", "2"]
    # fmt: on
    content = videos.clip.read_bytes()
    for seed in range(5):
        kill_at_random(command, 1, 3.0, seed)
        for path in (workspace.root / "clips").glob("[!.]*"):
            assert path.read_bytes() == content
    with stage_of(workspace, server) as stage:
        run_stage(stage, clips, workspace, workers=2)
    assert sorted(p.name for p in (workspace.root / "clips").iterdir()) == [
        f"{clip.clip_id}.mp4" for clip in clips
    ]
