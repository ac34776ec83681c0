"""A decoded frame as pixels, upright.

- Rotation and mirroring that the file asks for are carried out, as players and ``ffmpeg`` do.
- Pixels stay as stored, also where they are not square: boxes are fractions of the frame, so
  they fit either way, and nothing is resampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


def pixels(frame: VideoFrame, order: str = "rgb24") -> NDArray[np.uint8]:
    """Return a decoded frame upright, as uint8 array of shape (H, W, 3) in ``order``."""
    image = np.asarray(frame.to_ndarray(format=order), dtype=np.uint8)
    return _upright(image, _display_matrix(frame))


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """Return the 3x3 matrix by which stored pixels are shown (ISO/IEC 14496-12), if any."""
    side_data: Any = frame.side_data  # PyAV's own stub knows only one of its keys
    if "DISPLAYMATRIX" not in side_data:
        return None
    return np.frombuffer(side_data["DISPLAYMATRIX"], dtype=np.int32).reshape(3, 3)


def _upright(image: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """Turn and mirror an image as its display matrix asks, by quarter turns.

    The matrix maps the stored ``(x, y)`` to ``(a x + c y, b x + d y)`` with rows ``a b`` and
    ``c d``; an odd angle is taken to the nearest quarter turn.
    """
    if matrix is not None:
        (a, b), (c, d) = matrix[:2, :2].tolist()
        if abs(b) > abs(a):  # x becomes vertical
            image, horizontal, vertical = image.transpose(1, 0, 2), c, b
        else:
            horizontal, vertical = a, d
        if horizontal < 0:
            image = image[:, ::-1]
        if vertical < 0:
            image = image[::-1]
    return np.ascontiguousarray(image)
