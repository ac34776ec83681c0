"""Clips from an HTTP server, over real sockets."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from fetch.conftest import Videos
from fetch.fault_server import PAGE, Fault, FaultServer, fault_server
from fetch.videos import H264, make_video, number_of

from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput
from vggss_tools.fetch import connection, mirror
from vggss_tools.fetch.deadline import Deadline
from vggss_tools.fetch.mirror import MirrorSource
from vggss_tools.fetch.source import FetchRequest
from vggss_tools.media.frames import frame_at

COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tsecret\n"


def request(start: int = 30, **options: float) -> FetchRequest:
    return FetchRequest(f"-a_b_{start:06d}", "-a_b", float(start), **options)


def frame_shown(path: Path, seconds: float) -> int:
    """Number of the frame that a file shows at a moment."""
    return number_of(frame_at(path, seconds))


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Broken connections are taken up at once; how often in a row each had broken is noted."""
    noted: list[int] = []

    def backoff_s(failed: int, chance: object) -> float:
        noted.append(failed)
        return 0.0

    monkeypatch.setattr(mirror, "backoff_s", backoff_s)
    return noted


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / ".part-x-clip.mp4"


def test_a_clip_comes_byte_for_byte(server: FaultServer, videos: Videos, target: Path) -> None:
    """A file that is the clip is not changed, and costs its own bytes."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    source = MirrorSource(f"{server.url}/{{clip_id}}.mp4")
    fetched = source.fetch(request(), target)
    assert target.read_bytes() == videos.clip.read_bytes()
    assert fetched.offset == 0
    assert fetched.bytes == server.sent["/-a_b_000030.mp4"] == videos.clip.stat().st_size
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("start", [0, 17, 30, 49])
def test_only_the_section_of_a_video_comes(
    server: FaultServer, videos: Videos, target: Path, start: int
) -> None:
    """The clip's own moment is at the offset, to the frame, and the sound beside it."""
    server.files["/v/-a_b.mp4"] = videos.whole
    source = MirrorSource(f"{server.url}/v/{{youtube_id}}.mp4")
    fetched = source.fetch(request(start), target)
    assert fetched.facts["mode"] == "section"
    assert fetched.offset >= min(start, 1)
    for moment in (0.0, 4.96, 9.92):
        assert frame_shown(target, fetched.offset + moment) == round((start + moment) * 25)
    assert fetched.bytes == server.sent["/v/-a_b.mp4"]


def test_the_sound_of_a_section_is_that_of_the_video(
    server: FaultServer, videos: Videos, target: Path
) -> None:
    """Sample for sample, once the decoder has warmed up."""
    server.files["/-a_b.mp4"] = videos.whole
    fetched = MirrorSource(f"{server.url}/{{youtube_id}}.mp4").fetch(request(30), target)
    whole = samples(videos.whole, 31.0, 2.0)
    part = samples(target, fetched.offset + 1.0, 2.0)
    assert len(whole) == len(part) == 88_200
    assert np.abs(whole - part).max() < 1e-4


def samples(path: Path, start: float, seconds: float) -> np.ndarray:
    """Decoded samples from a moment on, at 44.1 kHz, found by their own timestamps."""
    pieces: list[np.ndarray] = []
    first: int | None = None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            at = round(float(frame.pts * frame.time_base) * 44_100)
            first = at if first is None else first
            pieces.append(frame.to_ndarray()[0])
    sound = np.concatenate(pieces)
    begin = round(start * 44_100) - (first or 0)
    return sound[begin : begin + round(seconds * 44_100)]


@pytest.mark.parametrize("name", ["tail.mp4", "fragments.mp4", "v.webm", "v.mkv", "v.ts", "v.avi"])
def test_sections_of_other_containers(
    server: FaultServer, videos: Videos, target: Path, name: str
) -> None:
    """Index at the end, fragments, Matroska, transport streams, AVI: the moment is right."""
    options: dict[str, tuple[str, ...]] = {
        "fragments.mp4": ("-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
        "v.webm": ("-c:a", "libopus"),
        "v.avi": ("-c:a", "mp3"),
        "v.mkv": ("-c:a", "aac"),
    }
    codec: dict[str, tuple[str, ...]] = {
        "v.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-g", "50", "-b:v", "200k"),
        "v.avi": ("-c:v", "mpeg4", "-g", "50", "-q:v", "4"),
    }
    path = videos.folder / name
    if not path.exists():
        make_video(path, seconds=60, options=options.get(name, ()), codec=codec.get(name, H264))
    server.files["/v"] = path
    fetched = MirrorSource(f"{server.url}/v?{{youtube_id}}").fetch(request(41), target)
    for moment in (0.0, 4.96):
        assert frame_shown(target, fetched.offset + moment) == frame_shown(path, 41 + moment)


