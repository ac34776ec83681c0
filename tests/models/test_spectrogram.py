"""Spectrograms: the released code's, the paper's, and the compact one."""

from __future__ import annotations

import numpy as np
import pytest

from vggss_tools.errors import VggssError
from vggss_tools.models.spectrogram import (
    LVS_FLOOR,
    LVS_SCALE,
    RATE,
    SPECTROGRAMS,
    silence,
    spectrogram,
    tukey,
)


def three_seconds(seed: int = 0) -> np.ndarray:
    """Return noise over a tone, float32."""
    time = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.05, 3 * RATE)
    return (0.3 * np.sin(2 * np.pi * 1000 * time) + noise).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "shape"), [("lvs-code", (257, 200)), ("paper", (257, 300)), ("compact", (128, 99))]
)
def test_three_seconds_have_the_documented_shape(name: str, shape: tuple[int, int]) -> None:
    """Three seconds at 16 kHz give the size that the paper or the code names."""
    made = spectrogram(name)(three_seconds())
    assert made.shape == shape == spectrogram(name).shape(3 * RATE)
    assert made.dtype == np.float32


@pytest.mark.parametrize("name", ["lvs-code", "compact"])
def test_power_spectrograms_equal_scipys(name: str) -> None:
    """The log power spectrogram is ``scipy.signal.spectrogram`` with its defaults."""
    signal = pytest.importorskip("scipy.signal", reason="scipy is not installed to compare with")
    kind, samples = SPECTROGRAMS[name], three_seconds()
    _, _, power = signal.spectrogram(
        samples.astype(np.float64), RATE, nperseg=kind.n_fft, noverlap=kind.n_fft - kind.hop
    )
    if kind.pool > 1:
        power = power[:-1].reshape(-1, kind.pool, power.shape[1]).mean(axis=1)
    expected = (np.log(power + kind.floor) - kind.mean) / kind.scale
    assert np.abs(kind(samples) - expected).max() < 1e-4


def test_one_value_by_hand() -> None:
    """One cell of the released code's spectrogram, from the definition in double precision."""
    samples = three_seconds()
    frame, band = 7, 31
    piece = samples[frame * 238 : frame * 238 + 512].astype(np.float64)
    piece -= piece.mean()
    # Tukey window with 12.5% of cosine on either side, periodic.
    place = np.arange(512) / 512
    edge = np.minimum(place, 1 - place) / 0.125
    window = np.where(edge < 1, (1 - np.cos(np.pi * edge)) / 2, 1)
    turning = np.exp(-2j * np.pi * band * np.arange(512) / 512)
    power = 2 * abs((piece * window * turning).sum()) ** 2 / (RATE * (window**2).sum())
    expected = np.log(power + 1e-7) / 12
    assert spectrogram("lvs-code")(samples)[band, frame] == pytest.approx(expected, abs=1e-5)


def test_a_tone_stands_in_its_band() -> None:
    """A tone of 1 kHz has its maximum in the band of 1 kHz, in every variant."""
    for kind in SPECTROGRAMS.values():
        band = kind(three_seconds()).mean(axis=1).argmax()
        assert band == round(1000 / (RATE / kind.n_fft)) // kind.pool


def test_silence_is_the_floor() -> None:
    """Silence is the logarithm of the floor everywhere, and zero magnitude."""
    assert np.allclose(silence("lvs-code"), np.log(LVS_FLOOR) / LVS_SCALE)
    assert (silence("paper") == 0).all()


def test_the_window_is_periodic() -> None:
    """The window starts at zero and does not come back to it, as SciPy's default."""
    window = tukey(512)
    assert window[0] == 0
    assert window[-1] == window[1] > 0
    assert (window[64:449] == 1).all()


def test_a_sound_shorter_than_a_window_is_refused() -> None:
    """Too few samples, or channels, are an error that says what is needed."""
    with pytest.raises(ValueError, match="512"):
        spectrogram("lvs-code")(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="samples"):
        spectrogram("lvs-code")(np.zeros((2, 16000), np.float32))


def test_an_unknown_name_lists_the_known_ones() -> None:
    """An unknown variant is one line with the choices."""
    with pytest.raises(VggssError, match="lvs-code, paper, compact"):
        spectrogram("mel")
