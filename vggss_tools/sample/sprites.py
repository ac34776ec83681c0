"""Sprites, and frames that they are laid on, in the colour space of the video.

Frames are I420, what a video encoder takes: a plane of luma ``Y``, and below it two planes of
chroma, ``U`` and ``V``, of half the width and height (BT.601, limited range). Compositing there
costs half of what it costs in RGB, and a frame reaches the encoder untouched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.sample.drawing import Drawing, rasterise

Plane = NDArray[np.uint8]
Vector = NDArray[np.float64]
Edges = tuple[int, int, int, int]  # x0, y0, x1, y1, edges of pixels

OVERSAMPLE = 2  # sprite pixels per frame pixel
SHADOW_OPACITY = 0.3
SHADOW_REACH = 0.035  # how far the shadow falls, as a share of the object's size
BORDER = 6  # sprite pixels of nothing around a sprite, so that its edge fades out

# Largest veil (255 - alpha, shadow included) that counts as the object itself. A pixel that the
# object half covers has veil 127 where no shadow falls and 89 in the full shadow: between them.
SILHOUETTE_VEIL = 108

BLACK = (16, 128, 128)  # no light, no colour, in BT.601's limited range


@dataclass(frozen=True, slots=True)
class Sprite:
    """A painted object.

    Attributes
    ----------
    pixels : uint8 array of shape (h, w, 4)
        Premultiplied Y, U and V, and a veil: 255 where all behind shows through.
    centre : array of shape (2,)
        Middle of the object's box, in pixels from the left and top edge.
    """

    pixels: NDArray[np.uint8]
    centre: Vector


@dataclass(frozen=True, slots=True)
class Stamp:
    """A sprite in its pose at one frame, in its window of the frame.

    ``x0`` and ``y0`` are even, so are the sides: a chroma pixel covers 2 x 2.
    """

    x0: int
    y0: int
    pixels: NDArray[np.uint8]  # (h, w, 4)
    veil: Plane  # (h, w)

    @property
    def silhouette(self) -> NDArray[np.bool_]:
        """The pixels that the object covers, without its shadow."""
        return self.veil <= SILHOUETTE_VEIL

    def lay_on(self, frame: Plane) -> None:
        """Composite over an I420 frame, in place."""
        height, width = self.veil.shape
        small = cv2.resize(self.pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        _, u, v, small_veil = cv2.split(small)
        colours = (cv2.extractChannel(self.pixels, 0), u, v)
        veils = (self.veil, small_veil, small_veil)
        for plane, colour, veil, part in zip(planes(frame), colours, veils, (1, 2, 2), strict=True):
            x, y = self.x0 // part, self.y0 // part
            window = plane[y : y + height // part, x : x + width // part]
            window[:] = cv2.add(cv2.multiply(window, veil, scale=1 / 255), colour)


def planes(frame: Plane) -> tuple[Plane, Plane, Plane]:
    """Views of an I420 frame: luma (h, w) and two of chroma (h / 2, w / 2)."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    u, v = frame[height:].reshape(2, height // 2, width // 2)
    return frame[:height], u, v


