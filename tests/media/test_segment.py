"""A part of a clip as an MP4 for browsers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clip_maker import ffmpeg, make_clip

from vggss_tools.errors import ClipFailure
from vggss_tools.media.audio import centre_audio
from vggss_tools.media.frames import frame_at
from vggss_tools.media.probe import probe
from vggss_tools.media.segment import cut_segment


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_segment_is_that_part_of_the_file(tmp_path: Path, suffix: str) -> None:
    """Picture and sound of the segment are those of the source from `start` on."""
    source = make_clip(tmp_path / f"source.{suffix}", seconds=8, options=["-g", "50"])
    target = tmp_path / "segment.mp4"
    cut_segment(source, target, 3.4, 3.0)
    info = probe(target)
    assert (info.video_codec, info.audio_codec, info.has_audio) == ("h264", "aac", True)
    assert info.duration == pytest.approx(3.0, abs=0.1)
    assert target.read_bytes().index(b"moov") < target.read_bytes().index(b"mdat")
    assert np.abs(frame_at(target, 1).astype(int) - frame_at(source, 4.4)).mean() < 5
    sound = centre_audio(target, seconds=1, centre=1.5)
    expected = centre_audio(source, seconds=1.2, centre=4.9)
    errors = [np.abs(sound - expected[k : k + 16_000]).mean() for k in range(3_200)]
    assert min(errors) < 0.06
    # Frames keep to their own clock, so the sound may move by a part of one: here by 11 ms.
    assert abs(int(np.argmin(errors)) - 1_600) < 200


def test_height_upright_and_square(tmp_path: Path) -> None:
    """A turned picture with wide pixels is shown upright with square ones, at the height asked."""
    made = make_clip(tmp_path / "made.mp4", seconds=2, options=["-vf", "setsar=2"])
    source = tmp_path / "source.mp4"
    ffmpeg("-display_rotation", "90", "-i", made, "-c", "copy", source)
    cut_segment(source, tmp_path / "whole.mp4", 0, 1)
    whole = probe(tmp_path / "whole.mp4")
    assert (whole.width, whole.height, whole.pixel_aspect) == (32, 96, 1.0)
    cut_segment(source, tmp_path / "small.mp4", 0, 1, height=48)
    small = probe(tmp_path / "small.mp4")
    assert (small.width, small.height, small.pixel_aspect) == (16, 48, 1.0)


def test_without_sound(tmp_path: Path) -> None:
    """A silent film gives a silent segment."""
    source = make_clip(tmp_path / "source.mp4", seconds=2, sound=False)
    cut_segment(source, tmp_path / "segment.mp4", 0.5, 1)
    assert not probe(tmp_path / "segment.mp4").has_audio


def test_what_cannot_be_cut(tmp_path: Path) -> None:
    """Each failure has its kind, and leaves what was there as it was."""
    target = tmp_path / "segment.mp4"
    target.write_text("earlier")
    short = make_clip(tmp_path / "short.mp4", seconds=1)
    with pytest.raises(ClipFailure, match=r"too_short: .*short\.mp4"):
        cut_segment(short, target, 5, 3)
    with pytest.raises(ClipFailure, match=r"not_found: .*none\.mp4"):
        cut_segment(tmp_path / "none.mp4", target, 0, 3)
    sound = make_clip(tmp_path / "sound.mp4", seconds=1, picture=False)
    with pytest.raises(ClipFailure, match=r"no_video: .*sound\.mp4"):
        cut_segment(sound, target, 0, 1)
    with pytest.raises(ValueError, match="no segment"):
        cut_segment(short, target, -1, 3)
    assert target.read_text() == "earlier"
    assert not list(tmp_path.glob(".part-*"))
