"""What makes a fetched file unfit."""

from __future__ import annotations

from pathlib import Path

import pytest
from fetch.conftest import Videos
from fetch.videos import make_video

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.media_check import check_media
from vggss_tools.media.probe import open_media
from vggss_tools.media.rewrap import rewrap_as_mp4
from vggss_tools.media.stream_copy import copy_section


def kind_of(path: Path, start: float = 0.0) -> FailureKind:
    with pytest.raises(ClipFailure) as caught:
        check_media(path, start=start, seconds=10)
    return caught.value.kind


def test_a_good_clip_passes(videos: Videos) -> None:
    """Its facts are those of the file."""
    facts = check_media(videos.clip, start=0, seconds=10)
    assert facts.as_json() == {
        "seconds": 10.0,
        "width": 128,
        "height": 64,
        "video_codec": "h264",
        "audio_codec": "aac",
    }


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("mute.mp4", {"sound": False}, "no_audio"),
        ("blind.mp4", {"picture": False}, "no_video"),
        ("short.mp4", {"seconds": 7.0}, "too_short"),
        ("silent.mp4", {"silent": True}, "silent"),
        ("still.mp4", {"still": True}, "still_image"),
        ("still.webm", {"still": True, "codec": ("-c:v", "libvpx"), "options": ("-g", "25")},
         "still_image"),
    ],
)  # fmt: skip
def test_unfit_files_have_their_kind(
    tmp_path: Path, name: str, options: dict[str, object], kind: str
) -> None:
    """Each defect is told apart."""
    path = make_video(tmp_path / name, **options)  # type: ignore[arg-type]
    assert kind_of(path) == FailureKind(kind)


def test_the_clip_is_judged_and_not_the_file(videos: Videos) -> None:
    """A minute of video is too short for a clip at 55 s."""
    assert kind_of(videos.whole, start=55) is FailureKind.TOO_SHORT
    assert check_media(videos.whole, start=50, seconds=10).seconds == 60


def test_a_file_that_was_cut_off_is_corrupt(tmp_path: Path) -> None:
    """The header promises what the file does not hold."""
    path = make_video(tmp_path / "clip.mp4", options=("-movflags", "+faststart"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert kind_of(path) is FailureKind.CORRUPT


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x00" * 4096])
def test_what_is_no_media_file_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Empty files, pages and zeros."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert kind_of(path) is FailureKind.CORRUPT
    if content:
        with pytest.raises(ClipFailure):
            rewrap_as_mp4(path)


def test_quiet_is_not_silent(tmp_path: Path) -> None:
    """A click in the last second is sound enough."""
    path = make_video(
        tmp_path / "quiet.mp4", options=("-af", "volume='if(gt(t,9),1,0)':eval=frame")
    )
    check_media(path, start=0, seconds=10)


def test_a_movement_at_the_end_is_not_still(tmp_path: Path, videos: Videos) -> None:
    """The whole clip is looked at before it is called still."""
    path = make_video(
        tmp_path / "late.mp4",
        options=("-vf", "loop=loop=225:size=1:start=0,trim=end_frame=250"),
    )
    check_media(path, start=0, seconds=10)


@pytest.mark.parametrize(
    ("name", "codec", "options", "container"),
    [
        ("a.mkv", ("-c:v", "libx264", "-bf", "2", "-preset", "ultrafast"), ("-c:a", "aac"), "mp4"),
        ("a.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
         ("-c:a", "libopus"), "matroska"),  # which says to the millisecond where the sound begins
        ("a.webm", ("-c:v", "libvpx", "-deadline", "realtime"), ("-c:a", "libvorbis"), "matroska"),
        ("a.flv", ("-c:v", "flv1"), ("-c:a", "mp3"), "flv"),
        ("a.mp4", ("-c:v", "libx264", "-preset", "ultrafast"), (), "mp4"),
    ],
)  # fmt: skip
def test_other_containers_become_mp4_where_it_can_hold_them(
    tmp_path: Path, name: str, codec: tuple[str, ...], options: tuple[str, ...], container: str
) -> None:
    """Streams are copied; what MP4 cannot hold keeps its container."""
    path = make_video(tmp_path / name, codec=codec, options=options)
    before = path.read_bytes()
    assert rewrap_as_mp4(path) == (container, 0)
    if container != "mp4" or name == "a.mp4":
        assert path.read_bytes() == before
    with open_media(path) as file:
        assert container in file.format.name
        assert file.start_time == 0
    assert check_media(path, start=0, seconds=10).seconds == pytest.approx(10, abs=0.05)
    assert [p for p in tmp_path.iterdir() if "whole" in p.name] == []


def test_rotation_survives_a_cut(tmp_path: Path) -> None:
    """A film from a telephone stays upright."""
    from vggss_tools.media.frames import frame_at

    whole = make_video(tmp_path / "plain.mp4", seconds=20)
    turned = tmp_path / "turned.mp4"
    from clip_maker import ffmpeg

    ffmpeg("-display_rotation", "90", "-i", whole, "-c", "copy", turned)
    part = tmp_path / "part.mp4"
    copy_section([turned], part, start=5, seconds=10)
    assert frame_at(turned, 6.0).shape == frame_at(part, 3.0).shape == (128, 64, 3)
