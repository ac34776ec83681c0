"""The mel spectrogram of SSL-TIE, in decibels.

What ``torchaudio.transforms.MelSpectrogram(16000, n_fft=512, hop_length=239, n_mels=257,
normalized=True)`` and ``AmplitudeToDB()`` compute, without torchaudio. With as many mel bands as
bins, the lowest triangles are narrower than a bin, and 28 of the 257 bands never hear anything;
so it is in the released code, and so it stays: the network was trained on it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from vggss_tools.models.spectrogram import RATE

N_FFT = 512  # 32 ms at 16 kHz
HOP = 239  # 10 s at 16 kHz: 160,000 // 239 + 1 = 670 frames
BANDS = 257
LEAST = 1e-10  # power below which nothing is told apart: -100 dB


def mel_decibels(samples: NDArray[np.floating], rate: int = RATE) -> NDArray[np.float32]:
    """Compute the spectrogram.

    Parameters
    ----------
    samples : (n,) float array in [-1, 1]
    rate : int
        Samples per second.

    Returns
    -------
    float32 array (257, n // 239 + 1), row 0 = the lowest band.

    Raises
    ------
    ValueError
        If there are too few samples to reflect at the ends, or ``samples`` is no (n,) array.
    """
    if samples.ndim != 1 or len(samples) <= N_FFT // 2:
        raise ValueError(f"a spectrogram needs (n,) samples, n > {N_FFT // 2}; got {samples.shape}")
    # Frame i is centred at sample i * HOP; the ends are mirrored.
    padded = np.pad(samples.astype(np.float64), N_FFT // 2, mode="reflect")
    window = torch.hann_window(N_FFT).numpy().astype(np.float64)  # rounded as torchaudio has it
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = np.fft.rfft(frames * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) / np.sum(window**2)
    mels = power @ mel_filters(rate)
    return np.ascontiguousarray(10 * np.log10(np.maximum(mels, LEAST)).T, dtype=np.float32)


@lru_cache
def mel_filters(rate: int = RATE) -> NDArray[np.float32]:
    """Triangles of height 1, evenly spaced in mel (HTK) from 0 Hz to half the rate: (bins, bands).

    A band's triangle rises from the centre of the band below and falls to that of the one above.
    In torch's float32, as torchaudio makes them: its rounding is 3e-5 of a triangle's height, and
    moves single values by 0.002 dB.
    """
    bins = torch.linspace(0, rate // 2, N_FFT // 2 + 1)
    highest = 2595 * math.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (torch.linspace(0, highest, BANDS + 2) / 2595) - 1)
    widths = centres.diff()
    distances = centres[None, :] - bins[:, None]
    rising = -distances[:, :-2] / widths[:-1]
    falling = distances[:, 2:] / widths[1:]
    filters: NDArray[np.float32] = torch.minimum(rising, falling).clamp(min=0).numpy()
    return filters
