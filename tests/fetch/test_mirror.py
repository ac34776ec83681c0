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
from vggss_tools.fetch import connection
from vggss_tools.fetch.mirror import MirrorSource
from vggss_tools.fetch.source import FetchRequest
from vggss_tools.media.frames import frame_at

COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tsecret\n"


def request(start: int = 30, **options: float) -> FetchRequest:
    return FetchRequest(f"-a_b_{start:06d}", "-a_b", float(start), **options)


def frame_shown(path: Path, seconds: float) -> int:
    """Number of the frame that a file shows at a moment."""
    return number_of(frame_at(path, seconds))


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
    server: FaultServer, videos: Videos, target: Path
) -> None:
    """What has come does not come again."""
    size = videos.clip.stat().st_size
    server.files["/-a_b_000030.mp4"] = videos.clip
    server.faults["/-a_b_000030.mp4"] = Fault(truncate_at=size // 2, times=3)
    fetched = MirrorSource(f"{server.url}/{{clip_id}}.mp4").fetch(request(), target)
    assert target.read_bytes() == videos.clip.read_bytes()
    assert fetched.bytes == size == server.sent["/-a_b_000030.mp4"]


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
    ["", "http://host/clip.mp4", "http://host/{id}.mp4", "host/{clip_id}", "http://{clip_id", "{}"],
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
    reply = link.ask(f"{server.url}/a", deadline=float("inf"))
    link.close()
    with pytest.raises(ClipFailure, match="interrupted"):
        reply.read(1)
