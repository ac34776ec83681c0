"""The real yt-dlp, in its own process, against a page on the loopback interface."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetch.conftest import Videos
from fetch.fault_server import Fault, FaultServer
from fetch.videos import dash_manifest, number_of

from vggss_tools.errors import Action, ClipFailure, FailureKind
from vggss_tools.fetch.source import FetchRequest
from vggss_tools.fetch.worker_process import TimeLimit, WorkerDied, WorkerProcess
from vggss_tools.fetch.youtube import WORKER, YouTubeSource
from vggss_tools.fetch.youtube_worker import _Meter, _Sectionless
from vggss_tools.fetch.yt_dlp_failures import failure_of
from vggss_tools.media.frames import frame_at

COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tsecret\n"


def request(video: str = "a", start: int = 30, limit: float = 60) -> FetchRequest:
    return FetchRequest(f"{video}_{start:06d}", video, float(start), time_limit=limit)


@pytest.fixture
def site(server: FaultServer, videos: Videos) -> FaultServer:
    """A site with one video, its picture and its sound apart, as YouTube has them."""
    server.files["/picture.mp4"] = videos.picture
    server.files["/sound.mp4"] = videos.sound
    manifest = dash_manifest(f"{server.url}/picture.mp4", f"{server.url}/sound.mp4", 60)
    server.pages["/watch/a"] = ("application/dash+xml", manifest)
    return server


@pytest.fixture
def source(site: FaultServer) -> Iterator[YouTubeSource]:
    one = YouTubeSource(watch_url=f"{site.url}/watch/{{youtube_id}}")
    yield one
    one.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / ".part-x-clip.mp4"


def shown(path: Path, seconds: float) -> int:
    return number_of(frame_at(path, seconds))


def test_the_section_alone_comes(source: YouTubeSource, site: FaultServer, target: Path) -> None:
    """Picture and sound of one section in one file, the clip's moment at the offset."""
    fetched = source.fetch(request(), target)
    assert fetched.facts["mode"] == "section"
    assert fetched.bytes == site.sent["/picture.mp4"] + site.sent["/sound.mp4"]
    for moment in (0.0, 4.96, 9.92):
        assert shown(target, fetched.offset + moment) == round((30 + moment) * 25)
    again = source.fetch(request(start=3), target)
    assert shown(target, again.offset) == 75
    assert list(target.parent.iterdir()) == [target]
    assert len(source._all) == 1  # one process for both


def test_a_page_with_one_file(
    source: YouTubeSource, site: FaultServer, videos: Videos, target: Path
) -> None:
    """A site whose video is one file works as well."""
    site.files["/whole.mp4"] = videos.whole
    page = f'<html><body><video src="{site.url}/whole.mp4"></video></body></html>'
    site.pages["/watch/b"] = ("text/html", page.encode())
    fetched = source.fetch(request("b"), target)
    assert shown(target, fetched.offset) == 750


def test_without_ranges_the_whole_comes(
    source: YouTubeSource, site: FaultServer, videos: Videos, target: Path
) -> None:
    """The fallback is recorded with its reason, and the moment is right."""
    site.faults["/picture.mp4"] = Fault(ranges=False)
    fetched = source.fetch(request(), target)
    assert fetched.facts["mode"] == "full"
    assert "no ranges" in fetched.facts["fallback"]
    assert fetched.bytes >= videos.picture.stat().st_size + videos.sound.stat().st_size
    assert shown(target, fetched.offset + 4.96) == 874
    assert list(target.parent.iterdir()) == [target]


def test_a_throttled_section_is_given_up() -> None:
    """Slow for long is throttled; slow at first, or long but quick, is not."""
    meter = _Meter()
    meter.add(1000, 5)
    meter.add(2_000_000, 20)
    with pytest.raises(_Sectionless, match="KiB/s"):
        meter.add(0, 60)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(404), "not_found"),
        (Fault(403), "network"),
        (Fault(410), "removed"),
        (Fault(429, headers={"Retry-After": "7"}), "rate_limited"),
        (Fault(503), "http_5xx"),
    ],
)
def test_each_answer_of_the_page_has_its_kind(
    source: YouTubeSource, site: FaultServer, target: Path, fault: Fault, kind: str
) -> None:
    """The status of the page decides, and yt-dlp's own words are kept."""
    site.faults["/watch/a"] = fault
    with pytest.raises(ClipFailure) as caught:
        source.fetch(request(), target)
    assert caught.value.kind == FailureKind(kind)
    assert f"HTTP Error {fault.status}" in caught.value.message
    if kind == "rate_limited":
        assert caught.value.facts["retry_after"] == 7


def test_a_video_that_ends_before_the_clip_is_too_short(
    source: YouTubeSource, site: FaultServer, target: Path
) -> None:
    """No media are asked for: the page says how long it lasts."""
    with pytest.raises(ClipFailure) as caught:
        source.fetch(request(start=90), target)
    assert caught.value.kind is FailureKind.TOO_SHORT


