"""What a clip is, and why one is unfit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from clip_maker import ffmpeg, make_clip
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.audio import centre_audio
from vggss_tools.media.frames import frame_at
from vggss_tools.media.probe import probe, round_half_away


def kind_of(path: Path) -> FailureKind:
    """Probe, and expect a failure whose message names the file."""
    with pytest.raises(ClipFailure) as caught:
        probe(path)
    assert path.name in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.kind


def test_probe_reads_the_header(tmp_path: Path) -> None:
    """Size, rate, length and sound are told without decoding."""
    info = probe(make_clip(tmp_path / "clip.mp4", fps="30", seconds=2))
    assert (info.width, info.height, info.pixel_aspect) == (96, 64, 1.0)
    assert (info.fps, info.n_frames) == (30.0, 60)
    assert info.duration == pytest.approx(2, abs=0.05)
    assert (info.has_audio, info.sample_rate, info.channels) == (True, 44_100, 1)
    assert (info.video_codec, info.audio_codec) == ("h264", "aac")


def test_probe_of_a_silent_film(tmp_path: Path) -> None:
    """No sound is a fact, not a failure, until sound is asked for."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=6, sound=False)
    info = probe(clip)
    assert (info.has_audio, info.sample_rate, info.channels) == (False, None, None)
    frame_at(clip)
    with pytest.raises(ClipFailure, match=r"no_audio: .*clip\.mp4: holds no sound"):
        centre_audio(clip)


def test_sound_alone(tmp_path: Path) -> None:
    """No picture is no_video, also where the file has a cover image."""
    bare = make_clip(tmp_path / "bare.mp4", seconds=1, picture=False)
    assert kind_of(bare) is FailureKind.NO_VIDEO
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", cover)
    song = tmp_path / "song.mp3"
    # fmt: off
    ffmpeg("-i", bare, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy",
           "-disposition:v", "attached_pic", song)
    # fmt: on
    assert kind_of(song) is FailureKind.NO_VIDEO


def test_unfit_files(tmp_path: Path) -> None:
    """Missing, empty, cut short and something else are told apart."""
    assert kind_of(tmp_path / "none.mp4") is FailureKind.NOT_FOUND
    (tmp_path / "empty.mp4").touch()
    assert kind_of(tmp_path / "empty.mp4") is FailureKind.CORRUPT
    (tmp_path / "page.mp4").write_text("<html>Video unavailable</html>")
    assert kind_of(tmp_path / "page.mp4") is FailureKind.CORRUPT
    whole = make_clip(tmp_path / "whole.mp4", seconds=2).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])  # the index stood at the end
    assert kind_of(tmp_path / "half.mp4") is FailureKind.CORRUPT
    (tmp_path / "folder.mp4").mkdir()
    assert kind_of(tmp_path / "folder.mp4") is FailureKind.CORRUPT


def test_garbage_inside_a_good_header(tmp_path: Path) -> None:
    """A file whose packets are overwritten is corrupt, not a crash."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=6, options=["-movflags", "+faststart"])
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    clip.write_bytes(data)
    with pytest.raises(ClipFailure, match=r"corrupt: .*clip\.mp4"):
        frame_at(clip)


def test_shorter_than_needed(tmp_path: Path) -> None:
    """`at_least` refuses what ends before."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    probe(clip, at_least=1.5)
    with pytest.raises(ClipFailure, match=r"too_short: .*lasts 2\.\d\d s, 3 s are needed"):
        probe(clip, at_least=3)


@given(st.fractions())
def test_rounding_is_ffmpegs(value: Fraction) -> None:
    """Halves go away from zero, and the sign makes no difference."""
    rounded = round_half_away(value)
    assert abs(rounded - value) <= Fraction(1, 2)
    assert round_half_away(-value) == -rounded
    if abs(rounded - value) == Fraction(1, 2):
        assert abs(rounded) > abs(value)