def test_a_server_without_ranges_sends_the_whole(videos: Videos, target: Path) -> None:
    """The video is cut here, after it has come."""
    with fault_server(ranges=False) as server:
        server.files["/-a_b.mp4"] = videos.whole
        fetched = MirrorSource(f"{server.url}/{{youtube_id}}.mp4").fetch(request(30), target)
    assert fetched.facts["mode"] == "whole"
    assert fetched.bytes == videos.whole.stat().st_size
    assert frame_shown(target, fetched.offset + 4.96) == 874
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(404), "not_found"),
        (Fault(403), "private"),
        (Fault(410), "removed"),
        (Fault(451), "copyright"),
        (Fault(429, headers={"Retry-After": "9"}), "rate_limited"),
        (Fault(503), "http_5xx"),
        (Fault(body=PAGE, headers={"Content-Type": "text/html"}), "corrupt"),
        (Fault(body=b"<html>captcha"), "captcha"),
        (Fault(body=b"PK\x03\x04 not a video" * 99), "corrupt"),
        (Fault(reset=True), "network"),
        (Fault(truncate_at=10_000, ranges=False), "truncated"),
        (Fault(truncate_at=0), "truncated"),
    ],
)
def test_each_fault_has_its_kind(
    server: FaultServer, videos: Videos, target: Path, fault: Fault, kind: str
) -> None:
    """What the server does wrong is told apart."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    server.faults["/-a_b_000030.mp4"] = fault
    with pytest.raises(ClipFailure) as caught:
        MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(request(), target)
    assert caught.value.kind == FailureKind(kind)
    assert f"{server.url}/-a_b_000030.mp4" in caught.value.message


def test_a_stall_is_a_timeout(server: FaultServer, videos: Videos, target: Path) -> None:
    """A connection on which nothing comes any more ends at the clip's limit."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    server.faults["/-a_b_000030.mp4"] = Fault(stall_at=20_000)
    with pytest.raises(ClipFailure) as caught:
        MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(request(time_limit=0.5), target)
    assert caught.value.kind is FailureKind.TIMEOUT


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: FaultServer, videos: Videos, target: Path, pauses: list[int]
) -> None:
    """What has come does not come again, and each time is waited for longer."""
    size = videos.clip.stat().st_size
    server.files["/-a_b_000030.mp4"] = videos.clip
    server.faults["/-a_b_000030.mp4"] = Fault(truncate_at=size // 2, times=3)
    fetched = MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(request(), target)
    assert target.read_bytes() == videos.clip.read_bytes()
    assert fetched.bytes == size == server.sent["/-a_b_000030.mp4"]
    assert pauses == [1, 2]


def test_a_host_that_is_not_there_is_network(target: Path) -> None:
    """Nobody listens at that port."""
    with fault_server() as server:
        url = server.url
    with pytest.raises(ClipFailure) as caught:
        MirrorSource(f"{url}/{{clip_id}}.mp4").fetch(request(), target)
    assert caught.value.kind is FailureKind.NETWORK


def test_a_video_that_ends_before_the_clip_is_too_short(
    server: FaultServer, videos: Videos, target: Path
) -> None:
    """A whole video of a minute has nothing at 100 s."""
    server.files["/-a_b.mp4"] = videos.whole
    with pytest.raises(ClipFailure) as caught:
        MirrorSource(f"{server.url}/{{youtube_id}}.mp4").fetch(request(100), target)
    assert caught.value.kind is FailureKind.TOO_SHORT
    assert "lasts 60" in caught.value.message


def test_cookies_are_sent_and_never_shown(
    server: FaultServer, videos: Videos, target: Path
) -> None:
    """They go to the host that they are for; nothing that is printed holds them."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    source = MirrorSource(f"{server.url}/{{clip_id}}.mp4", cookies=COOKIES)
    source.fetch(request(), target)
    assert set(server.cookies) == {"key=secret"}
    assert "secret" not in repr(source)
    assert "secret" not in str(source.settings())


def test_a_proxy_is_used(
    server: FaultServer, videos: Videos, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request goes to the proxy, with the whole address."""
    server.files["/x.mp4"] = videos.clip
    source = MirrorSource("http://clips.invalid/x.mp4?{clip_id}", proxy=server.url)
    source.fetch(request(), target)
    assert server.requests["/x.mp4"] > 0
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    MirrorSource("http://clips.invalid/x.mp4?{clip_id}").fetch(request(), target)
    with pytest.raises(InvalidInput, match="not a proxy"):
        MirrorSource("http://h/{clip_id}", proxy="ftp://user:pass@h")


@pytest.mark.parametrize(
    "template",
    [
        "http://h:99999/{clip_id}",
        "http://h/{clip_id}/{start:>999999999}",
        "http://h/{clip_id}/{start:021d}",
        "http://h/{clip_id:>9}",
        "http://h/{clip_id!r}",
        "",
        "http://host/clip.mp4",
        "http://host/{id}.mp4",
        "host/{clip_id}",
        "http://{clip_id",
        "{}",
    ],
)
def test_templates_are_checked(template: str) -> None:
    """A template that names no clip is refused before anything is asked for."""
    with pytest.raises(InvalidInput, match="mirror"):
        MirrorSource(template)


def test_addresses_are_filled_in_safely() -> None:
    """Ids start with a dash or hold underscores; the start may be padded."""
    source = MirrorSource("http://h/{youtube_id}/{start:06d}/{start}/{clip_id}")
    assert source.address("-a_b_000030", "-a_b", 30.0) == "http://h/-a_b/000030/30/-a_b_000030"


def test_a_source_travels_to_other_processes() -> None:
    """It is pickled without its connections."""
    source = MirrorSource("http://h/{clip_id}", cookies=COOKIES)
    source.setup()
    again = pickle.loads(pickle.dumps(source))
    assert again == source
    assert again.settings() == {"name": "mirror", "template": "http://h/{clip_id}"}


def test_closing_interrupts_what_is_read(server: FaultServer, videos: Videos, target: Path) -> None:
    """After Ctrl-C no thread goes on reading."""
    server.files["/a"] = videos.clip
    link = connection.Connection()
    reply = link.ask(f"{server.url}/a", deadline=Deadline.after(60))
    link.close()
    with pytest.raises(ClipFailure, match="interrupted"):
        reply.read(1)


def test_redirects_are_followed(server: FaultServer, videos: Videos, target: Path) -> None:
    """A server may say that the file lies elsewhere, as those in front of stores do."""
    server.files["/there.mp4"] = videos.clip
    server.faults["/here.mp4"] = Fault(302, headers={"Location": "/there.mp4"})
    MirrorSource(f"{server.url}/here.mp4?{{clip_id}}").fetch(request(), target)
    assert target.read_bytes() == videos.clip.read_bytes()


def test_redirects_in_a_circle_are_not_found(server: FaultServer, target: Path) -> None:
    """The same request would go round again: it is not the network's fault."""
    server.faults["/a"] = Fault(302, headers={"Location": "/b"})
    server.faults["/b"] = Fault(302, headers={"Location": "/a"})
    with pytest.raises(ClipFailure, match="in a circle") as caught:
        MirrorSource(f"{server.url}/a?{{clip_id}}").fetch(request(), target)
    assert caught.value.kind is FailureKind.NOT_FOUND
    assert sum(server.requests.values()) == 6


def test_a_login_is_sent_and_never_shown(server: FaultServer, videos: Videos, target: Path) -> None:
    """What stands before the host goes to the server as basic auth, to it alone."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    address = server.url.replace("http://", "http://me:s%40cret@")
    source = MirrorSource(f"{address}/{{clip_id}}.mp4")
    fetched = source.fetch(request(), target)
    assert set(server.logins) == {"Basic bWU6c0BjcmV0"}
    assert "cret" not in repr(source) + str(source.settings()) + fetched.url
    server.faults["/-a_b_000030.mp4"] = Fault(404)
    with pytest.raises(ClipFailure) as caught:
        source.fetch(request(), target)
    assert "cret" not in caught.value.message
    with pytest.raises(InvalidInput) as refused:
        MirrorSource("http://me:s%40cret@host/clip.mp4")
    assert "cret" not in str(refused.value)
    server.logins.clear()
    with fault_server() as front:
        front.faults["/x"] = Fault(302, headers={"Location": f"{server.url}/open.mp4"})
        server.files["/open.mp4"] = videos.clip
        elsewhere = front.url.replace("http://127.0.0.1", "http://me:s%40cret@localhost")
        MirrorSource(f"{elsewhere}/x?{{clip_id}}").fetch(request(), target)
    assert set(server.logins) == {None}


@pytest.mark.parametrize("ranges", [True, False])
def test_an_empty_file_is_corrupt(target: Path, ranges: bool) -> None:
    """Of zero bytes no range can be sent; asking again does not help."""
    target.with_name("empty").touch()
    with fault_server(ranges=ranges) as server:
        server.files["/-a_b_000030.mp4"] = target.with_name("empty")
        with pytest.raises(ClipFailure, match="is empty") as caught:
            MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(request(), target)
    assert caught.value.kind is FailureKind.CORRUPT


def test_a_whole_avi_comes(server: FaultServer, videos: Videos, target: Path) -> None:
    """It does not say when reordered pictures are shown, so a cut would be of another moment."""
    codec = ("-c:v", "mpeg4", "-bf", "2", "-g", "50", "-q:v", "4")
    path = make_video(videos.folder / "b.avi", seconds=45, codec=codec, options=("-c:a", "mp3"))
    server.files["/-a_b.avi"] = path
    fetched = MirrorSource(f"{server.url}/{{youtube_id}}.avi").fetch(request(), target)
    assert fetched.offset == 30
    assert target.read_bytes() == path.read_bytes()


def test_waiting_ends_with_the_time_that_is_left(
    server: FaultServer, videos: Videos, target: Path
) -> None:
    """The message has the limit of the whole clip, of which only a part was left for this try."""
    server.files["/-a_b_000030.mp4"] = videos.clip
    server.faults["/-a_b_000030.mp4"] = Fault(stall_at=20_000)
    late = request(time_limit=90.0, time_left=0.3)
    with pytest.raises(ClipFailure, match="not done after 90 s, the limit for one clip") as caught:
        MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(late, target)
    assert caught.value.kind is FailureKind.TIMEOUT
