"""Decoded sound as floats, whatever its codec's own sample format."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

# FFmpeg's name of each sample format → its type.
_TYPES = {"u8": "u1", "s16": "<i2", "s32": "<i4", "s64": "<i8", "flt": "<f4", "dbl": "<f8"}
# Full scale of each integer format, and its zero.
_INTEGERS = {"u8": (1 << 7, 1 << 7), "s16": (1 << 15, 0), "s32": (1 << 31, 0), "s64": (1 << 63, 0)}


def as_float(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the samples of a frame, neither mixed nor resampled.

    Returns
    -------
    float32 array of shape (channels, samples), full scale ±1.
    """
    count, form = frame.samples, frame.format
    name = form.name.removesuffix("p")
    kind = np.dtype(_TYPES[name])
    # `AudioFrame.to_ndarray` does the same at several times the cost.
    planes: Any = frame.planes  # buffers, of which PyAV's own stub does not know; padded
    if form.is_planar:
        data = np.array([np.frombuffer(plane, kind, count) for plane in planes])
    else:
        channels = frame.layout.nb_channels
        data = np.frombuffer(planes[0], kind, count * channels).reshape(count, channels).T
    if name not in _INTEGERS:
        return data.astype(np.float32, copy=False)
    scale, zero = _INTEGERS[name]
    return ((data.astype(np.float64) - zero) / scale).astype(np.float32)
