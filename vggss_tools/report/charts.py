"""Geometry of the success curve: from scores to points of an SVG drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Units of the drawing's view box. It is about as wide as a phone, so that its letters, which grow
# with it, are never smaller than 10 pixels.
WIDTH, HEIGHT = 360, 236
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 10, 34

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its style on the page, its corners, and the points themselves."""

    style: str
    points: str
    dots: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of curves over t from 0 to 1."""

    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def success_chart(curves: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]]) -> Chart:
    """Place curves of ``{"t", "share"}`` points; the last is drawn on top.

    Parameters
    ----------
    curves : series → its style, its points
    """
    return Chart(
        lines=tuple(_line(style, points) for style, points in curves.values()),
        x_ticks=tuple((x_of(t), f"{t:g}") for t in GRID),
        y_ticks=tuple((y_of(share), f"{100 * share:.0f}") for share in GRID),
    )


def x_of(t: float) -> float:
    """Return where ``t`` lies, 0..1 from left to right."""
    return round(LEFT + t * (WIDTH - LEFT - RIGHT), 1)


def y_of(share: float) -> float:
    """Return where a share lies, 0..1 from bottom to top."""
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _line(style: str, points: Iterable[Mapping[str, Any]]) -> Line:
    dots = tuple(
        (x_of(p["t"]), y_of(p["share"]), f"t = {p['t']:.2f}: {100 * p['share']:.2f}%")
        for p in points
    )
    return Line(style, " ".join(f"{x:g},{y:g}" for x, y, _ in dots), dots)
