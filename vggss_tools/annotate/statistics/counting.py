"""Counts of a set of boxes, as the paper gives them: its Figures 3b, 3c and 10, and Appendix B.3.

For any file of the published format. Broken boxes (``vggss_json.box_defect``) count as boxes, since
Figure 3c and Appendix B.3 count them so, but have no area.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vggss_tools.annotate.vggss_json import Entry, RawBox, box_defect
from vggss_tools.boxes import Box, union_area

SCHEMA = "vggss-stats/1"

# Bars of the area histogram (Figure 3b), as shares of the frame: 10 of 10 %.
AREA_BINS = 10

# "The majority of boxes cover less than 40% of the image area" (Figure 3b).
SMALL_AREA = 0.4


def statistics(entries: Iterable[Entry]) -> dict[str, Any]:
    """Count clips, classes, boxes and areas (``vggss-stats/1``).

    Returns
    -------
    dict
        ``n_clips``, ``n_classes``, ``n_boxes``; ``boxes_per_clip``: number of boxes, as text ->
        clips; ``per_class``: class -> clips, most first, then by name; ``box_areas`` and
        ``clip_areas`` (of the union of a clip's boxes), as shares of the frame: ``n``,
        ``histogram`` (ten bars of 10 %, the lower end in, the upper out but for 1), ``median`` and
        ``below_40_percent``; ``broken_boxes``: kind -> boxes.
    """
    found = list(entries)
    per_class = Counter(entry.label for entry in found)
    sound = [[Box(*box) for box in entry.boxes if box_defect(box) is None] for entry in found]
    return {
        "schema": SCHEMA,
        "n_clips": len({entry.file for entry in found}),
        "n_classes": len(per_class),
        "n_boxes": sum(len(entry.boxes) for entry in found),
        "boxes_per_clip": {
            str(n): clips
            for n, clips in sorted(Counter(len(entry.boxes) for entry in found).items())
        },
        "per_class": dict(sorted(per_class.items(), key=lambda item: (-item[1], item[0]))),
        "box_areas": _areas([box.area for boxes in sound for box in boxes]),
        "clip_areas": _areas([union_area(boxes) for boxes in sound if boxes]),
        "broken_boxes": _broken(box for entry in found for box in entry.boxes),
    }


def more_than_one_box(counts: Mapping[str, Any]) -> int:
    """Return how many clips have several boxes (Figure 3c)."""
    clips: int = counts["n_clips"]
    return clips - int(counts["boxes_per_clip"].get("1", 0))


def _areas(areas: Sequence[float]) -> dict[str, Any]:
    bars = [0] * AREA_BINS
    for area in areas:
        bars[min(int(area * AREA_BINS), AREA_BINS - 1)] += 1
    ordered = sorted(areas)
    middle = len(ordered) // 2
    median = None
    if ordered:
        odd = len(ordered) % 2 == 1
        median = ordered[middle] if odd else (ordered[middle - 1] + ordered[middle]) / 2
    small = sum(area < SMALL_AREA for area in areas)
    return {
        "n": len(areas),
        "histogram": bars,
        "median": median,
        "below_40_percent": small / len(areas) if areas else None,
    }


def _broken(boxes: Iterable[RawBox]) -> dict[str, int]:
    kinds = Counter(defect for box in boxes if (defect := box_defect(box)) is not None)
    return dict(sorted(kinds.items()))