def to_i420(rgb: NDArray[np.uint8]) -> Plane:
    """RGB (h, w, 3), sides even, to I420 (3h / 2, w)."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)


def to_rgb(frame: Plane) -> NDArray[np.uint8]:
    """I420 (3h / 2, w) to RGB (h, w, 3)."""
    return cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420)


# RGB 0..255 to Y, U, V: BT.601, limited range.
_TO_YUV = np.array(
    [[0.257, 0.504, 0.098, 16], [-0.148, -0.291, 0.439, 128], [0.439, -0.368, -0.071, 128]],
    np.float32,
)


def paint(
    drawing: Drawing, linear: Vector, light: tuple[float, float], lamp: NDArray[np.float32]
) -> Sprite:
    """Paint a drawing with its soft shadow.

    Parameters
    ----------
    linear : array of shape (2, 2)
        From drawing units to frame pixels.
    light : (x, y)
        Where the light comes from, on screen.
    lamp : float array of shape (3,)
        Colour and strength of the light, RGB.
    """
    x0, y0, x1, y1 = drawing.extent(linear)
    reach = OVERSAMPLE * (SHADOW_REACH * math.sqrt((x1 - x0) * (y1 - y0)) + 2)
    fall = -reach * np.array(light)
    # Room for the shadow, on the sides where it falls.
    low = np.array([x0, y0]) * OVERSAMPLE - BORDER - np.maximum(reach - fall, 0)
    high = np.array([x1, y1]) * OVERSAMPLE + BORDER + np.maximum(reach + fall, 0)
    width, height = np.ceil(high - low).astype(int).tolist()
    matrix = np.column_stack([linear * OVERSAMPLE, -low])
    rgb, alpha = rasterise(drawing, matrix, (width, height), light, _streaks(width, height))

    blur = max(3, round(reach)) | 1
    shift = np.array([[1, 0, fall[0]], [0, 1, fall[1]]])
    shadow = cv2.warpAffine(alpha, shift, (width, height))
    shadow = cv2.blur(cv2.blur(shadow, (blur, blur)), (blur, blur))
    cover = alpha.astype(np.float32) / 255
    shade = (1 - cover) * np.float32(SHADOW_OPACITY / 255) * shadow

    yuv = cv2.transform(rgb, _TO_YUV * np.append(lamp, np.float32(1)))
    pixels = np.empty((height, width, 4), np.uint8)
    for channel, black in enumerate(BLACK):
        pixels[..., channel] = yuv[..., channel] * cover + (black * shade + 0.5)
    pixels[..., 3] = 255 * (1 - cover - shade) + 0.5
    # It is sampled at half its resolution: average neighbours first (a shift by half a pixel).
    pixels = cv2.blur(pixels, (2, 2), borderType=cv2.BORDER_REPLICATE)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) * OVERSAMPLE - low + 0.5
    return Sprite(pixels, middle)


def _u8(image: NDArray) -> Plane:
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def stamp(
    sprite: Sprite, centre: Vector, turn: float, grow: float, width: int, height: int
) -> Stamp | None:
    """Pose a sprite in a frame of ``width`` by ``height`` pixels; None if it lies outside.

    Parameters
    ----------
    centre : x, y
        Where the middle of the object's box goes, in pixels from the left and top edge.
    turn, grow : radians and factor
    """
    scale = grow / OVERSAMPLE
    c, s = math.cos(turn) * scale, math.sin(turn) * scale
    px, py = sprite.centre
    left = centre[0] - c * px + s * py  # where the sprite's own corner comes to lie
    top = centre[1] - s * px - c * py
    h, w = sprite.pixels.shape[:2]
    xs = (left, left + c * w, left - s * h, left + c * w - s * h)
    ys = (top, top + s * w, top + c * h, top + s * w + c * h)
    x0, y0 = max(0, math.floor(min(xs)) & ~1), max(0, math.floor(min(ys)) & ~1)
    x1, y1 = min(width, math.ceil(max(xs)) + 1 & ~1), min(height, math.ceil(max(ys)) + 1 & ~1)
    if x1 <= x0 or y1 <= y0:
        return None
    # OpenCV's coordinates are of the centres of pixels, half a pixel from their edges.
    dx, dy = left - x0 + 0.5 * (c - s) - 0.5, top - y0 + 0.5 * (s + c) - 0.5
    matrix = np.array([[c, -s, dx], [s, c, dy]])
    pixels = cv2.warpAffine(sprite.pixels, matrix, (x1 - x0, y1 - y0), borderValue=(0, 0, 0, 255))
    return Stamp(x0, y0, pixels, cv2.extractChannel(pixels, 3))


def _make_streaks(side: int = 800) -> Plane:
    rng = np.random.default_rng(1)
    fine = cv2.blur(rng.random((side, side), np.float32), (41, 2))
    coarse = cv2.blur(rng.random((side, side), np.float32), (121, 7))
    sheet = (fine - fine.mean()) / fine.std() + (coarse - coarse.mean()) / coarse.std()
    return _u8(128 + 32 * sheet)


_STREAKS = _make_streaks()


def _streaks(width: int, height: int) -> Plane:
    """The texture of wood, feathers and brushed metal: one sheet for all, enlarged if too small."""
    side = len(_STREAKS)
    if width <= side and height <= side:
        return _STREAKS[:height, :width]
    return cv2.resize(_STREAKS, (max(width, side), max(height, side)))


def grain_tiles(width: int, height: int, tiles: int, slack: int) -> list[Plane]:
    """Sheets of sensor grain about 128 (standard deviation 40), ``slack`` larger than a frame."""
    rng = np.random.default_rng(2)
    shape = (height + slack, width + slack)
    sheets = []
    for _ in range(tiles):
        grey = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 0.5)
        sheets.append(_u8(128 + 40 * grey / grey.std()))
    return sheets


def visible(stamps: Sequence[Stamp | None], width: int, height: int) -> Iterator[Edges | None]:
    """Tight boxes ``x0, y0, x1, y1`` (pixel edges) of what each stamp shows, front to back.

    ``stamps`` are listed front to back too; what an earlier one covers a later one does not show.
    None where nothing is to be seen.
    """
    taken = np.zeros((height, width), np.bool_)
    for each in stamps:
        if each is None:
            yield None
            continue
        solid = each.silhouette
        window = taken[each.y0 : each.y0 + solid.shape[0], each.x0 : each.x0 + solid.shape[1]]
        x, y, w, h = cv2.boundingRect((solid > window).view(np.uint8))
        window |= solid
        x, y = x + each.x0, y + each.y0
        yield (x, y, x + w, y + h) if w else None
