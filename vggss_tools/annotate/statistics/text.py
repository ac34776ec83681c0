"""The counts of a set of boxes for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vggss_tools.annotate.statistics.counting import more_than_one_box

# Characters of the longest bar.
_BAR = 40
# Characters of a class name.
_NAME = 60
# Classes that are shown at either end of a long list.
_ENDS = 10


def format_statistics(counts: Mapping[str, Any], name: str, *, all_classes: bool = False) -> str:
    """Return the counts as text, with bars.

    Parameters
    ----------
    counts : mapping
        What :func:`vggss_tools.annotate.statistics.statistics` returns.
    name : str
        Of the set.
    all_classes : bool
        Show every class; otherwise a long list has its first and last ones.
    """
    several, clips = more_than_one_box(counts), counts["n_clips"]
    lines = [
        f"{name}  (clips: {clips:,}; classes: {counts['n_classes']:,}; "
        f"boxes: {counts['n_boxes']:,})",
        "",
        f"boxes per clip{_share('several', several, clips)}",
        *_bars(dict(counts["boxes_per_clip"].items())),
        "",
        *_areas(counts),
        "",
        "clips per class",
        *_classes(counts["per_class"], all_classes),
    ]
    if counts["broken_boxes"]:
        kinds = ", ".join(
            f"{n:,} {kind.replace('_', ' ')}" for kind, n in counts["broken_boxes"].items()
        )
        lines += ["", f"broken boxes, counted and without an area: {kinds}"]
    return "\n".join(lines)


def _areas(counts: Mapping[str, Any]) -> list[str]:
    areas, together = counts["box_areas"], counts["clip_areas"]
    step = 100 // len(areas["histogram"])
    bars = {f"{step * i}-{step * (i + 1)}%": n for i, n in enumerate(areas["histogram"])}
    lines = ["box areas, share of the frame", *_bars(bars)]
    for said, of in (("box", areas), ("clip, its boxes together", together)):
        if of["n"]:
            lines.append(
                f"  {said}: median {100 * of['median']:.1f}%, "
                f"below 40% in {100 * of['below_40_percent']:.1f}%"
            )
    return lines


def _classes(per_class: Mapping[str, int], all_classes: bool) -> list[str]:
    lines = _bars(per_class)
    left_out = len(lines) - 2 * _ENDS
    if all_classes or left_out <= 1:
        return lines
    return [*lines[:_ENDS], f"  … {left_out:,} more (--all shows them)", *lines[-_ENDS:]]


def _bars(counts: Mapping[str, int]) -> list[str]:
    width = min(max((len(name) for name in counts), default=0), _NAME)
    highest = max(counts.values(), default=0) or 1
    digits = len(f"{highest:,}")
    return [
        f"  {_short(name):<{width}}  {n:>{digits},}  {'█' * round(_BAR * n / highest)}".rstrip()
        for name, n in counts.items()
    ]


def _share(what: str, n: int, of: int) -> str:
    return f" ({what}: {n:,}, {100 * n / of:.1f}%)" if of else ""


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
