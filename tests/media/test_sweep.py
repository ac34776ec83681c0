"""One reading of a file for both, also of a clip that lies minutes into a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.packet import Packet
from clip_maker import distinct_frames, extracted_by_ffmpeg, make_clip
from clip_maker import sweep as rising_tone
from hypothesis import given
from hypothesis import strategies as st
from media.ffmpeg_reference import planes, reference_planes

from vggss_tools.errors import ClipFailure
from vggss_tools.media.audio import centre_audio, sound_of
from vggss_tools.media.frames import FrameReader, frame_at, frames_at
from vggss_tools.media.probe import open_media
from vggss_tools.media.sound import SoundReader, Span
from vggss_tools.media.sweep import sweep
from vggss_tools.media.ticks import Tick, middle_ticks, tick_at


class CountingFrames(FrameReader):
    """Counts the packets that it is given."""

    taken = 0

    def take(self, packet: Packet[Any]) -> None:
        """Count."""
        self.taken += 1
        super().take(packet)


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 s with a key frame every 4 s."""
    path = tmp_path_factory.mktemp("long") / "video.mp4"
    return make_clip(path, seconds=80, options=["-g", "100", "-preset", "ultrafast"])


@pytest.mark.parametrize("offset", [0.0, 1.24, 31.2, 60.0])
def test_offset(long_video: Path, offset: float) -> None:
    """A clip that begins somewhere in its file gives the frame and the sound from there."""
    frame = frame_at(long_video, offset=offset)
    index = round(offset * 25) + 124
    neighbours = distinct_frames(2000)[index - 3 : index + 4].astype(int)
    assert np.abs(neighbours - frame).mean(axis=(1, 2, 3)).argmin() == 3
    sound = centre_audio(long_video, rate=44_100, offset=offset)
    first = round((3.5 + offset) * 44_100)
    expected = rising_tone(80)[first : first + 3 * 44_100]
    assert np.abs(sound - expected).mean() < 0.02


def test_a_place_minutes_in_is_sought(long_video: Path) -> None:
    """Far into a file, reading begins at the key frame before, not at the start."""
    frames = CountingFrames([tick_at(4.96, 60.0)])
    sound = SoundReader(Span(3.0, 16_000, 5.0, 60.0))
    with open_media(long_video) as container:
        sweep(container, [frames, sound])
    assert frames.taken < 250
    assert sound.samples.shape == (48_000,)


@pytest.mark.parametrize("suffix", ["avi", "ts"])
def test_offset_where_seeking_is_unsure(tmp_path: Path, suffix: str) -> None:
    """Containers without a sure index are read from their start, with the same result."""
    codec = ["-c:v", "mpeg4", "-q:v", "3"] if suffix == "avi" else ["-c:v", "libx264"]
    clip = make_clip(tmp_path / f"clip.{suffix}", seconds=45, codec=codec)
    frames = FrameReader([tick_at(1.0, 40.0)])
    with open_media(clip) as container:
        sweep(container, [frames])
    picture = planes(frames.frames[0])
    assert picture == reference_planes(clip, 41 * 25 + 1, len(picture))


@pytest.mark.parametrize("fps", ["8", "30000/1001"])
@pytest.mark.parametrize(("count", "rate"), [(4, "1/2"), (10, "1"), (40, "8")])
def test_several_frames(tmp_path: Path, fps: str, count: int, rate: str) -> None:
    """Each of several frames is the one that would be read alone."""
    clip = make_clip(tmp_path / "clip.mp4", fps=fps, options=["-g", "50"])
    ticks = middle_ticks(count, Fraction(rate))
    images = frames_at(clip, ticks)
    one_by_one = [frames_at(clip, [tick])[0] for tick in ticks]
    assert all(map(np.array_equal, images, one_by_one))


