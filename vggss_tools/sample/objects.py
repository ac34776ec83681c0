"""The twelve things of the sample world, drawn from parts.

Each function draws one new instance: proportions, pose and details come from ``rng``, colours from
a :class:`Palette` that is the same law for all of them, so shape is what makes the class.
Units are about -1..1, y down, upright, facing right.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vggss_tools.sample.drawing import (
    Colour,
    Drawing,
    Points,
    box,
    ellipse,
    hsv,
    mirrored,
    mix,
    moved,
    smooth,
    turned,
)

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one instance; any hue for any class."""

    main: Colour
    second: Colour
    accent: Colour
    pale: Colour
    dark: Colour
    glass: Colour
    gloss: float

    @classmethod
    def draw(cls, rng: Rng) -> Palette:
        """Draw a palette: one hue, a companion, an accent, and tinted lights and darks."""
        hue = rng.uniform()
        saturation = rng.choice([rng.uniform(0.45, 0.95), rng.uniform(0.05, 0.3)], p=[0.82, 0.18])
        value = rng.uniform(0.45, 0.95)
        second = hue + rng.choice([-1, 1]) * rng.uniform(0.05, 0.2)
        accent = hue + rng.uniform(0.3, 0.7)
        return cls(
            main=hsv(hue, saturation, value),
            second=hsv(second, saturation * rng.uniform(0.5, 1), np.clip(value * 0.75, 0.3, 0.8)),
            accent=hsv(accent, rng.uniform(0.4, 0.9), rng.uniform(0.55, 0.95)),
            pale=hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.03, 0.25), rng.uniform(0.85, 1)),
            dark=hsv(rng.uniform(), rng.uniform(0, 0.4), rng.uniform(0.12, 0.28)),
            glass=hsv(0.55 + rng.uniform(-0.1, 0.1), rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9)),
            gloss=rng.uniform(0.1, 0.6),
        )


