"""Spectrograms: from three seconds of sound to the picture that the sound network sees.

Three variants, because the paper and the code that made its numbers disagree:

``lvs-code``
    What the released test code computes: ``scipy.signal.spectrogram`` with ``nperseg=512`` and
    ``noverlap=274`` and otherwise its defaults (periodic Tukey window of 0.25, constant
    detrending, one-sided power density), then ``log(x + 1e-7) / 12``. 3 s at 16 kHz give
    257 x 200, the only size from which the sound network makes the paper's 17 x 13 feature map.
``paper``
    What section 5.3 says: a 257 x 300 magnitude spectrogram; a Hann window of 32 ms every 10 ms.
``compact``
    Half the resolution of ``lvs-code`` on both axes, 128 x 99: a quarter of the work, for small
    networks on small machines. Quiet sounds are heard (a floor of 1e-10), and values have about
    mean 0 and deviation 1 (on the sample world); those of ``lvs-code`` lie at -1.2 with a
    deviation of 0.1 there, so that the zero padding of a network's first layers is by far the
    loudest thing it hears.

All are NumPy alone; nothing here needs SciPy, and equality with it is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vggss_tools.errors import VggssError

RATE = 16_000  # Hz, what `vggss extract` writes
LVS_FLOOR = 1e-7  # added to the power density before the logarithm, as in LVS
LVS_SCALE = 12.0  # LVS normalises with mean 0 and deviation 12


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """One way to turn samples into a (frequencies, frames) array.

    Attributes
    ----------
    n_fft, hop : int
        Window and step in samples.
    power : bool
        Log power density (``lvs-code``) or plain magnitude (``paper``).
    floor, mean, scale : float
        Log power is ``(log(density + floor) - mean) / scale``.
    pool : int
        Neighbouring frequencies whose densities are averaged.
    """

    n_fft: int
    hop: int
    power: bool
    floor: float = LVS_FLOOR
    mean: float = 0.0
    scale: float = LVS_SCALE
    pool: int = 1

    def shape(self, n_samples: int) -> tuple[int, int]:
        """``(frequencies, frames)`` for a sound of ``n_samples``."""
        if self.power:
            return self._bands, (n_samples - self.n_fft) // self.hop + 1
        return self.n_fft // 2 + 1, n_samples // self.hop

    @property
    def _bands(self) -> int:
        bins = self.n_fft // 2 + 1
        return bins if self.pool == 1 else bins // self.pool

    def __call__(self, samples: NDArray[np.floating], rate: int = RATE) -> NDArray[np.float32]:
        """Compute the spectrogram.

        Parameters
        ----------
        samples : (n,) float array in [-1, 1]
        rate : int
            Samples per second.

        Returns
        -------
        float32 array (frequencies, frames), row 0 = 0 Hz.

        Raises
        ------
        ValueError
            If there are fewer samples than one window.
        """
        if samples.ndim != 1 or len(samples) < self.n_fft:
            raise ValueError(
                f"a spectrogram needs (n,) samples, n >= {self.n_fft}; got {samples.shape}"
            )
        if self.power:
            power = _power_density(samples, rate, self.n_fft, self.hop)
            if self.pool > 1:
                power = power[:, : self._bands * self.pool]
                power = power.reshape(len(power), self._bands, self.pool).mean(axis=2)
            logs = (np.log(power + self.floor) - self.mean) / self.scale
            return np.ascontiguousarray(logs.T, dtype=np.float32)
        return _magnitude(samples, self.n_fft, self.hop)


SPECTROGRAMS: dict[str, Spectrogram] = {
    # 512 = 32 ms at 16 kHz; 512 - 274 = 238 samples between frames: (48,000 - 512) // 238 + 1 = 200
    "lvs-code": Spectrogram(n_fft=512, hop=238, power=True),
    # 160 = 10 ms: 48,000 / 160 = 300
    "paper": Spectrogram(n_fft=512, hop=160, power=False),
    # 480 = 30 ms: (48,000 - 512) // 480 + 1 = 99; 257 // 2 = 128 bands
    "compact": Spectrogram(
        n_fft=512, hop=480, power=True, floor=1e-10, mean=-17.5, scale=2.75, pool=2
    ),
}


def spectrogram(name: str) -> Spectrogram:
    """Look a variant up by its name; an unknown name is one clear line."""
    try:
        return SPECTROGRAMS[name]
    except KeyError:
        known = ", ".join(SPECTROGRAMS)
        raise VggssError(f"{name}: no such spectrogram; choose one of {known}") from None


def silence(name: str, n_samples: int = 3 * RATE) -> NDArray[np.float32]:
    """Return the spectrogram of zeros, what ``--sound silence`` lets the network hear."""
    return spectrogram(name)(np.zeros(n_samples, dtype=np.float32))


@lru_cache
def tukey(n: int, alpha: float = 0.25) -> NDArray[np.float64]:
    """Periodic Tukey window: a cosine taper over ``alpha`` of the window, flat between."""
    # Periodic windows of n are symmetric windows of n + 1 without the last sample, so the taper
    # is measured against n, not n - 1.
    distance = np.minimum(np.arange(n), n - np.arange(n)) / (alpha * n / 2)
    return np.where(distance < 1, 0.5 * (1 - np.cos(np.pi * distance)), 1.0)


def _frames(samples: NDArray[np.floating], n_fft: int, hop: int) -> NDArray[np.floating]:
    """Overlapping windows as a (frames, n_fft) view."""
    return np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop]


def _power_density(
    samples: NDArray[np.floating], rate: int, n_fft: int, hop: int
) -> NDArray[np.float32]:
    """One-sided power density, (frames, n_fft // 2 + 1)."""
    window = tukey(n_fft)
    frames = _frames(samples.astype(np.float32, copy=False), n_fft, hop)
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames * window.astype(np.float32), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    power *= 1 / (rate * float(np.sum(window**2)))
    power[:, 1:-1] *= 2  # one-sided: all but 0 Hz and Nyquist stand for two
    density: NDArray[np.float32] = power.astype(np.float32, copy=False)
    return density


def _magnitude(samples: NDArray[np.floating], n_fft: int, hop: int) -> NDArray[np.float32]:
    # Frame i is centred at (i + 1/2) hops, so that n samples give exactly n // hop frames.
    margin = (n_fft - hop) // 2
    window = np.hanning(n_fft + 1)[:-1]
    padded = np.pad(samples.astype(np.float32, copy=False), (margin, n_fft - hop - margin))
    frames = _frames(padded, n_fft, hop)[: len(samples) // hop]
    magnitude = np.abs(np.fft.rfft(frames * window.astype(np.float32), axis=1))
    return np.ascontiguousarray(magnitude.T / np.float32(window.sum()), dtype=np.float32)
