"""Bootstrap intervals: how far a score would move with another draw of clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
SEED = 0
CHUNK = 100  # resamples at a time: 100 x 5,158 indices are 4 MB


def bootstrap_interval(
    values: ArrayLike,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Return the percentile interval of the mean of per-clip values.

    Success rate and area under the curve are both means over clips, so one function serves both.

    Parameters
    ----------
    values : array (N,) or (N, K)
        One value per clip, or K of them, which are then drawn together.

    Returns
    -------
    array (2,) or (2, K): low and high end.
    """
    sample = np.asarray(values, dtype=np.float64)
    columns = sample.reshape(len(sample), -1)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, CHUNK):
        stop = min(start + CHUNK, resamples)
        drawn = rng.integers(len(columns), size=(stop - start, len(columns)), dtype=np.int32)
        for k in range(columns.shape[1]):
            means[start:stop, k] = columns[:, k][drawn].mean(axis=1)
    tail = (1 - level) / 2
    ends = np.quantile(means, [tail, 1 - tail], axis=0)
    return ends.reshape(2, *sample.shape[1:])
