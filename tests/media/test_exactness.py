"""Picture and sound bit for bit against ffmpeg's own, before scaling, JPEG and resampling.

The real containers are those of the package iscc-samples on PyPI: unpack its source archive
somewhere and give its folder ``iscc_samples/files/video`` as ``ISCC_SAMPLES``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from clip_maker import ffmpeg, make_clip
from media.ffmpeg_reference import (
    LSB,
    PROGRAM,
    lateness_of_sound,
    planes,
    reference_planes,
    reference_sound,
)

from vggss_tools.errors import ClipFailure
from vggss_tools.media.frames import FrameReader
from vggss_tools.media.probe import NotAsDeclared, is_mp4, open_media
from vggss_tools.media.sound import SoundReader, Span
from vggss_tools.media.sweep import sweep
from vggss_tools.media.ticks import FRAME_NUMBER, FRAME_TIME, tick_at

SAMPLES = os.environ.get("ISCC_SAMPLES", "")
# Two of the 21 files have no sound.
# fmt: off
CONTAINERS = ["3g2", "3gp", "asf", "avi", "f4v", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg",
              "ogg", "ogv", "rm", "swf", "vob", "webm", "wmv"]
# fmt: on
SILENT = ("gif", "m1v")


def read(clip: Path, offset: float = 0.0) -> tuple[FrameReader, SoundReader]:
    """Take the benchmark's frame and 3 s of sound from one reading."""
    for hasty in [True] * is_mp4(clip) + [False]:  # as `vggss extract` does
        frames = FrameReader([tick_at(FRAME_TIME, offset)], hasty=hasty)
        sound = SoundReader(Span(3.0, 16_000, 5.0, offset), keep_source=True, hasty=hasty)
        try:
            with open_media(clip, hasty=hasty) as container:
                sweep(container, [frames, sound])
        except (NotAsDeclared, ClipFailure):
            if hasty:
                continue
            raise
        return frames, sound
    raise AssertionError(clip)


def assert_exact(clip: Path, offset: float = 0.0, slack: int = 0) -> None:
    """Hold planes and samples against ffmpeg's; ``slack`` in samples, either way."""
    frames, sound = read(clip, offset)
    picture = planes(frames.frames[0])
    expected = reference_planes(clip, FRAME_NUMBER + round(offset * 25), len(picture))
    assert len(expected) == len(picture)
    assert np.array_equal(np.frombuffer(picture, np.uint8), np.frombuffer(expected, np.uint8))

    ours = sound.source
    theirs = reference_sound(clip, len(ours))
    rate = sound.stream.rate
    late = round(lateness_of_sound(clip) * rate)
    first, last = round((3.5 + offset) * rate), round((6.5 + offset) * rate)
    mine = ours[:, first - sound.source_begin : last - sound.source_begin]
    errors = []
    for shift in range(-slack, slack + 1):
        begin = first - late + shift
        errors.append(np.abs(mine - theirs[:, begin : begin + mine.shape[1]]).max())
    assert np.abs(mine).max() > 100 * LSB
    assert min(errors) <= LSB


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Path:
    """A file of the real ones."""
    if not SAMPLES:
        pytest.skip("ISCC_SAMPLES is not set: no real containers to read")
    if not PROGRAM:
        pytest.skip("FFMPEG_OF_PYAV is not set: no ffmpeg with the decoders that PyAV has")
    return Path(SAMPLES) / f"demo.{request.param}"


@pytest.mark.parametrize("sample", CONTAINERS, indirect=True)
def test_real_containers(sample: Path) -> None:
    """In 19 containers of one film, planes are equal and samples within one step of 16 bits."""
    assert_exact(sample)