def bell(rng: Rng, p: Palette) -> Drawing:
    """A church bell: shoulder, waist, flared lip, clapper, and the crown it hangs by."""
    d = Drawing()
    waist, flare = rng.uniform(0.34, 0.46), rng.uniform(0.62, 0.78)
    shoulder = rng.uniform(0.2, 0.3)
    swing = rng.uniform(-0.25, 0.25)
    if rng.uniform() < 0.6:  # the yoke
        half = rng.uniform(0.45, 0.75)
        d.fill(box(-half, -0.98, half, -0.78, 0.05), p.second, grain=0.35, round=0.3)
    d.stroke(ellipse(0, -0.72, 0.13, 0.14, 180, 360), 0.09, p.main, gloss=p.gloss)
    d.fill(ellipse(swing * 0.6, 0.8, 0.14, 0.16), p.dark, round=0.8, gloss=0.6)
    body = mirrored(
        [
            (0.02, -0.7),
            (shoulder, -0.64),
            (waist * 0.86, -0.42),
            (waist, -0.02),
            (waist * 1.14, 0.3),
            (flare * 0.84, 0.55),
            (flare, 0.74),
        ]
    )
    d.fill(ellipse(0, 0.72, flare * 0.97, 0.13), mix(p.dark, p.main, 0.25), round=0.2)
    lip = ellipse(0, 0.72, flare, 0.14, 0, 180)
    contour = np.concatenate([body[: len(body) // 2], lip, body[len(body) // 2 :]])
    d.fill(contour, p.main, round=0.75, gloss=p.gloss)
    for y, half in ((-0.46, waist * 0.8), (0.36, waist * 1.2), (0.58, flare * 0.86)):
        d.mark(ellipse(0, y, half, 0.09, 15, 165), mix(p.main, p.dark, 0.55), 0.035)
    d.mark(ellipse(0, 0.04, waist * 0.98, 0.08, 20, 160), mix(p.main, p.pale, 0.5), 0.03)
    return d


def fire_truck(rng: Rng, p: Palette) -> Drawing:
    """A fire engine from the side: cab, tall body with lockers, a ladder on top, a beacon."""
    d = Drawing()
    length, height = rng.uniform(0.95, 1.15), rng.uniform(0.5, 0.64)
    top, floor = 0.45 - height - 0.2, 0.45
    cab = length - rng.uniform(0.5, 0.62)
    rise = rng.uniform(-0.16, 0.0)
    for side in (-0.07, 0.07):  # the ladder
        rail = [(-length + 0.05, top - 0.12 + side), (cab + 0.12, top - 0.12 + rise + side)]
        d.stroke(rail, 0.05, p.pale, gloss=0.6)
    for x in np.linspace(-length + 0.15, cab, rng.integers(7, 11)):
        y = top - 0.12 + rise * (x + length) / (cab + length)
        d.mark([(x, y - 0.07), (x, y + 0.07)], mix(p.pale, p.dark, 0.2), 0.035)
    d.fill(box(-length, top, cab, floor, 0.04), p.main, round=0.25, gloss=p.gloss)
    nose = [
        (cab - 0.02, top + 0.02),
        (length - 0.14, top + 0.02),
        (length - 0.02, top + height * 0.55),
        (length, floor),
        (cab - 0.02, floor),
    ]
    d.fill(nose, p.main, round=0.25, gloss=p.gloss)
    window = [
        (cab + 0.08, top + 0.1),
        (length - 0.2, top + 0.1),
        (length - 0.1, top + height * 0.5),
        (cab + 0.08, top + height * 0.5),
    ]
    d.fill(window, p.glass, round=0.3, gloss=0.8)
    d.fill(box(cab + 0.05, top - 0.12, cab + 0.27, top + 0.02, 0.05), p.accent, gloss=0.9)
    lockers = np.linspace(-length + 0.07, cab - 0.04, rng.integers(3, 5) + 1)
    for left, right in pairwise(lockers):
        d.fill(
            box(left, top + 0.1, right - 0.05, top + height * 0.62, 0.02),
            mix(p.main, p.pale, 0.65),
            round=0.15,
            grain=0.15,
        )
    band = floor - rng.uniform(0.14, 0.2)
    d.mark([(-length + 0.02, band), (length - 0.02, band)], p.pale, 0.06)
    wheels = [-length + 0.38, cab + 0.22]
    if rng.uniform() < 0.5:
        wheels.insert(1, -length + 0.76)
    for x in wheels:
        _wheel(d, x, floor + 0.03, rng.uniform(0.19, 0.22), p)
    d.fill(ellipse(length - 0.05, floor - 0.1, 0.05, 0.06), p.pale, gloss=0.9)
    return d


def _wheel(d: Drawing, x: float, y: float, radius: float, p: Palette) -> None:
    d.fill(ellipse(x, y, radius, radius), (0.13, 0.13, 0.15), round=0.4)
    d.fill(ellipse(x, y, radius * 0.55, radius * 0.55), (0.72, 0.73, 0.76), round=0.7, gloss=0.6)
    d.mark(ellipse(x, y, radius * 0.16, radius * 0.16), p.dark)


def snare_drum(rng: Rng, p: Palette) -> Drawing:
    """A snare drum seen from above its rim: head, shell, hoops, lugs, and a pair of sticks."""
    d = Drawing()
    half, depth = rng.uniform(0.8, 0.95), rng.uniform(0.42, 0.75)
    tilt = rng.uniform(0.24, 0.36)
    top, bottom = -depth / 2 + 0.05, depth / 2 + 0.05
    if rng.uniform() < 0.5:  # the stand
        for x in (-0.55, 0.0, 0.55):
            d.stroke(
                [(x * 0.25, bottom + tilt * 0.7), (x, 1.0)], 0.07, (0.7, 0.71, 0.74), gloss=0.7
            )
    shell = np.concatenate(
        [ellipse(0, bottom, half, tilt, 0, 180), ellipse(0, top, half, tilt, 180, 0)]
    )
    d.fill(shell, p.main, round=0.5, gloss=p.gloss, grain=rng.uniform(0, 0.35))
    metal = mix((0.78, 0.79, 0.82), p.main, 0.2)
    for x in np.linspace(-0.86, 0.86, rng.integers(5, 8)) * half:
        sag = tilt * np.sqrt(max(0.0, 1 - (x / half) ** 2))
        d.stroke([(x, top + sag + 0.03), (x, bottom + sag - 0.03)], 0.06, metal, gloss=0.8)
    d.stroke(ellipse(0, bottom, half, tilt, 0, 180), 0.09, metal, gloss=0.8)
    d.fill(ellipse(0, top, half + 0.03, tilt + 0.03), metal, round=0.2, gloss=0.8)
    d.fill(ellipse(0, top, half - 0.05, tilt - 0.04), mix(p.pale, (1, 1, 1), 0.4), round=0.25)
    d.mark(ellipse(0, top, half * 0.45, tilt * 0.45, 0, 360), mix(p.pale, p.dark, 0.2), 0.02)
    wood = mix(p.second, (0.8, 0.6, 0.35), 0.5)
    for side in (-1, 1):
        tip = (side * rng.uniform(0.02, 0.25), top + rng.uniform(-0.08, 0.08))
        butt = (side * rng.uniform(0.7, 1.0), top - rng.uniform(0.35, 0.6))
        d.stroke([tip, butt], 0.06, wood, gloss=0.3)
        d.fill(ellipse(*tip, 0.055, 0.045), wood)
    return d


def violin(rng: Rng, p: Palette) -> Drawing:
    """A violin: two bouts and a pinched waist, f-holes, a long neck with a scroll, and a bow."""
    d = Drawing()
    upper, waist, lower = rng.uniform(0.27, 0.32), rng.uniform(0.17, 0.21), rng.uniform(0.34, 0.4)
    d.stroke([(0, -0.9), (0, 0.1)], 0.11, mix(p.dark, p.main, 0.3), gloss=0.3)
    d.fill(ellipse(0, -0.96, 0.09, 0.1), p.main, round=0.8, gloss=p.gloss)
    for side, y in ((-1, -0.78), (1, -0.72), (-1, -0.86), (1, -0.66)):
        d.stroke([(side * 0.05, y), (side * 0.16, y)], 0.05, p.dark)
    right = [
        (0.06, -0.27),
        (upper * 0.75, -0.25),
        (upper, -0.06),
        (upper * 0.9, 0.1),
        (waist * 1.25, 0.17),
        (waist, 0.32),
        (waist * 1.3, 0.46),
        (lower * 0.95, 0.52),
        (lower, 0.74),
        (lower * 0.72, 0.95),
        (0.1, 1.0),
    ]
    body = mirrored(right, steps=4)
    d.fill(body, p.main, round=0.45, gloss=p.gloss, grain=rng.uniform(0.15, 0.4))
    d.mark(moved(body * 0.9, 0, 0.037), mix(p.main, p.dark, 0.5), 0.018)
    for side in (-1, 1):
        hole = smooth(
            [(0.13, 0.2), (0.17, 0.27), (0.14, 0.36), (0.17, 0.46), (0.21, 0.52)], closed=False
        )
        d.mark(hole * (side, 1), p.dark, 0.04)
    d.fill([(-0.06, 0.62), (0.06, 0.62), (0.09, 0.93), (-0.09, 0.93)], p.dark, round=0.4)
    d.fill([(-0.045, -0.82), (0.045, -0.82), (0.065, 0.2), (-0.065, 0.2)], p.dark, round=0.5)
    d.fill(box(-0.13, 0.4, 0.13, 0.45), p.pale, round=0.4)
    for x in (-0.04, -0.013, 0.013, 0.04):
        d.mark([(x * 0.7, -0.84), (x, 0.64)], (0.9, 0.9, 0.88), 0.012)
    slope = rng.uniform(8, 40) * rng.choice([-1, 1])
    centre = (rng.uniform(-0.05, 0.05), rng.uniform(0.26, 0.38))
    reach = rng.uniform(0.62, 0.8)
    stick = np.array([(-reach, -0.07), (0.0, -0.045), (reach, -0.07)]) + centre
    hair = np.array([(-reach, 0.0), (reach, 0.0)]) + centre
    d.stroke(turned(hair, slope, centre), 0.035, p.pale, outline=False)
    d.stroke(turned(smooth(stick, closed=False), slope, centre), 0.045, p.second, gloss=0.4)
    frog = box(-reach - 0.02, -0.085, -reach + 0.1, 0.02) + centre
    d.fill(turned(frog, slope, centre), p.dark)
    return d


def helicopter(rng: Rng, p: Palette) -> Drawing:
    """A helicopter from the side: bubble cabin, tail boom and fin, main rotor, skids."""
    d = Drawing()
    nose, cabin = rng.uniform(0.68, 0.82), rng.uniform(0.34, 0.42)
    metal = (0.35, 0.36, 0.4)
    for x in (0.0, 0.42):
        d.stroke([(x, cabin * 0.6), (x + 0.04, 0.62)], 0.05, metal)
    d.stroke(
        smooth([(-0.32, 0.63), (0.5, 0.63), (0.72, 0.54)], closed=False), 0.07, metal, gloss=0.5
    )
    boom = [(-1.0, -0.16), (-0.95, -0.06), (0.0, 0.22), (0.05, -0.18)]
    d.fill(boom, p.main, round=0.5, gloss=p.gloss)
    fin = [(-1.08, -0.5), (-0.9, -0.5), (-0.78, -0.08), (-1.0, -0.02)]
    d.fill(fin, p.second, round=0.35)
    spin = rng.uniform(0, 180)
    for turn in (0, 90):
        blade = moved(turned(box(-0.24, -0.025, 0.24, 0.025, 0.02), spin + turn), -1.0, -0.26)
        d.fill(blade, p.dark, round=0.3)
    d.stroke([(0.2, -0.25), (0.2, -0.6)], 0.1, metal, gloss=0.5)
    d.fill(box(-0.08, -cabin - 0.08, 0.42, -cabin + 0.12, 0.08), p.second, round=0.5)
    body = smooth(
        [
            (-0.3, -0.02),
            (-0.15, -cabin * 0.85),
            (0.3, -cabin),
            (nose - 0.12, -cabin * 0.5),
            (nose, 0.08),
            (nose - 0.2, cabin * 0.85),
            (0.15, cabin),
            (-0.2, cabin * 0.65),
        ]
    )
    d.fill(body, p.main, round=0.7, gloss=p.gloss)
    pane = smooth(
        [
            (0.3, -cabin * 0.8),
            (nose - 0.16, -cabin * 0.42),
            (nose - 0.06, 0.06),
            (0.42, 0.1),
            (0.28, 0.02),
        ],
        steps=4,
    )
    d.fill(pane, p.glass, round=0.4, gloss=0.9)
    d.fill(box(-0.05, -cabin * 0.6, 0.2, 0.05, 0.05), p.glass, round=0.3, gloss=0.8)
    d.mark([(-0.2, cabin * 0.42), (nose - 0.1, cabin * 0.42)], p.accent, 0.07)
    lean, span = rng.uniform(-5, 5), rng.uniform(0.85, 1.05)
    hub = (0.2, -0.64)
    for side in (-1, 1):
        blade = smooth(
            [
                (0, -0.035),
                (span * 0.6, -0.05),
                (span, -0.03),
                (span, 0.03),
                (span * 0.6, 0.04),
                (0, 0.035),
            ],
            steps=3,
        ) * (side * (1.0 if side > 0 else rng.uniform(0.75, 1.0)), 1)
        d.fill(turned(blade, lean) + hub, p.dark, round=0.3, gloss=0.4)
    d.fill(ellipse(*hub, 0.1, 0.07), metal, round=0.8, gloss=0.6)
    return d


def canary(rng: Rng, p: Palette) -> Drawing:
    """A small songbird from the side: round breast, short beak, folded wing, tail, thin legs."""
    d = Drawing()
    chest, back = rng.uniform(0.36, 0.46), rng.uniform(0.28, 0.36)
    tail = rng.uniform(20, 45)
    quills = np.array([(-0.3, -0.1), (-1.05, -0.09), (-1.1, 0.03), (-1.02, 0.12), (-0.3, 0.16)])
    d.fill(turned(quills, -tail, (-0.35, 0.1)), p.second, round=0.3, grain=0.4)
    if rng.uniform() < 0.6:  # the perch
        d.stroke([(-0.75, 0.86), (0.75, 0.8 + rng.uniform(-0.08, 0.08))], 0.1, p.dark, grain=0.4)
    for x in (-0.08, 0.12):
        d.stroke([(x, 0.4), (x + 0.05, 0.64), (x, 0.82)], 0.045, mix(p.accent, p.dark, 0.4))
        d.stroke([(x - 0.08, 0.83), (x + 0.12, 0.82)], 0.045, mix(p.accent, p.dark, 0.4))
    body = smooth(
        [
            (-0.55, 0.26),
            (-0.35, -0.02),
            (-0.05, -back + 0.08),
            (0.16, -0.52),
            (0.38, -0.66),
            (0.6, -0.55),
            (0.64, -0.34),
            (0.52, -0.12),
            (chest + 0.08, 0.16),
            (0.2, 0.46),
            (-0.2, 0.5),
        ]
    )
    d.fill(body, p.main, round=0.75, gloss=p.gloss * 0.5, grain=0.18)
    gape = rng.uniform(0.0, 0.12)
    d.fill([(0.59, -0.47), (0.86, -0.4 - gape), (0.61, -0.38)], p.accent, round=0.4)
    d.fill([(0.6, -0.39), (0.8, -0.34 + gape), (0.6, -0.3)], mix(p.accent, p.dark, 0.3), round=0.3)
    belly = smooth([(0.46, -0.06), (0.38, 0.2), (0.12, 0.4), (-0.02, 0.36), (0.14, 0.1)])
    d.fill(belly, mix(p.main, p.pale, 0.6), round=0.5, outline=False)
    wing = smooth(
        [(0.2, -0.1), (0.16, 0.2), (-0.2, 0.32), (-0.72, 0.36), (-0.4, 0.0), (-0.08, -0.2)]
    )
    d.fill(wing, p.second, round=0.5, grain=0.45)
    for k in (0.1, 0.2, 0.3):
        d.mark(
            [(-0.05, k - 0.04), (-0.55 + k * 0.4, 0.1 + k * 0.75)], mix(p.second, p.dark, 0.6), 0.03
        )
    d.fill(ellipse(0.44, -0.45, 0.07, 0.07), (0.06, 0.06, 0.07), gloss=0.9)
    d.mark(ellipse(0.46, -0.475, 0.022, 0.022), (1, 1, 1))
    return d


def owl(rng: Rng, p: Palette) -> Drawing:
    """An owl from the front: two huge eyes, ear tufts, a small beak, wings at its sides."""
    d = Drawing()
    half, tuft = rng.uniform(0.46, 0.58), rng.uniform(0.1, 0.26)
    if rng.uniform() < 0.6:
        d.stroke([(-0.8, 0.88), (0.8, 0.9 + rng.uniform(-0.06, 0.06))], 0.13, p.dark, grain=0.5)
    body = mirrored(
        [
            (0.0, -0.72),
            (0.2, -0.75),
            (half * 0.8, -0.84 - tuft),
            (half * 0.98, -0.62),
            (half * 0.95, -0.25),
            (half * 1.05, 0.15),
            (half * 0.9, 0.6),
            (half * 0.45, 0.86),
            (0.04, 0.9),
        ]
    )
    d.fill(body, p.main, round=0.7, gloss=p.gloss * 0.4, grain=0.3)
    for side in (-1, 1):
        wing = smooth(
            [
                (half * 0.82, -0.28),
                (half * 1.22, 0.1),
                (half * 1.1, 0.6),
                (half * 0.72, 0.82),
                (half * 0.68, 0.3),
            ]
        ) * (side, 1)
        d.fill(wing, p.second, round=0.5, grain=0.4)
    belly = mirrored(
        [(0.02, -0.2), (half * 0.5, -0.1), (half * 0.62, 0.3), (half * 0.4, 0.68), (0.02, 0.78)]
    )
    d.fill(belly, mix(p.main, p.pale, 0.6), round=0.5, outline=False)
    ink = mix(p.main, p.dark, 0.6)
    for row, y in enumerate(np.arange(0.0, 0.7, 0.17)):
        for x in np.arange(-2, 3) * 0.14 + (row % 2) * 0.07:
            if abs(x) < half * 0.55 * (1 - max(0, y - 0.35)):
                d.mark(ellipse(x, y, 0.055, 0.06, 10, 170), ink, 0.03)
    eye = rng.uniform(0.2, 0.25)
    look = rng.uniform(-0.05, 0.05)
    for side in (-1, 1):
        x = side * (eye + 0.02)
        d.fill(ellipse(x, -0.46, eye * 1.15, eye * 1.15), mix(p.main, p.pale, 0.7), round=0.4)
        d.fill(ellipse(x, -0.46, eye * 0.78, eye * 0.78), p.accent, round=0.5, gloss=0.5)
        d.fill(ellipse(x + look, -0.46, eye * 0.42, eye * 0.42), (0.05, 0.05, 0.06), outline=False)
        d.mark(ellipse(x + look + 0.03, -0.51, 0.035, 0.035), (1, 1, 1))
    d.fill([(-0.07, -0.36), (0.07, -0.36), (0.0, -0.16)], mix(p.accent, p.dark, 0.35), round=0.5)
    for side in (-1, 1):
        for toe in (-0.07, 0.0, 0.07):
            d.fill(ellipse(side * 0.2 + toe, 0.88, 0.045, 0.08), mix(p.accent, p.dark, 0.3))
    return d


def trumpet(rng: Rng, p: Palette) -> Drawing:
    """A trumpet from the side: flared bell, long oval of tubing, three valves, mouthpiece."""
    d = Drawing()
    flare, drop = rng.uniform(0.34, 0.44), rng.uniform(0.3, 0.4)
    tube = rng.uniform(0.085, 0.11)
    shade = mix(p.main, p.dark, 0.25)
    bend = np.concatenate(
        [
            ellipse(0.38, 0.02 + drop / 2, 0.16, drop / 2, -90, 90),
            ellipse(-0.5, 0.02 + drop / 2, 0.16, drop / 2, 90, 270),
        ]
    )
    d.stroke(np.concatenate([bend, bend[:1]]), tube, shade, gloss=p.gloss + 0.2)
    d.stroke([(-1.05, -0.1), (0.2, -0.1)], tube * 0.7, p.main, gloss=p.gloss + 0.2)
    for x in np.array([-0.2, 0.0, 0.2]) - 0.02:
        press = rng.uniform(0.0, 0.1)
        d.stroke([(x, -0.4 + press), (x, -0.2)], 0.045, (0.75, 0.75, 0.78), gloss=0.6)
        d.fill(ellipse(x, -0.42 + press, 0.075, 0.04), p.pale, round=0.6, gloss=0.8)
        d.fill(box(x - 0.08, -0.24, x + 0.08, 0.44, 0.05), p.main, round=0.9, gloss=p.gloss + 0.2)
        d.mark([(x - 0.08, -0.12), (x + 0.08, -0.12)], shade, 0.03)
        d.mark([(x - 0.08, 0.3), (x + 0.08, 0.3)], shade, 0.03)
    horn = [(-0.66, 0.03), (0.3, 0.06), (0.62, 0.13), (0.86, 0.24), (1.04, flare)]
    upper = smooth([(x, -0.03 - y + 0.03) for x, y in horn], closed=False)
    lower = smooth([(x, 0.03 + y - 0.03) for x, y in horn], closed=False)[::-1]
    d.fill(np.concatenate([upper, lower]), p.main, round=0.8, gloss=p.gloss + 0.25)
    d.fill(ellipse(1.04, 0.0, 0.1, flare), mix(p.main, p.dark, 0.5), round=0.5, gloss=0.3)
    d.mark(ellipse(1.04, 0.0, 0.1, flare, 0, 360), mix(p.main, p.pale, 0.5), 0.025)
    d.fill([(-1.18, -0.19), (-1.02, -0.13), (-1.02, -0.07), (-1.18, -0.01)], p.pale, gloss=0.8)
    return d


def harp(rng: Rng, p: Palette) -> Drawing:
    """A harp: upright column, curved neck, slanted sound box, and strings between."""
    d = Drawing()
    reach, sag = rng.uniform(0.6, 0.8), rng.uniform(0.1, 0.28)
    column = -0.52
    neck = smooth(
        [
            (column - 0.02, -0.9),
            (column + 0.25, -0.86 + sag * 0.6),
            (0.02, -0.72 + sag),
            (reach * 0.55, -0.66 + sag * 0.3),
            (reach, -0.62),
        ],
        closed=False,
    )
    base = np.array([(column + 0.12, 0.86)])
    foot, crown = base[0], neck[-1]
    for share in np.linspace(0.1, 0.93, rng.integers(11, 17)):
        top = neck[int(share * (len(neck) - 1))]
        bottom = foot + (crown - foot) * share
        d.mark([top, bottom], mix(p.pale, p.accent, 0.15), 0.018)
    d.stroke([foot, crown], 0.2, p.main, gloss=p.gloss, grain=rng.uniform(0.1, 0.4))
    d.mark([moved(foot, 0.06, -0.1), moved(crown, -0.02, 0.09)], mix(p.main, p.pale, 0.5), 0.03)
    d.stroke([(column, -0.86), (column, 0.86)], 0.13, p.second, gloss=p.gloss, grain=0.2)
    d.stroke(neck, 0.15, p.main, gloss=p.gloss, grain=0.2)
    for x, y in neck[2::4]:
        d.mark(ellipse(x, y, 0.022, 0.022), p.pale)
    d.fill(ellipse(column, -0.9, 0.13, 0.13), p.accent, round=0.8, gloss=0.6)
    d.fill(moved(ellipse(0.02, 0.0, 0.12, 0.12), *crown), p.main, round=0.8, gloss=p.gloss)
    d.fill(box(column - 0.14, 0.82, column + 0.5, 0.98, 0.05), p.second, round=0.4, grain=0.3)
    for y in (-0.6, 0.6):
        d.mark([(column - 0.07, y), (column + 0.07, y)], p.accent, 0.05)
    return d


def alarm_clock(rng: Rng, p: Palette) -> Drawing:
    """A wind-up alarm clock: round case, two bells with a hammer, dial and hands, two feet."""
    d = Drawing()
    face = rng.uniform(0.6, 0.68)
    spread = rng.uniform(28, 40)
    metal = (0.74, 0.75, 0.78)
    for side in (-1, 1):
        leg = turned([(0, 0.55), (0, 0.98)], -side * rng.uniform(24, 34), (0, 0.12))
        d.stroke(leg, 0.13, mix(metal, p.main, 0.4), gloss=0.6)
    d.stroke([(0, -0.6), (0, -0.86)], 0.06, metal)
    d.fill(box(-0.1, -0.95, 0.1, -0.8, 0.04), p.dark, gloss=0.5)
    for side in (-1, 1):
        cup = np.concatenate(
            [ellipse(0, -0.72, 0.32, 0.26, 180, 360), [(0.32, -0.64), (-0.32, -0.64)]]
        )
        d.stroke(turned([(0, -0.5), (0, -0.66)], side * spread), 0.07, metal)
        d.fill(turned(cup, side * spread), p.accent, round=0.8, gloss=0.7)
    d.fill(ellipse(0, 0.12, face + 0.1, face + 0.1), p.main, round=0.5, gloss=p.gloss + 0.2)
    d.fill(ellipse(0, 0.12, face - 0.06, face - 0.06), mix(p.pale, (1, 1, 1), 0.5), round=0.15)
    for hour in range(12):
        outer, inner = face - 0.1, face - (0.24 if hour % 3 == 0 else 0.18)
        tick = moved(turned([(0, -outer), (0, -inner)], hour * 30), 0, 0.12)
        d.mark(tick, p.dark, 0.05 if hour % 3 == 0 else 0.03)
    for reach, width in ((0.28, 0.07), (0.42, 0.05)):
        hand = moved(turned([(0, 0.06), (0, -reach)], rng.uniform(0, 360)), 0, 0.12)
        d.stroke(hand, width, p.dark, outline=False)
    d.fill(ellipse(0, 0.12, 0.05, 0.05), p.accent, outline=False)
    return d


def car(rng: Rng, p: Palette) -> Drawing:
    """A car from the side: long low body, domed cabin with windows, two wheels, lamps."""
    d = Drawing()
    length, roof = rng.uniform(0.95, 1.1), rng.uniform(0.34, 0.5)
    rear = rng.uniform(0.35, 0.75)
    waist = -0.04
    body = smooth(
        [
            (-length, 0.3),
            (-length + 0.01, 0.02),
            (-length + 0.2, waist - 0.04),
            (-rear, waist - 0.08),
            (-rear + 0.22, waist - roof),
            (0.14, waist - roof - 0.02),
            (0.46, waist - 0.08),
            (length - 0.24, waist + 0.02),
            (length - 0.02, 0.12),
            (length, 0.32),
            (length - 0.1, 0.36),
            (-length + 0.08, 0.36),
        ],
        steps=4,
    )
    d.fill(body, p.main, round=0.5, gloss=p.gloss + 0.2)
    glass = [
        (-rear + 0.1, waist - 0.06),
        (-rear + 0.26, waist - roof + 0.07),
        (0.12, waist - roof + 0.06),
        (0.37, waist - 0.06),
    ]
    d.fill(glass, p.glass, round=0.25, gloss=0.9)
    post = rng.uniform(-0.22, -0.08)
    d.stroke(
        [(post, waist - roof + 0.03), (post + 0.02, waist - 0.05)], 0.06, p.main, outline=False
    )
    d.mark([(post + 0.03, waist), (post + 0.05, 0.3)], mix(p.main, p.dark, 0.6), 0.02)
    d.mark([(post + 0.09, 0.06), (post + 0.2, 0.06)], mix(p.main, p.pale, 0.6), 0.035)
    if rng.uniform() < 0.5:
        d.mark([(-length + 0.06, 0.17), (length - 0.06, 0.19)], p.second, 0.05)
    d.fill(ellipse(length - 0.08, 0.12, 0.06, 0.07), (0.98, 0.95, 0.8), gloss=0.9)
    d.fill(box(-length + 0.0, 0.04, -length + 0.09, 0.14, 0.02), (0.8, 0.15, 0.12), gloss=0.8)
    d.fill(box(-length - 0.02, 0.29, length + 0.02, 0.38, 0.04), mix(p.dark, p.main, 0.2))
    size = rng.uniform(0.2, 0.25)
    for x in (-length + 0.42, length - 0.4):
        d.fill(
            ellipse(x, 0.33, size + 0.04, size + 0.04, 180, 360), (0.1, 0.1, 0.11), outline=False
        )
        _wheel(d, x, 0.38, size, p)
    return d


def dog(rng: Rng, p: Palette) -> Drawing:
    """A standing dog from the side: long snout, hanging ear, four legs, raised tail."""
    d = Drawing()
    coat, far = p.main, mix(p.main, p.dark, 0.4)
    tall, wag = rng.uniform(0.75, 0.95), rng.uniform(-25, 35)
    limb = rng.uniform(0.13, 0.17)
    hip, chest = (-0.5, 0.1), (0.32, 0.12)
    stride = rng.uniform(0.0, 0.22)
    for (x, y), swing in ((hip, stride), (chest, -stride)):
        foot = [(x + 0.1, y), (x + 0.08 + swing / 2, 0.5), (x + 0.1 + swing, tall)]
        d.stroke(smooth(foot, closed=False), limb, far)
    tail = smooth([(-0.62, -0.08), (-0.85, -0.28), (-0.9, -0.62)], closed=False)
    d.stroke(turned(tail, wag, (-0.62, -0.08)), 0.12, coat, grain=0.2)
    for (x, y), swing in ((hip, -stride), (chest, stride)):
        leg = [(x, y), (x - 0.03 + swing / 2, 0.5), (x + swing, tall - 0.02)]
        d.stroke(smooth(leg, closed=False), limb * 1.15, coat, grain=0.15)
        d.fill(ellipse(x + swing + 0.06, tall, limb * 0.8, 0.07), p.pale, round=0.6)
    body = smooth(
        [
            (-0.7, -0.02),
            (-0.5, -0.24),
            (0.0, -0.2),
            (0.34, -0.3),
            (0.56, -0.1),
            (0.5, 0.24),
            (0.2, 0.36),
            (-0.2, 0.22),
            (-0.55, 0.3),
        ]
    )
    d.fill(body, coat, round=0.7, gloss=p.gloss * 0.4, grain=0.25)
    if rng.uniform() < 0.6:  # a patch
        d.fill(
            smooth([(-0.45, -0.2), (-0.05, -0.18), (0.0, 0.05), (-0.3, 0.14), (-0.55, 0.05)]),
            p.second,
            outline=False,
            grain=0.25,
        )
    nod = rng.uniform(-18, 12)
    neck = (0.42, -0.16)
    d.fill(
        smooth([(0.24, -0.24), (0.5, -0.56), (0.74, -0.4), (0.56, 0.02)]),
        coat,
        round=0.6,
        grain=0.2,
    )
    head = smooth(
        [
            (0.42, -0.52),
            (0.52, -0.76),
            (0.72, -0.78),
            (0.86, -0.62),
            (1.1, -0.54),
            (1.16, -0.44),
            (1.08, -0.36),
            (0.84, -0.34),
            (0.6, -0.3),
        ]
    )
    d.fill(turned(head, nod, neck), coat, round=0.65, gloss=p.gloss * 0.4, grain=0.15)
    d.fill(turned(ellipse(1.13, -0.5, 0.07, 0.055), nod, neck), (0.08, 0.07, 0.08), gloss=0.9)
    d.mark(turned([(1.12, -0.41), (0.9, -0.39)], nod, neck), p.dark, 0.03)
    d.fill(turned(ellipse(0.78, -0.62, 0.05, 0.055), nod, neck), (0.07, 0.06, 0.07), gloss=0.9)
    ear = rng.uniform(0.26, 0.4)
    flap = smooth(
        [(0.48, -0.74), (0.62, -0.72), (0.64, -0.72 + ear), (0.5, -0.66 + ear), (0.4, -0.6)]
    )
    d.fill(turned(flap, nod, neck), p.second, round=0.5, grain=0.25)
    collar: Points = np.array([(0.38, -0.36), (0.64, -0.16)])
    d.stroke(collar, 0.09, p.accent, gloss=0.6)
    return d
