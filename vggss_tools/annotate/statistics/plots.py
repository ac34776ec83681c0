"""Drawings of a set of boxes: the paper's Figures 3b, 3c and 10, as PNG.

Equal numbers give equal bytes under one version of Matplotlib: its own font, no date, no version
in the file, and no settings of the user's.
"""

from __future__ import annotations

import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASSES_PLOT = "classes.png"
AREAS_PLOT = "box-areas.png"
COUNTS_PLOT = "boxes-per-clip.png"

# Pixels an inch: 1,900 pixels across for 221 classes, which a page shows at half of that.
_DPI = 140
_INK, _SOFT, _BAR, _GRID = "#1d2126", "#59616b", "#0b6fae", "#dfe2e5"
_SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _SOFT,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "axes.axisbelow": True,
}
# Class names in one column; more of them would be too small to read on a page.
_ROWS = 56
# Classes that are drawn; VGG-Sound has 309. More would be a picture that nobody can open.
_MOST_CLASSES = 8 * _ROWS
# Characters of a class name that are drawn.
_NAME = 48
# Bars of the count of boxes; clips with as many boxes or more share the last.
_MOST_BOXES = 30


def draw_plots(counts: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw everything about a set of boxes.

    Parameters
    ----------
    counts : mapping
        What :func:`vggss_tools.annotate.statistics.statistics` returns.

    Returns
    -------
    dict
        File name -> the bytes of a PNG.
    """
    return {
        CLASSES_PLOT: _png(_draw_classes, counts),
        AREAS_PLOT: _png(_draw_areas, counts),
        COUNTS_PLOT: _png(_draw_counts, counts),
    }


def _png(draw: Callable[[Figure, Mapping[str, Any]], None], counts: Mapping[str, Any]) -> bytes:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # What was set before, by a file of the user's or by a program that uses us, stays out of it.
    with style.context(["default", _SETTINGS]):
        figure = Figure(dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure, counts)
        written = io.BytesIO()
        with warnings.catch_warnings():
            # A letter that the font lacks is drawn as a frame; the page has the name as text.
            warnings.filterwarnings("ignore", message="Glyph ", category=UserWarning)
            figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    return written.getvalue()


def _draw_classes(figure: Figure, counts: Mapping[str, Any]) -> None:
    """Figure 10: clips of each class, most first, down the columns."""
    classes = list(counts["per_class"].items())[:_MOST_CLASSES]
    left_out = counts["n_classes"] - len(classes)
    n_columns = max(1, math.ceil(len(classes) / _ROWS))
    n_rows = max(1, math.ceil(len(classes) / n_columns))
    figure.set_size_inches(max(6.0, 3.4 * n_columns), 0.9 + 0.17 * n_rows)
    highest = max((clips for _, clips in classes), default=1)
    columns = figure.subplots(1, n_columns, squeeze=False)[0]
    for column, axes in enumerate(columns):
        shown = classes[column * n_rows : (column + 1) * n_rows]
        places = range(len(shown))
        axes.barh(places, [clips for _, clips in shown], color=_BAR, height=0.72)
        axes.set_yticks(places, [_plain(_short(name)) for name, _ in shown], fontsize=7.5)
        for place, (_, clips) in enumerate(shown):
            axes.text(clips + highest / 60, place, f"{clips:,}", va="center", fontsize=6.5)
        axes.set_ylim(n_rows - 0.4, -0.6)
        axes.set_xlim(0, highest * 1.14)
        axes.tick_params(axis="y", length=0, colors=_INK)
        _frame(axes, grid="x")
    first = f"; the first {len(classes):,} are drawn" if left_out else ""
    figure.suptitle(f"Clips per class ({counts['n_classes']:,} classes{first})", fontsize=11)


def _draw_areas(figure: Figure, counts: Mapping[str, Any]) -> None:
    """Figure 3b: how much of the frame a box covers."""
    figure.set_size_inches(5.4, 3.4)
    axes = figure.subplots()
    areas = counts["box_areas"]
    bars = areas["histogram"]
    width = 100 / len(bars)
    places = [(index + 0.5) * width for index in range(len(bars))]
    _bars(axes, places, bars, 0.9 * width)
    axes.set_xticks([index * width for index in range(len(bars) + 1)])
    axes.set_xlabel("area of the box, % of the frame")
    axes.set_ylabel("boxes")
    small = areas["below_40_percent"]
    said = "" if small is None else f": {100 * small:.1f}% cover less than 40%"
    axes.set_title(_plain(f"Box areas{said}"), fontsize=11)


def _draw_counts(figure: Figure, counts: Mapping[str, Any]) -> None:
    """Figure 3c: how many boxes a clip has."""
    figure.set_size_inches(5.4, 3.4)
    axes = figure.subplots()
    per_clip: Counter[int] = Counter()
    for n, clips in counts["boxes_per_clip"].items():
        per_clip[min(int(n), _MOST_BOXES)] += clips
    places = list(range(min(per_clip, default=1), max(per_clip, default=1) + 1))
    _bars(axes, places, [per_clip[n] for n in places], 0.8)
    names = [f"{n}+" if n == _MOST_BOXES else f"{n}" for n in places]
    every = math.ceil(len(places) / 20)
    axes.set_xticks(places[::-1][::every], names[::-1][::every])
    axes.set_xlabel("boxes in the clip")
    axes.set_ylabel("clips")
    several = sum(clips for n, clips in per_clip.items() if n > 1)
    total = sum(per_clip.values())
    said = f": {100 * several / total:.1f}% of the clips have several" if total else ""
    axes.set_title(_plain(f"Boxes per clip{said}"), fontsize=11)


def _bars(axes: Axes, places: list[float] | list[int], heights: list[int], width: float) -> None:
    axes.bar(places, heights, width=width, color=_BAR)
    highest = max(heights, default=0) or 1
    for place, height in zip(places, heights, strict=True):
        if height:
            axes.text(place, height + highest / 60, f"{height:,}", ha="center", fontsize=7.5)
    axes.set_ylim(0, highest * 1.08)
    _frame(axes, grid="y")


def _frame(axes: Axes, grid: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="x" if grid == "x" else "y", color=_GRID, linewidth=0.6)
    numbers = axes.xaxis if grid == "x" else axes.yaxis
    n_ticks = 4 if grid == "x" else 8
    numbers.set_major_locator(
        MaxNLocator(n_ticks, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    numbers.set_major_formatter("{x:,.0f}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _plain(text: str) -> str:
    """Keep a class name from being read as a formula."""
    return text.replace("$", r"\$")