@pytest.mark.parametrize("sample", CONTAINERS, indirect=True)
def test_real_containers_far_into_the_file(sample: Path) -> None:
    """So they are 40 s in; sound that is stamped to the millisecond is placed to that."""
    with open_media(sample) as container:
        rate = container.streams.audio[0].rate
    assert_exact(sample, 40.0, slack=rate // 1000 + 1)


@pytest.mark.parametrize("sample", SILENT, indirect=True)
def test_real_containers_without_sound(sample: Path) -> None:
    """Where a sound is wanted and there is none, the clip fails as no_audio."""
    with pytest.raises(ClipFailure, match="no_audio"):
        read(sample)


# fmt: off
UNEVEN = ["-vf", "setpts='(N+0.45*sin(N))/30/TB'", "-fps_mode", "vfr"]
CASES = {
    "variable frame rate": ("mp4", {"fps": "30", "options": UNEVEN}),
    "variable frame rate, mkv": ("mkv", {"fps": "30", "options": [*UNEVEN, "-c:a", "aac"]}),
    "8 frames a second": ("mp4", {"fps": "8"}),
    "pixels twice as wide": ("mp4", {"options": ["-vf", "setsar=2"]}),
    "stereo": ("mp4", {"options": ["-af", "pan=stereo|c0=c0|c1=0.5*c0"]}),
    "5.1": ("mp4", {"options": ["-af", "pan=5.1|c0=c0|c1=0.5*c0|c2=c0|c3=c0|c4=c0|c5=c0"]}),
    "mkv, vorbis": ("mkv", {"options": ["-c:a", "libvorbis"]}),
    "webm": ("webm", {"codec": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
                      "options": ["-c:a", "libopus"]}),
    "avi": ("avi", {"codec": ["-c:v", "mpeg4", "-bf", "2", "-q:v", "3"],
                    "options": ["-c:a", "libmp3lame"]}),
    "avi, pcm": ("avi", {"codec": ["-c:v", "mpeg4"], "options": ["-c:a", "pcm_s16le"]}),
    "flv": ("flv", {"options": ["-c:a", "aac"]}),
    "transport stream": ("ts", {"options": ["-g", "40"]}),
    "picture that starts late": ("mp4", {"before_picture": ["-itsoffset", "0.5"]}),
    "one key frame": ("mp4", {"options": ["-g", "999"]}),
}
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_made_clips(tmp_path: Path, name: str) -> None:
    """Frame rates, shapes, channels, codecs and containers: the same planes and samples."""
    suffix, options = CASES[name]
    assert_exact(make_clip(tmp_path / f"clip.{suffix}", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("turn", ["90", "180", "270"])
def test_rotation(tmp_path: Path, turn: str) -> None:
    """A turned clip has the planes that are stored; pixels are turned afterwards."""
    source = make_clip(tmp_path / "source.mp4", seconds=7)
    clip = tmp_path / "clip.mp4"
    ffmpeg("-display_rotation", turn, "-i", source, "-c", "copy", clip)
    assert_exact(clip)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "flv"])
def test_cut_without_re_encoding(tmp_path: Path, suffix: str) -> None:
    """Edit lists and the frames before them, as a cut by stream copy leaves them."""
    source = make_clip(tmp_path / "source.mp4", seconds=14, options=["-g", "100"])
    clip = tmp_path / f"clip.{suffix}"
    ffmpeg("-ss", "3.7", "-i", source, "-t", "10", "-c", "copy", clip)
    assert_exact(clip)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_negative_start_times(tmp_path: Path, suffix: str) -> None:
    """A file whose clock begins below zero is read from its first timestamp."""
    source = make_clip(tmp_path / "source.mp4", seconds=10)
    clip = tmp_path / f"clip.{suffix}"
    # fmt: off
    ffmpeg("-i", source, "-c", "copy", "-output_ts_offset", "-0.3",
           "-avoid_negative_ts", "disabled", clip)
    # fmt: on
    assert_exact(clip)


def test_sound_from_the_first_sample(tmp_path: Path) -> None:
    """From 0 s of an MP4, not even the first AAC frame is missing."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    sound = SoundReader(Span(1.0, 44_100, 0.5), keep_source=True)
    with open_media(clip) as container:
        sweep(container, [sound])
    theirs = reference_sound(clip, 1)[:, :44_100]
    ours = sound.source[:, -sound.source_begin : 44_100 - sound.source_begin]
    assert np.abs(theirs[:, :900]).max() > 0.1
    assert np.abs(ours - theirs).max() <= LSB
