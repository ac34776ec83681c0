"""Vector drawings that are shaded and turned into sprites.

A :class:`Drawing` is a display list in its own unit coordinates (about -1..1, y down), so its
extent is known before a pixel is made; :func:`rasterise` then draws it at any size and pose.
Shading is done after the pose: the light falls in the frame, not in the object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
Colour = tuple[float, float, float]  # RGB, 0..1

_SHIFT = 4  # fractional bits of OpenCV's polygon coordinates: 1/16 pixel
_SHADE_SIDE = 48  # pixels; shading is smooth, so it is computed small and enlarged


@dataclass(frozen=True, slots=True)
class Part:
    """One filled contour or one stroke of a drawing."""

    points: Points
    colour: Colour
    width: float = 0.0  # of a stroke, in drawing units; 0 fills the contour
    round: float = 0.5  # how far the surface curves inwards from its edge, 0 flat .. 1 a pillow
    gloss: float = 0.25  # strength of the highlight
    outline: bool = True
    grain: float = 0.0  # strength of a streaky texture (wood, feathers, brushed metal)


@dataclass(slots=True)
class Drawing:
    """A list of parts, drawn in order."""

    parts: list[Part] = field(default_factory=list)

    def fill(
        self,
        points: ArrayLike,
        colour: Colour,
        *,
        round: float = 0.5,
        gloss: float = 0.25,
        outline: bool = True,
        grain: float = 0.0,
    ) -> None:
        """Add a filled contour."""
        self.parts.append(
            Part(np.asarray(points, float), colour, 0.0, round, gloss, outline, grain)
        )

    def stroke(
        self,
        points: ArrayLike,
        width: float,
        colour: Colour,
        *,
        round: float = 0.6,
        gloss: float = 0.25,
        outline: bool = True,
        grain: float = 0.0,
    ) -> None:
        """Add an open line of the given width."""
        self.parts.append(
            Part(np.asarray(points, float), colour, width, round, gloss, outline, grain)
        )

    def mark(self, points: ArrayLike, colour: Colour, width: float = 0.0) -> None:
        """Add a flat detail without an outline: a line if it has a width, else a filled spot."""
        self.parts.append(Part(np.asarray(points, float), colour, width, 0.0, 0.0, False))

    def extent(self, matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """Return ``(xmin, ymin, xmax, ymax)`` after a 2x2 linear map."""
        # A stroke's half width in any direction is at most the map's largest stretch.
        stretch = float(np.linalg.norm(matrix, 2))
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for part in self.parts:
            mapped = part.points @ matrix.T
            reach = part.width / 2 * stretch
            low = np.minimum(low, mapped.min(0) - reach)
            high = np.maximum(high, mapped.max(0) + reach)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


# --- contours -------------------------------------------------------------------------------


def ellipse(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0
) -> Points:
    """An ellipse, or the arc of it from ``start`` to ``stop`` degrees (clockwise on screen)."""
    angle = np.radians(np.linspace(start, stop, max(8, int(abs(stop - start) / 9))))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Points:
    """A rectangle with rounded corners."""
    if radius <= 0:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    corners = (
        (x1 - radius, y0 + radius, -90),
        (x1 - radius, y1 - radius, 0),
        (x0 + radius, y1 - radius, 90),
        (x0 + radius, y0 + radius, 180),
    )
    return np.concatenate([ellipse(x, y, radius, radius, a, a + 90) for x, y, a in corners])


def smooth(points: ArrayLike, closed: bool = True, steps: int = 6) -> Points:
    """A Catmull-Rom curve through the points."""
    p = np.asarray(points, float)
    if closed:
        p0, p1, p2, p3 = np.roll(p, 1, 0), p, np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        padded = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
        p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (q[:, None] for q in (p0, p1, p2, p3))
    curve = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    ).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-1:]])


def mirrored(right: ArrayLike, steps: int = 6) -> Points:
    """A closed contour that is symmetric about x = 0, from its right side listed top to bottom."""
    right = smooth(right, closed=False, steps=steps)
    left = right[::-1] * (-1, 1)
    return np.concatenate([right, left])


def turned(points: ArrayLike, degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """The points turned clockwise (as seen on screen) about a point."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (np.asarray(points, float) - about) @ turn.T + about


def moved(points: ArrayLike, x: float, y: float) -> Points:
    """The points, shifted."""
    return np.asarray(points, float) + np.array([x, y])


# --- pixels ---------------------------------------------------------------------------------


# From deepest shade to brightest light, for each of 256 levels.
_LEVELS = np.linspace(-1, 1, 256)[:, None]
_SHADE, _LIT = np.minimum(_LEVELS, 0), np.maximum(_LEVELS, 0)
_SHINE = np.clip((_LEVELS - 0.45) / 0.55, 0, 1) ** 2


def _shades(colour: Colour, gloss: float) -> NDArray[np.uint8]:
    """The 256 colours of a material from deepest shade (0) over its own (128) to highlight."""
    # Shade keeps the hue and cools slightly, light bleaches: what pigment does under a lamp.
    dark = np.asarray(colour) * (1 + 0.62 * _SHADE) + 0.03 * _SHADE * (-0.2, 0, -0.6)
    lit = dark + (1 - dark) * 0.42 * _LIT + gloss * _SHINE
    return np.clip(lit * 255, 0, 255).astype(np.uint8)[:, None, :]


