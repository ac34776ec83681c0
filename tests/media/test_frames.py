"""The frame by its place in a 25 fps extraction, held against ffmpeg's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clip_maker import distinct_frames, extracted_by_ffmpeg, ffmpeg, make_clip
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.errors import ClipFailure
from vggss_tools.media.frames import frame_at
from vggss_tools.media.picture import _upright
from vggss_tools.media.ticks import FRAME_TIME

# Random blocks differ by some 80 levels on average from frame to frame; the same frame, decoded
# by two builds of FFmpeg, by none.
SAME_FRAME = 2.0


def assert_same_frame(clip: Path, time: float = FRAME_TIME) -> None:
    """Compare with the numbered file that ffmpeg writes."""
    theirs = extracted_by_ffmpeg(clip, round(time * 25) + 1)
    assert theirs is not None
    ours = frame_at(clip, time)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).mean() < SAME_FRAME


@pytest.mark.parametrize("fps", ["25", "30", "30000/1001", "24", "10", "50", "12.5"])
@pytest.mark.parametrize("time", [FRAME_TIME, 7.0])
def test_frame_is_the_one_that_ffmpeg_numbers(tmp_path: Path, fps: str, time: float) -> None:
    """Whatever the source's frame rate, the frame is that of `ffmpeg -vf fps=25`."""
    assert_same_frame(make_clip(tmp_path / "clip.mp4", fps=fps, seconds=8), time)


def test_default_is_index_124_of_a_25_fps_clip(tmp_path: Path) -> None:
    """At 25 fps nothing is rounded: the frame is the 125th of the source."""
    frame = frame_at(make_clip(tmp_path / "clip.mp4", seconds=6))
    difference = np.abs(distinct_frames(150).astype(int) - frame).mean(axis=(1, 2, 3))
    assert difference.argmin() == 124


def test_variable_frame_rate(tmp_path: Path) -> None:
    """Uneven timestamps follow the same rule."""
    clip = make_clip(
        tmp_path / "clip.mp4",
        fps="30",
        options=["-vf", "setpts='(N+0.45*sin(N))/30/TB'", "-fps_mode", "vfr"],
    )
    assert_same_frame(clip)


def test_slide_show(tmp_path: Path) -> None:
    """A frame that stands for seconds is found, although it began long before."""
    clip = make_clip(
        tmp_path / "clip.mp4",
        options=["-vf", "select='not(mod(n\\,70))'", "-fps_mode", "vfr"],
    )
    assert_same_frame(clip)


@pytest.mark.parametrize("offset", ["0.02", "0.5", "6"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_picture_that_starts_late(tmp_path: Path, offset: str, suffix: str) -> None:
    """Time is counted from the file's first timestamp, as ffmpeg counts it."""
    clip = make_clip(
        tmp_path / f"clip.{suffix}", fps="30", before_picture=["-itsoffset", offset], seconds=7
    )
    assert_same_frame(clip)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_cut_without_re_encoding(tmp_path: Path, suffix: str) -> None:
    """In a stream-copied cut, edit lists and negative timestamps are honoured."""
    source = make_clip(tmp_path / "source.mp4", seconds=15, options=["-g", "100"])
    cut = tmp_path / f"cut.{suffix}"
    ffmpeg("-ss", "3.7", "-i", source, "-t", "10", "-c", "copy", cut)
    assert_same_frame(cut)


# fmt: off
CODECS = {
    "one key frame": ("mp4", ["-c:v", "libx264", "-g", "1000", "-bf", "3"]),
    "open GOP": ("mp4", ["-c:v", "libx264", "-g", "40", "-x264-params", "open-gop=1"]),
    "no key frames": ("mp4", ["-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=40"]),
    "VP9": ("webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
    "VP8, hidden frames": ("webm", ["-c:v", "libvpx", "-cpu-used", "4", "-auto-alt-ref", "1",
                                    "-lag-in-frames", "16"]),
    "MPEG-4 ASP": ("avi", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "3"]),
    "MPEG-2, program stream": ("mpg", ["-c:v", "mpeg2video", "-bf", "2", "-q:v", "3"]),
    "transport stream": ("ts", ["-c:v", "libx264", "-g", "50"]),
}
# fmt: on


@pytest.mark.parametrize("name", CODECS)
def test_codecs_and_containers(tmp_path: Path, name: str) -> None:
    """Skipping frames that nobody needs changes nothing, and unsure seeking is not relied on."""
    suffix, codec = CODECS[name]
    assert_same_frame(make_clip(tmp_path / f"clip.{suffix}", codec=codec, seconds=6))


@pytest.mark.parametrize(
    "turn",
    [
        ["-display_rotation", "90"],
        ["-display_rotation", "180"],
        ["-display_rotation", "270"],
        ["-display_hflip"],
        ["-display_rotation", "90", "-display_vflip"],
    ],
    ids=" ".join,
)
def test_rotation_is_carried_out(tmp_path: Path, turn: list[str]) -> None:
    """A clip that asks to be turned or mirrored is shown as players show it."""
    source = make_clip(tmp_path / "source.mp4", seconds=6)
    clip = tmp_path / "clip.mp4"
    ffmpeg(*turn, "-i", source, "-c", "copy", clip)
    assert_same_frame(clip)


def test_pixels_that_are_not_square_stay_as_stored(tmp_path: Path) -> None:
    """Boxes are fractions, so nothing is resampled."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=6, options=["-vf", "setsar=2"])
    assert frame_at(clip).shape == (64, 96, 3)
    assert_same_frame(clip)


@pytest.mark.parametrize(("seconds", "long_enough"), [(4.96, False), (5.0, True)])
@pytest.mark.parametrize("fps", ["25", "50"])
def test_too_short(tmp_path: Path, fps: str, seconds: float, long_enough: bool) -> None:
    """A clip whose picture ends before the moment fails exactly where ffmpeg writes no file."""
    clip = make_clip(tmp_path / "clip.mp4", fps=fps, seconds=seconds)
    assert (extracted_by_ffmpeg(clip) is not None) == long_enough
    if long_enough:
        frame_at(clip)
    else:
        with pytest.raises(ClipFailure, match=r"too_short: .*clip\.mp4: its picture ends before"):
            frame_at(clip)


def test_time_before_the_clip_is_refused(tmp_path: Path) -> None:
    """A negative time is a mistake of the caller's."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    with pytest.raises(ValueError, match="before the clip"):
        frame_at(clip, -1)


@given(st.sampled_from([0, 1, 2, 3]), st.booleans())
def test_upright_undoes_its_matrix(turns: int, mirrored: bool) -> None:
    """A display matrix maps each stored pixel to where it is shown."""
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    matrix = np.eye(3, dtype=np.int64)
    for _ in range(turns):
        matrix = matrix @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    if mirrored:
        matrix = matrix @ np.diag([-1, 1, 1])
    shown = _upright(image, (matrix << 16).astype(np.int32))
    corners = np.array([(x, y, 1) for y in range(4) for x in range(6)])
    places = corners @ matrix
    places -= places.min(axis=0)
    for (x, y, _), (u, v, _) in zip(corners, places, strict=True):
        assert (shown[v, u] == image[y, x]).all()