def test_several_frames_at_25_are_those_of_ffmpeg(tmp_path: Path) -> None:
    """Frames of the middle have ffmpeg's numbers."""
    clip = make_clip(tmp_path / "clip.mp4", fps="30")
    images = frames_at(clip, middle_ticks(3, Fraction(25)))
    for number, image in zip((124, 125, 126), images, strict=True):
        theirs = extracted_by_ffmpeg(clip, number)
        assert theirs is not None
        assert np.abs(image.astype(int) - theirs).mean() < 2
        for file in clip.with_suffix(".extracted").iterdir():
            file.unlink()
        clip.with_suffix(".extracted").rmdir()


def test_ticks_in_any_order(tmp_path: Path) -> None:
    """Frames come in the order of their ticks, not of the file."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=4)
    later, sooner = frames_at(clip, [Tick(80), Tick(10)])
    assert np.array_equal(later, frame_at(clip, 3.2))
    assert np.array_equal(sooner, frame_at(clip, 0.4))


@given(st.integers(1, 250), st.sampled_from([1, 8, 12, 25, 30]))
def test_middle_ticks(count: int, rate: int) -> None:
    """The middle ones lie inside of ten seconds, as far from either end, and follow each other."""
    if count > 10 * rate:
        with pytest.raises(ValueError, match="ten seconds have"):
            middle_ticks(count, Fraction(rate))
        return
    indices = [tick.index for tick in middle_ticks(count, Fraction(rate))]
    assert indices == list(range(indices[0], indices[0] + count))
    after = 10 * rate - 1 - indices[-1]
    assert 0 <= after - indices[0] <= 1


def test_the_middle_one_is_the_benchmarks() -> None:
    """One frame of 25 a second is number 125."""
    assert middle_ticks(1, Fraction(25)) == [tick_at(4.96)] == [Tick(124)]


def test_whole_sound(tmp_path: Path) -> None:
    """The whole sound runs from the file's first timestamp to the sound's end."""
    clip = make_clip(tmp_path / "clip.mkv", seconds=3, options=["-c:a", "flac"])
    sound = sound_of(clip, Span(None, 16_000, 5.0))
    expected = rising_tone(3, 16_000)
    assert abs(len(sound) - len(expected)) <= 2
    size = min(len(sound), len(expected)) - 100
    assert np.abs(sound[:size] - expected[:size]).max() < 0.02


def test_whole_sound_that_starts_late(tmp_path: Path) -> None:
    """What comes before the sound is silence."""
    clip = make_clip(
        tmp_path / "clip.mkv", seconds=2, options=["-c:a", "flac", "-af", "asetpts=PTS+1/TB"]
    )
    sound = sound_of(clip, Span(None, 16_000, 5.0))
    assert abs(len(sound) - 48_000) <= 2
    assert np.abs(sound[:15_900]).max() == 0
    assert np.abs(sound[16_100:20_000]).max() > 0.4


def test_a_moment_after_the_end_of_a_long_video(long_video: Path) -> None:
    """Beyond the end of a file that was sought in, the clip is too short."""
    with pytest.raises(ClipFailure, match=r"too_short: .*picture ends before 94\.96 s"):
        frame_at(long_video, offset=90.0)
    with pytest.raises(ClipFailure, match=r"too_short: .*no sound between 93\.50 s"):
        centre_audio(long_video, offset=90.0)


def test_a_damaged_picture_is_corrupt_only_where_it_is_shown(tmp_path: Path) -> None:
    """A broken packet spoils the frames up to the next key frame, and no other."""
    clip = make_clip(
        tmp_path / "clip.avi", codec=["-c:v", "mjpeg", "-q:v", "3"], seconds=6, sound=False
    )
    whole = frame_at(clip)
    data = bytearray(clip.read_bytes())
    places = [i for i in range(len(data) - 1) if data[i : i + 4] == b"00dc"]
    data[places[20] + 8 : places[20] + 400] = bytes(392)
    clip.write_bytes(data)
    assert np.array_equal(frame_at(clip), whole)