def _shading(mask: NDArray[np.uint8], curve: float, light: tuple[float, float]) -> NDArray:
    """How much light each pixel of a part gets, 0..255 with 128 as its own colour."""
    height, width = mask.shape
    scale = min(1.0, _SHADE_SIDE / max(height, width))
    small = (max(3, round(width * scale)), max(3, round(height * scale)))
    shape = cv2.resize(mask, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    reach = max(3, int(curve * min(small) * 0.55)) | 1
    edge = cv2.BORDER_CONSTANT
    bump = cv2.blur(
        cv2.blur(shape, (reach, reach), borderType=edge), (reach, reach), borderType=edge
    )
    bump = cv2.blur(bump, (3, 3))
    slope_x = cv2.Sobel(bump, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    slope_y = cv2.Sobel(bump, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    # The surface rises towards its middle: it faces the light where it rises away from it.
    tilt = (light[0] * slope_x + light[1] * slope_y) * (-0.2 * reach)
    ramp_x = np.linspace(-0.5, 0.5, small[0], dtype=np.float32)[None, :]
    ramp_y = np.linspace(-0.5, 0.5, small[1], dtype=np.float32)[:, None]
    tilt += 0.34 * (light[0] * ramp_x + light[1] * ramp_y)
    level = np.clip(128 + 127 * tilt, 0, 255).astype(np.uint8)
    return cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)


def rasterise(
    drawing: Drawing,
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    light: tuple[float, float],
    texture: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a sprite.

    Parameters
    ----------
    drawing : Drawing
    matrix : array of shape (2, 3)
        From drawing units to sprite pixels.
    size : (width, height) of the sprite in pixels
    light : (x, y)
        Direction the light comes from, a unit vector or shorter, on screen.
    texture : uint8 array at least as large as the sprite
        Streaks for parts with a ``grain``, 128 in the middle.

    Returns
    -------
    rgb : uint8 (height, width, 3), alpha : uint8 (height, width)
        Straight (not premultiplied) colour.
    """
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    linear, offset = matrix[:, :2], matrix[:, 2]
    scale = math.sqrt(abs(np.linalg.det(linear)))
    line = max(2, round(0.022 * scale))
    for part in drawing.parts:
        points = part.points @ linear.T + offset
        thick = max(1, round(part.width * scale))
        reach = (thick / 2 if part.width else 0) + line + 2
        x0, y0 = np.maximum(np.floor(points.min(0) - reach), 0).astype(int)
        x1 = min(width, int(np.ceil(points[:, 0].max() + reach)))
        y1 = min(height, int(np.ceil(points[:, 1].max() + reach)))
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        fixed = np.round((points - (x0, y0)) * (1 << _SHIFT)).astype(np.int32)[None]
        window = (slice(y0, y1), slice(x0, x1))
        ink = tuple(255 * 0.28 * c for c in part.colour)
        if part.outline:
            pen = line if not part.width else thick + line
            for layer, value in ((rgb[window], ink), (alpha[window], 255)):
                canvas = np.ascontiguousarray(layer)
                cv2.polylines(canvas, fixed, not part.width, value, pen, cv2.LINE_AA, _SHIFT)
                layer[:] = canvas
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        if part.width:
            cv2.polylines(mask, fixed, False, 255, thick, cv2.LINE_AA, _SHIFT)
        else:
            cv2.fillPoly(mask, fixed, 255, cv2.LINE_AA, _SHIFT)
        if part.round > 0:
            level = _shading(mask, part.round, light)
            if part.grain:
                streaks = texture[y0:y1, x0:x1]
                level = cv2.addWeighted(level, 1.0, streaks, part.grain, -128 * part.grain)
            paint = cv2.applyColorMap(level, _shades(part.colour, part.gloss))
        else:
            paint = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
            paint[:] = [round(255 * c) for c in part.colour]
        weight = mask.astype(np.float32)
        rgb[window] = cv2.blendLinear(paint, rgb[window], weight, 255 - weight)
        alpha[window] = np.maximum(alpha[window], mask)
    return rgb, alpha


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour of hue (turns, any real number), saturation and value 0..1."""
    hue6 = (hue % 1.0) * 6
    chroma = value * saturation
    ramp = chroma * (1 - abs(hue6 % 2 - 1))
    order = [
        (chroma, ramp, 0.0),
        (ramp, chroma, 0.0),
        (0.0, chroma, ramp),
        (0.0, ramp, chroma),
        (ramp, 0.0, chroma),
        (chroma, 0.0, ramp),
    ][int(hue6) % 6]
    low = value - chroma
    return (order[0] + low, order[1] + low, order[2] + low)


def mix(a: Sequence[float], b: Sequence[float], share: float) -> Colour:
    """The colour that is ``share`` of the way from ``a`` to ``b``."""
    r, g, c = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return (r, g, c)
