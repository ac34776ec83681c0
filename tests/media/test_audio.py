"""The sound round the centre, held against ffmpeg's own resampling of the whole file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from clip_maker import make_clip, resampled_by_ffmpeg, sweep
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vggss_tools.errors import ClipFailure, InvalidInput
from vggss_tools.media.audio import centre_audio, read_wav, write_wav

# AAC's noise substitution differs from one decoding to the next.
ROUNDING = 0.005


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_segment_equals_that_of_the_whole_file(tmp_path: Path, rate: int) -> None:
    """Decoding 3 s gives the same samples as resampling all of it and cutting 3.5 s to 6.5 s."""
    clip = make_clip(tmp_path / "clip.mp4")
    sound = centre_audio(clip, rate=rate)
    assert sound.shape == (3 * rate,)
    assert sound.dtype == np.float32
    whole = resampled_by_ffmpeg(clip, rate)
    expected = whole[round(3.5 * rate) : round(6.5 * rate)]
    assert np.abs(sound - expected).max() < ROUNDING


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("webm", "libopus"), ("mkv", "libmp3lame"), ("mkv", "flac"), ("avi", "pcm_s16le")],
)
def test_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    """Each codec's sound lies where it belongs in time, to a few milliseconds."""
    video = ["-c:v", "libvpx", "-cpu-used", "8"] if suffix == "webm" else ["-c:v", "mpeg4"]
    clip = make_clip(tmp_path / f"clip.{suffix}", codec=video, options=["-c:a", codec])
    assert abs(delay(centre_audio(clip))) <= 0.005


def delay(sound: np.ndarray) -> float:
    """How much later than in `sweep` the segment from 3.5 s on sounds, in seconds."""
    true = sweep(10, 16_000)
    size = 16_000  # one second of the segment is enough
    lags = np.arange(-800, 801)
    errors = [np.abs(sound[800 : 800 + size] - true[a : a + size]).mean() for a in 56_800 - lags]
    return float(lags[int(np.argmin(errors))]) / 16_000


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_keeps_its_distance_from_the_picture(tmp_path: Path, suffix: str) -> None:
    """Sound that starts 30 ms after the picture is 30 ms late, not brought forward."""
    clip = make_clip(tmp_path / f"clip.{suffix}", options=["-af", "asetpts=PTS+0.03/TB"])
    assert delay(centre_audio(clip)) == pytest.approx(0.03, abs=0.002)


def test_other_centre_and_length(tmp_path: Path) -> None:
    """Centre and length choose the samples."""
    clip = make_clip(tmp_path / "clip.mp4")
    whole = resampled_by_ffmpeg(clip, 16_000)
    sound = centre_audio(clip, seconds=1, centre=8)
    assert np.abs(sound - whole[7 * 16_000 + 8_000 : 8 * 16_000 + 8_000]).max() < ROUNDING


def test_stereo_is_averaged(tmp_path: Path) -> None:
    """Mono is the mean of the channels: opposite channels cancel."""
    clip = make_clip(tmp_path / "clip.mkv", options=["-af", "pan=stereo|c0=c0|c1=-1*c0"])
    assert np.abs(centre_audio(clip)).max() < 0.02
    clip = make_clip(tmp_path / "half.mkv", options=["-af", "pan=stereo|c0=c0|c1=0*c0"])
    assert np.abs(centre_audio(clip)).max() == pytest.approx(0.25, abs=0.02)


def test_what_is_missing_is_silent(tmp_path: Path) -> None:
    """A clip that ends at 5 s has half a segment of sound, then zeros."""
    clip = make_clip(tmp_path / "clip.mkv", seconds=5, options=["-c:a", "flac"])
    sound = centre_audio(clip)
    assert sound.shape == (48_000,)
    assert np.abs(sound[:23_900]).max() > 0.4
    assert np.abs(sound[24_100:]).max() == 0


def test_segment_that_begins_before_the_clip(tmp_path: Path) -> None:
    """Before the first sample there is silence too."""
    clip = make_clip(tmp_path / "clip.mkv", seconds=2, options=["-c:a", "flac"])
    sound = centre_audio(clip, centre=0.5)
    assert np.abs(sound[:15_900]).max() == 0
    assert np.abs(sound[16_100:]).max() > 0.4


def test_no_sound_there(tmp_path: Path) -> None:
    """A clip whose sound ends before the segment fails as too short."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=3)
    with pytest.raises(ClipFailure, match=r"too_short: .*no sound between 3\.50 s and 6\.50 s"):
        centre_audio(clip)


def test_no_sample_is_refused(tmp_path: Path) -> None:
    """A length that holds no sample is a mistake of the caller's."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    with pytest.raises(ValueError, match="no sample"):
        centre_audio(clip, seconds=0)


@given(arrays.arrays(np.int16, st.integers(0, 50)), st.sampled_from([8_000, 16_000, 44_100]))
def test_wav_round_trip(
    tmp_path_factory: pytest.TempPathFactory, pcm: np.ndarray, rate: int
) -> None:
    """Every PCM-16 value survives writing and reading exactly."""
    path = tmp_path_factory.mktemp("wav") / "sound.wav"
    samples = pcm.astype(np.float32) / 32_768
    write_wav(path, samples, rate)
    again, again_rate = read_wav(path)
    assert again_rate == rate
    assert again.dtype == np.float32
    assert np.array_equal(again, samples)


def test_wav_clips(tmp_path: Path) -> None:
    """What exceeds full scale becomes full scale, and does not wrap round."""
    write_wav(tmp_path / "sound.wav", np.array([-2.0, 2.0]))
    assert read_wav(tmp_path / "sound.wav")[0].tolist() == [-1.0, 32_767 / 32_768]


def test_other_wav_files_are_refused(tmp_path: Path) -> None:
    """Stereo, or no WAV at all, is one clear line with exit code 6."""
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
    with pytest.raises(InvalidInput, match=r"stereo\.wav: 2 channel\(s\) of 16 bits"):
        read_wav(tmp_path / "stereo.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(InvalidInput, match=r"text\.wav: not a WAV file"):
        read_wav(tmp_path / "text.wav")
