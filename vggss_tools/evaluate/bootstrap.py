"""Bootstrap: how far a score would move with another draw of clips."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
SEED = 0
CHUNK = 100  # resamples at a time: counts of 100 x 5,158 clips are 4 MB
LEVEL = 0.95


def bootstrap_means(values: ArrayLike, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """Return the means of resampled clips.

    Success rate and area under the curve are both means over clips, and so one function serves
    all scores; columns are resampled together, so that differences of columns are paired.

    Parameters
    ----------
    values : array (N, K)
        K values per clip.

    Returns
    -------
    float64 array (resamples, K)
    """
    sample = np.asarray(values, dtype=np.float64)
    means = [counts @ sample / len(sample) for counts in _draws(len(sample), resamples, seed)]
    return np.concatenate(means)


def interval(means: Floats, level: float = LEVEL) -> Floats:
    """Return the percentile interval (2, K) of resampled means (resamples, K)."""
    tail = (1 - level) / 2
    return np.quantile(means, [tail, 1 - tail], axis=0)


def bootstrap_interval(
    values: ArrayLike,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Floats:
    """Return the percentile interval of the mean of per-clip values.

    Parameters
    ----------
    values : array (N,) or (N, K)
        One value per clip, or K of them, which are then drawn together.

    Returns
    -------
    array (2,) or (2, K): low and high end.
    """
    sample = np.asarray(values, dtype=np.float64)
    means = bootstrap_means(sample.reshape(len(sample), -1), resamples, seed)
    return interval(means, level).reshape(2, *sample.shape[1:])


def _draws(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each of ``n`` clips is in each resample, some resamples at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        drawn = rng.integers(n, size=(rows, n), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * n
        counts = np.bincount(drawn.reshape(-1), minlength=rows * n)
        yield counts.reshape(rows, n).astype(np.float64)
