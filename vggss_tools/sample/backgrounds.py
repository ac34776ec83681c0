"""Places to stand in: a textured background, larger than the frame so that it can pan."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.sample.drawing import Colour, hsv, mix

Rng = np.random.Generator
Image = NDArray[np.float32]  # (height, width, 3), RGB 0..1


def noise(rng: Rng, width: int, height: int, cell: float, octaves: int = 4) -> NDArray[np.float32]:
    """Cloudy noise 0..1 (mean about 0.5) whose coarsest detail is ``cell`` pixels wide."""
    total = np.zeros((height, width), np.float32)
    weight, norm = 1.0, 0.0
    for _ in range(octaves):
        grid = rng.random(
            (max(2, int(height / cell) + 2), max(2, int(width / cell) + 2)), np.float32
        )
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        norm += weight
        weight, cell = weight * 0.5, max(cell / 2, 1.0)
    return np.clip((total / norm - 0.5) * 1.6 + 0.5, 0, 1)


def _blend(a: Colour, b: Colour, share: NDArray[np.float32]) -> Image:
    first, second = np.array(a, np.float32), np.array(b, np.float32)
    return first + (second - first) * share[..., None]


def _vertical(width: int, height: int, top: Colour, bottom: Colour) -> Image:
    share = np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))
    return _blend(top, bottom, share)


def _sky(rng: Rng, width: int, height: int) -> Image:
    hue, dusk = rng.uniform(0.5, 0.66), rng.uniform()
    top = hsv(hue, rng.uniform(0.25, 0.7), rng.uniform(0.35, 0.95))
    low = hsv(hue + 0.45 * (dusk < 0.35), rng.uniform(0.08, 0.4), rng.uniform(0.7, 1))
    sky = _vertical(width, height, top, low)
    cover = np.clip((noise(rng, width, height, width / 4) - rng.uniform(0.35, 0.7)) * 2.5, 0, 0.85)
    return sky + (np.array([0.96, 0.96, 0.98], np.float32) - sky) * cover[..., None]


def _speckle(rng: Rng, image: Image, strength: float, stretch: tuple[int, int] = (1, 1)) -> None:
    height, width = image.shape[:2]
    grid = rng.normal(0, strength, (height // stretch[1] + 1, width // stretch[0] + 1))
    image *= 1 + cv2.resize(grid.astype(np.float32), (width, height))[..., None]


def _ridge(rng: Rng, width: int, base: float, height: float, rough: float) -> NDArray[np.float32]:
    line = noise(rng, width, 2, width * rough, 5)[0]
    return base - height * line


def _below(image: Image, line: NDArray[np.float32], fill: Image) -> None:
    rows = np.arange(image.shape[0], dtype=np.float32)[:, None]
    cover = np.clip(rows - line[None, :] + 0.5, 0, 1)[..., None]
    image += (fill - image) * cover


def _tree(rng: Rng, image: Image, x: int, foot: int, tall: int, leaf: Colour) -> None:
    bark = mix(leaf, (0.2, 0.14, 0.1), 0.8)
    cv2.line(image, (x, foot), (x, foot - tall), bark, max(2, tall // 12), cv2.LINE_AA)
    pointed = rng.uniform() < 0.4
    for k in range(14):
        share = k / 14
        spread = (
            (1 - share) * 0.32 * tall if pointed else 0.3 * tall * np.sin(np.pi * (share + 0.15))
        )
        cx = int(x + rng.uniform(-1, 1) * spread)
        cy = int(foot - tall * (0.3 + 0.75 * share))
        shade = mix(leaf, (0.0, 0.02, 0.0), rng.uniform(0, 0.45))
        cv2.circle(
            image, (cx, cy), max(2, int(tall * rng.uniform(0.07, 0.15))), shade, -1, cv2.LINE_AA
        )


def meadow(rng: Rng, width: int, height: int) -> Image:
    """Sky with clouds, ridges that fade into the distance, grass, trees, a fence."""
    image = _sky(rng, width, height)
    horizon = height * rng.uniform(0.38, 0.62)
    haze = hsv(rng.uniform(0.5, 0.7), 0.2, rng.uniform(0.7, 0.9))
    land = hsv(rng.uniform(0.08, 0.45), rng.uniform(0.25, 0.7), rng.uniform(0.3, 0.65))
    for depth in (0.75, 0.45):
        line = _ridge(rng, width, horizon, height * 0.3 * depth, rng.uniform(0.2, 0.6))
        _below(
            image, line, _vertical(width, height, mix(land, haze, depth), mix(land, haze, depth))
        )
    grass = _vertical(width, height, mix(land, haze, 0.15), mix(land, (0, 0, 0), 0.25))
    grass *= (0.72 + 0.55 * noise(rng, width, height, 40))[..., None]
    _speckle(rng, grass, 0.13, (1, 3))
    _below(image, _ridge(rng, width, horizon + 6, height * 0.06, 0.5), grass)
    for _ in range(rng.integers(0, 5)):
        foot = int(horizon + rng.uniform(0, 0.12) * height)
        _tree(
            rng, image, int(rng.uniform(0, width)), foot, int(height * rng.uniform(0.12, 0.4)), land
        )
    if rng.uniform() < 0.4:
        wood = mix(land, (0.75, 0.68, 0.6), 0.8)
        y = int(horizon + height * 0.12)
        for x in range(int(rng.uniform(0, 30)), width, 34):
            cv2.line(image, (x, y - 14), (x, y + 16), wood, 4, cv2.LINE_AA)
        for dy in (-6, 6):
            cv2.line(image, (0, y + dy), (width, y + dy + 2), wood, 3, cv2.LINE_AA)
    return image


def room(rng: Rng, width: int, height: int) -> Image:
    """A papered wall, skirting, floor boards, a window or a picture, a lamp, a plant."""
    wall = hsv(rng.uniform(), rng.uniform(0.05, 0.5), rng.uniform(0.45, 0.92))
    other = mix(
        wall, hsv(rng.uniform(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 1)), rng.uniform(0.15, 0.5)
    )
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = rng.uniform(18, 46)
    style = rng.integers(4)
    if style == 0:
        figure = (np.sin(x * (2 * np.pi / pitch)) > rng.uniform(-0.3, 0.6)).astype(np.float32)
    elif style == 1:
        figure = (np.sin(x * (2 * np.pi / pitch)) * np.sin(y * (2 * np.pi / pitch)) > 0.55).astype(
            np.float32
        )
    elif style == 2:
        figure = ((y % pitch < 2) | ((x + (y // pitch % 2) * pitch) % (2 * pitch) < 2)).astype(
            np.float32
        )
    else:
        figure = noise(rng, width, height, 60, 5)
    image = _blend(wall, other, cv2.GaussianBlur(figure, (0, 0), 0.7) * 0.8)
    edge = int(height * rng.uniform(0.62, 0.82))
    wood = hsv(rng.uniform(0.02, 0.13), rng.uniform(0.2, 0.65), rng.uniform(0.3, 0.75))
    for _ in range(rng.integers(1, 4)):
        w, h = int(rng.uniform(0.14, 0.32) * width), int(rng.uniform(0.16, 0.34) * height)
        x0, y0 = int(rng.uniform(0, width - w)), int(rng.uniform(0.04, 0.3) * height)
        inside = (
            _sky(rng, w, h)
            if rng.uniform() < 0.5
            else _blend(
                hsv(rng.uniform(), 0.5, 0.7), hsv(rng.uniform(), 0.5, 0.8), noise(rng, w, h, w / 3)
            )
        )
        y1 = min(y0 + h, edge - 8)
        image[y0:y1, x0 : x0 + w] = inside[: y1 - y0]
        cv2.rectangle(
            image, (x0, y0), (x0 + w, y1), mix(wood, (1, 1, 1), rng.uniform(0, 0.7)), 5, cv2.LINE_AA
        )
        if rng.uniform() < 0.5:
            cv2.line(image, (x0 + w // 2, y0), (x0 + w // 2, y1), mix(wood, (1, 1, 1), 0.4), 3)
    floor = np.empty((height - edge, width, 3), np.float32)
    floor[:] = wood
    floor *= (0.75 + 0.5 * noise(rng, width, height - edge, 80, 5))[..., None]
    vanish = width * rng.uniform(0.3, 0.7)
    for k in range(-26, 27):
        far, near = vanish + k * width * 0.045, vanish + k * width * 0.12
        cv2.line(
            floor,
            (int(far), 0),
            (int(near), height - edge),
            mix(wood, (0, 0, 0), 0.55),
            1,
            cv2.LINE_AA,
        )
    image[edge:] = floor
    cv2.rectangle(image, (0, edge - 9), (width, edge), mix(wall, (1, 1, 1), 0.6), -1)
    cv2.line(image, (0, edge), (width, edge), mix(wood, (0, 0, 0), 0.6), 2)
    if rng.uniform() < 0.5:  # a houseplant
        px, leaf = (
            int(rng.uniform(0, width)),
            hsv(rng.uniform(0.22, 0.4), 0.6, rng.uniform(0.35, 0.6)),
        )
        for angle in rng.uniform(-70, 70, 9):
            tip = (
                int(px + 60 * np.sin(np.radians(angle))),
                int(edge - 30 - 60 * np.cos(np.radians(angle))),
            )
            cv2.line(
                image,
                (px, edge - 20),
                tip,
                mix(leaf, (0, 0, 0), rng.uniform(0, 0.4)),
                6,
                cv2.LINE_AA,
            )
        pot = np.array(
            [[px - 18, edge - 26], [px + 18, edge - 26], [px + 12, edge + 8], [px - 12, edge + 8]]
        )
        cv2.fillPoly(image, [pot], hsv(rng.uniform(), 0.5, 0.6), cv2.LINE_AA)
    return image


def street(rng: Rng, width: int, height: int) -> Image:
    """A row of houses with lit and dark windows, a pavement, a road."""
    image = _sky(rng, width, height)
    ground = int(height * rng.uniform(0.6, 0.78))
    x = -int(rng.uniform(0, 40))
    while x < width:
        w = int(rng.uniform(50, 120))
        top = int(ground * rng.uniform(0.05, 0.6))
        stone = hsv(rng.uniform(), rng.uniform(0.05, 0.5), rng.uniform(0.3, 0.85))
        left, right = max(0, x), min(width, x + w)
        if right > left:
            facade = _vertical(
                right - left, ground - top, mix(stone, (1, 1, 1), 0.1), mix(stone, (0, 0, 0), 0.2)
            )
            facade *= (0.85 + 0.3 * noise(rng, right - left, ground - top, 24))[..., None]
            image[top:ground, left:right] = facade
        pane = mix(stone, (0.1, 0.12, 0.18), 0.75)
        wide, tall = int(rng.uniform(9, 16)), int(rng.uniform(12, 22))
        for wy in range(top + 10, ground - tall - 8, tall + int(rng.uniform(9, 16))):
            for wx in range(x + 8, x + w - wide - 4, wide + 10):
                glow = rng.uniform() < 0.2
                shade = (
                    (0.98, 0.88, 0.6) if glow else mix(pane, (0.7, 0.8, 0.9), rng.uniform(0, 0.4))
                )
                cv2.rectangle(image, (wx, wy), (wx + wide, wy + tall), shade, -1)
                cv2.line(
                    image,
                    (wx - 1, wy + tall + 1),
                    (wx + wide + 1, wy + tall + 1),
                    mix(stone, (1, 1, 1), 0.4),
                    2,
                )
        cv2.line(image, (x, top), (x + w, top), mix(stone, (0, 0, 0), 0.5), 3)
        x += w + int(rng.choice([0, 0, rng.uniform(5, 40)]))
    tar = hsv(rng.uniform(0.5, 0.7), rng.uniform(0, 0.15), rng.uniform(0.25, 0.5))
    road = _vertical(width, height - ground, mix(tar, (1, 1, 1), 0.15), mix(tar, (0, 0, 0), 0.2))
    road *= (0.85 + 0.3 * noise(rng, width, height - ground, 30))[..., None]
    _speckle(rng, road, 0.07)
    image[ground:] = road
    kerb = ground + (height - ground) // 4
    cv2.rectangle(image, (0, ground), (width, kerb), mix(tar, (0.9, 0.88, 0.84), 0.5), -1)
    cv2.line(image, (0, kerb), (width, kerb), mix(tar, (1, 1, 1), 0.6), 3)
    for dash in range(int(rng.uniform(0, 40)), width, 70):
        y = (kerb + height) // 2
        cv2.rectangle(image, (dash, y), (dash + 34, y + 5), (0.85, 0.84, 0.78), -1)
    if rng.uniform() < 0.5:  # a street light
        px = int(rng.uniform(20, width - 20))
        cv2.line(image, (px, kerb), (px, int(height * 0.15)), (0.15, 0.16, 0.17), 5, cv2.LINE_AA)
        cv2.circle(image, (px, int(height * 0.15)), 10, (1.0, 0.95, 0.75), -1, cv2.LINE_AA)
    return image


def shore(rng: Rng, width: int, height: int) -> Image:
    """Sea under a sky, with sand or rocks in front."""
    image = _sky(rng, width, height)
    horizon = int(height * rng.uniform(0.3, 0.5))
    sea = hsv(rng.uniform(0.45, 0.65), rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.8))
    rows = height - horizon
    water = _vertical(width, rows, mix(sea, (1, 1, 1), 0.25), mix(sea, (0, 0, 0), 0.2))
    swell = cv2.resize(noise(rng, width // 6, rows, 10, 4), (width, rows))
    water += (0.3 * (swell - 0.5))[..., None] + 0.22 * np.clip(swell - 0.68, 0, 1)[..., None]
    image[horizon:] = water
    sand = hsv(rng.uniform(0.05, 0.16), rng.uniform(0.15, 0.5), rng.uniform(0.55, 0.9))
    beach = _vertical(width, height, mix(sand, (1, 1, 1), 0.1), mix(sand, (0, 0, 0), 0.15))
    beach *= (0.85 + 0.3 * noise(rng, width, height, 50, 5))[..., None]
    _speckle(rng, beach, 0.06)
    line = _ridge(rng, width, height * rng.uniform(0.75, 0.98), height * 0.12, 0.8)
    _below(image, line - 4, np.full_like(image, 0.93))
    _below(image, line, beach)
    for _ in range(rng.integers(0, 6)):
        cx, r = int(rng.uniform(0, width)), rng.uniform(10, 34)
        cy = int(rng.uniform(horizon + 20, height))
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ring = r * rng.uniform(0.7, 1.1, 14)
        rock = np.stack([cx + 1.5 * ring * np.cos(angle), cy + 0.7 * ring * np.sin(angle)], 1)
        tone = rng.uniform(0.2, 0.5)
        cv2.fillPoly(image, [rock.astype(np.int32)], (tone, tone * 0.95, tone * 0.9), cv2.LINE_AA)
        lid = np.stack([cx + 1.2 * ring * np.cos(angle), cy - 4 + 0.4 * ring * np.sin(angle)], 1)
        cv2.fillPoly(image, [lid.astype(np.int32)], (tone + 0.12,) * 3, cv2.LINE_AA)
    return image


def forest(rng: Rng, width: int, height: int) -> Image:
    """Foliage, trunks that fade with distance, and a floor of leaves."""
    leaf = hsv(rng.uniform(0.06, 0.42), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.65))
    mist = mix(hsv(rng.uniform(0.1, 0.6), 0.15, 0.9), leaf, 0.3)
    image = _blend(mix(leaf, (0, 0, 0), 0.35), mist, noise(rng, width, height, 70, 5))
    for depth in np.linspace(0.8, 0.0, 16):
        x = int(rng.uniform(0, width))
        bark = mix(mix((0.22, 0.16, 0.12), leaf, rng.uniform(0, 0.4)), mist, depth)
        thick = int(5 + (1 - depth) * rng.uniform(8, 26))
        foot = int(height * (0.72 + 0.22 * (1 - depth)))
        lean = int(rng.uniform(-12, 12))
        cv2.line(image, (x, foot), (x + lean, 0), bark, thick, cv2.LINE_AA)
        lit = mix(bark, (1, 1, 0.9), 0.2)
        cv2.line(
            image,
            (x - thick // 3, foot),
            (x + lean - thick // 3, 0),
            lit,
            max(1, thick // 5),
            cv2.LINE_AA,
        )
    floor = _blend(
        mix(leaf, (0.25, 0.15, 0.05), 0.5),
        mix(leaf, (0, 0, 0), 0.3),
        noise(rng, width, height, 26, 5),
    )
    _speckle(rng, floor, 0.16, (2, 1))
    _below(image, _ridge(rng, width, height * rng.uniform(0.74, 0.9), height * 0.08, 0.5), floor)
    for _ in range(rng.integers(2, 9)):
        x, y = int(rng.uniform(0, width)), int(height * rng.uniform(0.75, 1.0))
        for angle in rng.uniform(-60, 60, 7):
            reach = rng.uniform(16, 44)
            tip = (
                int(x + reach * np.sin(np.radians(angle))),
                int(y - reach * np.cos(np.radians(angle))),
            )
            cv2.line(
                image, (x, y), tip, mix(leaf, (1, 1, 0.6), rng.uniform(-0.1, 0.3)), 2, cv2.LINE_AA
            )
    return image


def stage_set(rng: Rng, width: int, height: int) -> Image:
    """A stage: folds of a curtain, a spot of light, boards."""
    cloth = hsv(rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.75))
    x = np.arange(width, dtype=np.float32)
    bend = noise(rng, width, height, 90, 2) * rng.uniform(4, 14)
    folds = 0.5 + 0.5 * np.sin((x[None, :] + 3 * bend) * (2 * np.pi / rng.uniform(26, 60)))
    image = _blend(
        mix(cloth, (0, 0, 0), 0.6), mix(cloth, (1, 1, 1), 0.12), folds.astype(np.float32)
    )
    y, gx = np.mgrid[0:height, 0:width].astype(np.float32)
    cx, cy = width * rng.uniform(0.25, 0.75), height * rng.uniform(0.2, 0.6)
    spot = np.exp(-(((gx - cx) / (0.45 * width)) ** 2 + ((y - cy) / (0.6 * height)) ** 2))
    image *= (0.55 + 0.75 * spot)[..., None]
    edge = int(height * rng.uniform(0.7, 0.88))
    wood = hsv(rng.uniform(0.03, 0.12), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.65))
    floor = np.empty((height - edge, width, 3), np.float32)
    floor[:] = wood
    floor *= (
        0.7 + 0.5 * cv2.resize(noise(rng, width // 8, height - edge, 8, 3), (width, height - edge))
    )[..., None]
    for row in np.cumsum(rng.uniform(6, 16, 12)).astype(int):
        cv2.line(floor, (0, int(row)), (width, int(row)), mix(wood, (0, 0, 0), 0.6), 1)
    image[edge:] = floor
    return image


def shelves(rng: Rng, width: int, height: int) -> Image:
    """Shelves full of books and boxes."""
    wood = hsv(rng.uniform(0.02, 0.13), rng.uniform(0.15, 0.6), rng.uniform(0.25, 0.7))
    image = np.empty((height, width, 3), np.float32)
    image[:] = mix(wood, (0, 0, 0), 0.5)
    image *= (0.8 + 0.4 * noise(rng, width, height, 60))[..., None]
    gap = int(rng.uniform(62, 96))
    tint, bound = rng.uniform(), rng.uniform(0.1, 0.5)
    for base in range(int(rng.uniform(20, gap)), height + gap, gap):
        x = int(rng.uniform(-20, 0))
        while x < width:
            w = int(rng.uniform(6, 20))
            if rng.uniform() < 0.12:
                x += w * 2
                continue
            tall = int(gap * rng.uniform(0.5, 0.85))
            cover = hsv(
                tint + rng.uniform(-bound, bound), rng.uniform(0.1, 0.7), rng.uniform(0.25, 0.85)
            )
            cv2.rectangle(image, (x, base - tall), (x + w - 2, base), cover, -1)
            cv2.line(image, (x, base - tall), (x, base), mix(cover, (1, 1, 1), 0.3), 1)
            cv2.line(
                image, (x + w - 2, base - tall), (x + w - 2, base), mix(cover, (0, 0, 0), 0.5), 1
            )
            if rng.uniform() < 0.6:
                cv2.line(
                    image,
                    (x + 2, base - tall + 7),
                    (x + w - 4, base - tall + 7),
                    mix(cover, (1, 0.9, 0.5), 0.6),
                    2,
                )
            x += w
        cv2.rectangle(image, (0, base), (width, base + 6), mix(wood, (1, 1, 1), 0.1), -1)
        cv2.line(image, (0, base + 7), (width, base + 7), mix(wood, (0, 0, 0), 0.6), 2)
    return image


PLACES = (meadow, room, street, shore, forest, stage_set, shelves)


def draw_background(
    rng: Rng, width: int, height: int, light: tuple[float, float], lamp: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Draw a place under its light: where it comes from, and its colour and strength (RGB).

    Returns
    -------
    uint8 array of shape (height, width, 3), RGB.
    """
    image = PLACES[int(rng.integers(len(PLACES)))](rng, width, height)
    if rng.uniform() < 0.5:
        image = image[:, ::-1]
    focus = rng.choice([0.0, rng.uniform(0.6, 2.2)])
    if focus:  # things in front are in focus, the place behind them not always
        image = cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), float(focus))
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    fall = 1 + 0.28 * (light[0] * x + light[1] * y) - 0.5 * (x**2 + y**2)
    lit = np.clip(image, 0, 1) * (fall[..., None] * lamp)
    return np.clip(lit * 255, 0, 255).astype(np.uint8)
