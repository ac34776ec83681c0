"""Baselines: what a score is worth, on the same clips and under the same protocol.

Trivial (they never look): ``ones``, ``disc``, ``mean_box``. Sound-blind (they look but do not
listen): ``blind_union``, ``blind_largest``. And the ceiling, what a perfect map scores.

A protocol either takes a map's values as they are (a fixed threshold) or only their order (the
median rule). A baseline that is a region is put to the first kind as that region, and to the
second as its signed distance map, which ranks the region first and has hardly any ties; a map
with ties could predict less than half of the frame, and so more than the rule is meant to allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Annotations
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import GRID, Mask, box_mask
from vggss_tools.evaluate.protocols import (
    PIXELS,
    Protocol,
    RankedMap,
    SweepThreshold,
    TruthSizeThreshold,
)
from vggss_tools.evaluate.test_sets import TestSet
from vggss_tools.evaluate.truths import TruthTable

Map = NDArray[np.float32]
Floats = NDArray[np.float64]
Boxes = Sequence[Sequence[float]]

# The best of these is what a model has to beat; `skill` counts from there.
TRIVIAL = ("ones", "disc", "mean_box")
SOUND_BLIND = ("blind_union", "blind_largest")

DESCRIPTIONS = {
    "ones": "the whole frame",
    "disc": "a centred disc of half the frame",
    "mean_box": "the mean box mask of the training annotations",
    "blind_union": "all proposed boxes, whatever sounds",
    "blind_largest": "the largest proposed box, whatever sounds",
    "ceiling": "a perfect map",
}


@cache
def disc_map() -> Map:
    """Return the map that falls with the distance to the frame's centre, (224, 224).

    Its values are shares of the frame: a pixel's is the share of pixels that lie farther out. So
    the disc of the pixels above 0.5 covers half of the frame, and the order is that of minus the
    distance.
    """
    offset = np.arange(GRID) - (GRID - 1) / 2
    distance = offset[:, None] ** 2 + offset[None, :] ** 2
    farther = PIXELS - np.searchsorted(np.sort(distance, axis=None), distance, side="right")
    return (farther / PIXELS).astype(np.float32)


def mean_box_map(training: Annotations, test_set: TestSet) -> Map:
    """Return the mean of the training clips' box masks, (224, 224), values 0..1.

    Raises
    ------
    InvalidInput
        If the training annotations are the test's, or share a clip with them.
    """
    if training.sha256 in (test_set.sha256, *test_set.sources):
        raise InvalidInput(
            f"--train-annotations {training.name}: this is the annotation file to be scored; "
            "a baseline may not learn from it, give the training clips' boxes"
        )
    pictures = {sample.image_id for sample in test_set.samples}
    shared = sorted({entry.file for entry in training.entries} & pictures)
    if shared:
        raise InvalidInput(
            f"--train-annotations {training.name}: {len(shared)} of its clips are in "
            f"{test_set.name} ({shared[0]}…); a baseline may not learn from them, leave them out"
        )
    if not training.entries:
        raise InvalidInput(f"--train-annotations {training.name}: no clips; give some")
    total = np.zeros((GRID, GRID), dtype=np.float64)
    for entry in training.entries:
        total += box_mask(entry.boxes)
    return (total / len(training.entries)).astype(np.float32)


def static_maps(mean_box: Map | None = None) -> dict[str, Map]:
    """Return the maps of the baselines that are the same for every clip."""
    maps = {"ones": np.ones((GRID, GRID), dtype=np.float32), "disc": disc_map()}
    if mean_box is not None:
        maps["mean_box"] = mean_box
    return maps


def static_cious(protocol: Protocol, name: str, values: Map, truths: TruthTable) -> Floats:
    """Return what a baseline that is the same for every clip scores on each.

    Parameters
    ----------
    values : map (224, 224), 0..1, as :func:`static_maps` gives it

    Returns
    -------
    float64 array (N, T), T the number of thresholds of a sweep, else 1.
    """
    threshold = protocol.threshold
    if name == "ones":
        # Said as a mask: under a min-max a constant map has no contrast and predicts nothing.
        masks = [np.ones((GRID, GRID), dtype=np.bool_)]
    elif isinstance(threshold, SweepThreshold):
        masks = [values >= level for level in threshold.thresholds]
    elif protocol.absolute:
        masks = [values > 0.5]
    elif isinstance(threshold, TruthSizeThreshold):
        return _by_truth_size(threshold, values, truths)[:, None]
    else:
        masks = [protocol.predict(values)]
    return np.column_stack([truths.ciou(mask) for mask in masks])


def _by_truth_size(threshold: TruthSizeThreshold, values: Map, truths: TruthTable) -> Floats:
    """Return the cIoU of a map that predicts as many pixels as each truth has."""
    ranked = RankedMap(values)
    ranked.sort()
    return np.array(
        [
            metrics.ciou_of_counts(hit, truth.total, false)
            for truth in truths
            for hit, false in [truth.count(threshold.predict(ranked, truth.area))]
        ]
    )


def ceiling_cious(protocol: Protocol, truths: TruthTable) -> Floats:
    """Return what a perfect map scores on each sample, (N,)."""
    return truths.ceilings(protocol.pixels)


def blind_regions(boxes: Boxes) -> dict[str, Mask]:
    """Return the regions of the sound-blind baselines for one clip; empty without a box."""
    largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)
    return {
        "blind_union": box_mask(boxes),
        "blind_largest": box_mask([largest] if largest is not None else []),
    }


def predict_region(protocol: Protocol, region: Mask, truth_area: int = PIXELS // 2) -> Mask:
    """Return what a protocol makes of a map that is certain of one region.

    An empty region predicts nothing, the whole frame everything.
    """
    if not protocol.ranks or region.all() or not region.any():
        return region
    return protocol.predict(signed_distance(region), truth_area)


# Pixels, added in favour of the centre: less than half of 0.0016, the least difference of two
# distances in the frame, sqrt(n + 1) - sqrt(n) with n = 2 x 224^2; so it only parts what ties.
TIE_BREAK = 0.0007


def signed_distance(region: Mask) -> Map:
    """Return each pixel's distance to the edge of a region: positive inside, negative outside.

    Pixels at one distance, whole rows of them beside a box, are parted by their distance to the
    frame's centre.
    """
    import cv2

    inside = region.astype(np.uint8)
    precise = cv2.DIST_MASK_PRECISE
    to_outside: Map = cv2.distanceTransform(inside, cv2.DIST_L2, precise)
    to_inside: Map = cv2.distanceTransform(1 - inside, cv2.DIST_L2, precise)
    return to_outside - to_inside + np.float32(TIE_BREAK) * disc_map()


def best_trivial(scores: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the best of the trivial baselines and its score."""
    known = [(scores[name], -i, name) for i, name in enumerate(TRIVIAL) if name in scores]
    return (max(known)[2], max(known)[0]) if known else None


def skill(score: float, trivial: float, ceiling: float) -> float | None:
    """Return how far a score gets from the best trivial baseline to the ceiling.

    0 is the baseline, 1 the ceiling, less than 0 is worse than not looking. None where the
    ceiling leaves no room.
    """
    room = ceiling - trivial
    return (score - trivial) / room if room > 0 else None