def test_the_limit_of_a_clip_ends_all_its_processes(
    source: YouTubeSource, site: FaultServer, target: Path
) -> None:
    """What stalls is killed, and the next clip has a new process."""
    site.faults["/picture.mp4"] = Fault(stall_at=2000, times=1)
    with pytest.raises(ClipFailure) as caught:
        source.fetch(request(limit=5), target)
    assert caught.value.kind is FailureKind.TIMEOUT
    assert not source._all
    assert source.fetch(request(), target).facts["mode"] == "section"


def test_cookies_stay_in_memory(
    site: FaultServer, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are sent to their host; no file holds them, and nothing that is printed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    one = YouTubeSource(cookies=COOKIES, watch_url=f"{site.url}/watch/{{youtube_id}}")
    try:
        one.fetch(request(), target)
        assert any("key=secret" in sent for sent in site.cookies)
        for path in tmp_path.rglob("*"):
            assert b"secret" not in (path.read_bytes() if path.is_file() else b"")
        command = Path(f"/proc/{next(iter(one._all))._process.pid}/cmdline")
        if command.exists():
            assert b"secret" not in command.read_bytes()
    finally:
        one.close()
    assert "secret" not in repr(one)


def test_closing_interrupts_what_is_at_work(
    source: YouTubeSource, site: FaultServer, target: Path
) -> None:
    """After Ctrl-C a clip in flight ends at once, and none is begun."""
    site.faults["/picture.mp4"] = Fault(stall_at=2000)
    asked = threading.Event()
    count = site.count

    def counted(path: str, sent: int = 0) -> None:
        count(path, sent)
        if path == "/picture.mp4":
            asked.set()

    site.count = counted  # type: ignore[method-assign]
    failures: list[ClipFailure] = []

    def work() -> None:
        try:
            source.fetch(request(), target)
        except ClipFailure as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    assert asked.wait(60)
    source.close()
    thread.join(60)
    assert not thread.is_alive()
    assert failures[0].kind.action is Action.RETRY
    with pytest.raises(ClipFailure, match="interrupted"):
        source.fetch(request(), target)


def test_a_source_travels_to_other_processes(source: YouTubeSource) -> None:
    """It is pickled without its processes."""
    assert pickle.loads(pickle.dumps(source)) == source
    assert YouTubeSource().settings() == {"name": "youtube"}
    assert YouTubeSource().host == "www.youtube.com"


def test_a_worker_says_its_last_words() -> None:
    """A process that cannot even start is a failure with its message."""
    worker = WorkerProcess("vggss_tools.no_such_module")
    with pytest.raises(WorkerDied, match="No module named"):
        worker.call({}, 60)
    worker.kill()


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """A driver that is killed leaves no process behind."""
    script = (
        "from vggss_tools.fetch.worker_process import WorkerProcess\n"
        f"worker = WorkerProcess({WORKER!r})\n"
        "print(worker._process.pid, flush=True)\n"
        "worker.call({'url': 'x', 'proxy': None, 'cookies': None, 'target': 'x'}, 60)\n"
        "print('answered', flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "answered\n"
        parent.send_signal(signal.SIGKILL)
    # A pipe that the child held open ends when it does.
    handle = os.pidfd_open(child) if hasattr(os, "pidfd_open") and alive(child) else None
    if handle is not None:
        import select

        select.select([handle], [], [], 60)
        os.close(handle)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_what_yt_dlp_raises_has_its_kind() -> None:
    """Its exceptions, with their causes, are understood."""
    from yt_dlp.networking.exceptions import IncompleteRead, TransportError
    from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError

    def download_error(cause: Exception) -> DownloadError:
        return DownloadError(f"ERROR: {cause}", (type(cause), cause, None))

    cases: list[tuple[Exception, FailureKind]] = [
        (download_error(GeoRestrictedError("not here", countries=["DE"])), FailureKind.GEO_BLOCKED),
        (download_error(ExtractorError("Private video", expected=True)), FailureKind.PRIVATE),
        (download_error(TransportError(cause=TimeoutError("timed out"))), FailureKind.TIMEOUT),
        (download_error(IncompleteRead(5, 10)), FailureKind.TRUNCATED),
        (OSError(28, "No space left on device", "x"), FailureKind.DISK_FULL),
        (KeyError("x"), FailureKind.ERROR),
    ]
    for error, kind in cases:
        failure = failure_of(error, "http://h/watch?v=1&key=secret")
        assert failure.kind is kind, error
        assert "secret" not in failure.message
        assert kind is FailureKind.DISK_FULL or failure.message.startswith("http://h/watch?v=1: ")
    missing = failure_of(
        DownloadError("ERROR: [youtube] x: Requested format is not available"),
        "http://h/w",
        ["[youtube] No supported JavaScript runtime could be found."],
    )
    assert missing.kind is FailureKind.TOOL_MISSING
    assert "vggss doctor" in missing.message


def test_time_limit_is_kept_by_a_silent_worker() -> None:
    """A process that never answers is killed at the limit."""
    worker = WorkerProcess("fetch.silent_worker")
    with pytest.raises((TimeLimit, WorkerDied)):
        worker.call({}, 0.2)
    worker.kill()
