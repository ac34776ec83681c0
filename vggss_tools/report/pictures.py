"""Pictures of the page: a frame with its heat map or tri-map, as JPEG in a ``data:`` address."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.errors import InvalidInput

Image = NDArray[np.uint8]
Heat = NDArray[np.float32]

# Section 3.4 and 5.3 of the paper: what exceeds the first is positive, what stays below the second
# negative, what lies between is ignored. Here they are put to the map's own range.
POSITIVE = 0.65
NEGATIVE = 0.4

WIDTH = 400  # pixels; the page shows pictures at about half of that, phones with twice the pixels
JPEG_QUALITY = 82

POSITIVE_COLOUR = (240, 140, 40)
NEGATIVE_COLOUR = (24, 44, 92)
IGNORED_COLOUR = (200, 200, 200)


def unit_range(heat: Heat) -> Heat:
    """Scale a map to 0..1 by its minimum and maximum; a constant map becomes 0."""
    low, high = float(heat.min()), float(heat.max())
    if high <= low:
        return np.zeros_like(heat)
    scaled: Heat = ((heat - low) / (high - low)).astype(np.float32)
    return scaled


def read_frame(path: str) -> Image:
    """Read an extracted frame, RGB, no wider than the page needs."""
    stored = cv2.imread(path)
    if stored is None:
        raise InvalidInput(f"{path}: not a readable picture; make it again with `vggss extract`")
    height, width = stored.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        stored = cv2.resize(stored, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB).astype(np.uint8)


def heat_overlay(frame: Image, heat: Heat) -> Image:
    """Lay a map of 0..1 over a greyed frame: the higher, the brighter and the less transparent."""
    full = _fit(heat, frame)
    colours = cv2.applyColorMap((255 * full).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    return _mix(_greyed(frame, 0.6), colours, 0.35 + 0.4 * full)


def tri_map_overlay(frame: Image, heat: Heat) -> Image:
    """Colour the positive, ignored and negative regions of a map of 0..1."""
    full = _fit(heat, frame)
    colours = np.empty_like(frame)
    colours[:] = IGNORED_COLOUR
    colours[full > POSITIVE] = POSITIVE_COLOUR
    colours[full < NEGATIVE] = NEGATIVE_COLOUR
    strength = np.full(full.shape, 0.35, dtype=np.float32)
    strength[full > POSITIVE] = 0.5
    strength[full < NEGATIVE] = 0.7
    return _mix(_greyed(frame, 0.8), colours, strength)


def jpeg_uri(image: Image) -> str:
    """Return an RGB picture as a ``data:`` address."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _fit(heat: Heat, frame: Image) -> Heat:
    height, width = frame.shape[:2]
    fitted: Heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    return fitted


def _greyed(frame: Image, share: float) -> Image:
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _mix(frame, grey, np.float32(share))


def _mix(
    below: Image, above: NDArray[np.uint8], opacity: NDArray[np.float32] | np.float32
) -> Image:
    opacity = np.asarray(opacity, dtype=np.float32)
    if opacity.ndim == 2:
        opacity = opacity[:, :, None]
    mixed = below * (1 - opacity) + above * opacity
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
