"""What the sample world's detector is given to see: frames shrunk to one size, in training too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Pixels of the longer side. A box of 3% of a 4:3 frame, the smallest that VGG-SS has many of,
# then measures about 24 x 24 pixels.
LONG_SIDE = 160


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a frame (uint8, (h, w, 3)) so that its longer side has ``LONG_SIDE`` pixels."""
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    if size == (width, height):
        return image
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(image, size, interpolation=method)
    return resized
