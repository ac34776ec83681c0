"""What both sides are given: clips with maps in each protocol's scale, and small lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from map_maker import (
    KINDS,
    SMOOTH_KINDS,
    make_boxes,
    make_entries,
    make_map,
    make_prior,
    make_smooth_map,
    make_votes,
)
from numpy.typing import NDArray
from peers.cases import Box, Case, Cases, Map

from vggss_tools.evaluate.masks import GRID, box_mask

Maker = Callable[[int, Sequence[Box], int], Map]
ALL_KINDS = (*KINDS, *SMOOTH_KINDS)
# Where a threshold may fall among equal values.
TIED = ("tied at minimum", "tied at maximum", "binary truth", "hill cut at zero")

GOLDEN_CLIPS = 80
GOLDEN_PHOTOS = 40


def kind_of(index: int) -> str:
    """Return the kind of map that :func:`any_map` makes."""
    return ALL_KINDS[index % len(ALL_KINDS)]


def any_map(index: int, boxes: Sequence[Box], seed: int = 0) -> Map:
    """Return a raw map of one of all kinds, rough and smooth, in turn."""
    turn = index % len(ALL_KINDS)
    if turn < len(KINDS):
        return make_map(turn + len(KINDS) * index, boxes, seed)
    return make_smooth_map(turn - len(KINDS) + len(SMOOTH_KINDS) * index, boxes, seed)


def in_scale(protocol: str, values: Map) -> Map:
    """Bring a map into the range that a protocol takes for what it is; order and ties stay.

    Of sums, products and quotients only, so that every machine makes the same values.
    """
    centred = values.astype(np.float64) - 0.5
    if protocol.startswith("slavc"):  # cosine / 0.03
        return (centred / (1 + np.abs(centred)) / 0.03).astype(np.float32)
    if protocol == "acl":  # logits
        return (8 * centred).astype(np.float32)
    return values


def vggss_cases(
    protocol: str, clips: Sequence[tuple[str, Sequence[Box]]], first: int = 0, seed: int = 0
) -> Cases:
    """Return clips with a map each, the first of kind number ``first``."""
    items = [
        Case(
            name,
            boxes,
            in_scale(protocol, any_map(i + first, boxes, seed)),
            make_prior(i, boxes, seed),
        )
        for i, (name, boxes) in enumerate(clips)
    ]
    return Cases(False, items)


def flickr_cases(
    protocol: str, photos: Sequence[tuple[str, Sequence[Box]]], first: int = 0, seed: int = 0
) -> Cases:
    """Return photos with a map each, the first of kind number ``first``."""
    items = []
    for i, (name, boxes) in enumerate(photos):
        fractions = [[v / 256 for v in box] for box in boxes]
        sound = in_scale(protocol, any_map(i + first, fractions, seed))
        items.append(Case(name, boxes, sound, make_prior(i, fractions, seed)))
    return Cases(True, items)


def golden_clips() -> list[tuple[str, Sequence[Box]]]:
    """Return the clips of the golden values, every 20th with a broken box."""
    return [(entry.file, entry.boxes) for entry in make_entries(GOLDEN_CLIPS)]


def golden_photos() -> list[tuple[str, Sequence[Box]]]:
    """Return the photos of the golden values, with several people's boxes."""
    return [(str(100000 + i), make_votes(i)) for i in range(GOLDEN_PHOTOS)]


def extended_clips(count: int, seed: int = 0) -> dict[str, list[Any]]:
    """Return clips and negatives with scores: ``boxes`` (0: a negative), cIoU, confidence, area.

    Confidences tie, some clips are scored at 0.5 exactly, and a negative of which nothing is
    predicted has NaN, 0/0, as in SLAVC's own code.
    """
    rng = np.random.default_rng([seed, count])
    boxes = [int(v) for v in rng.integers(0, 4, count)]
    cious, areas = [], []
    for number in boxes:
        if number:
            cious.append(0.5 if rng.random() < 0.1 else float(rng.integers(0, 21)) / 20)
            areas.append(int(rng.integers(1, 200)) ** 2)
        else:
            cious.append(0.0 if rng.random() < 0.7 else float("nan"))
            areas.append(0)
    confidences = [float(v) / 40 for v in rng.integers(8, 33, count)]
    return {"boxes": boxes, "cious": cious, "confidences": confidences, "areas": areas}


def grouped_clips(seed: int = 0) -> dict[str, list[Any]]:
    """Return clips in groups of one to three, with two lists of cIoU."""
    rng = np.random.default_rng([seed, 5])
    groups = [f"scene{i}" for i in range(25) for _ in range(1 + i % 3)]
    cious = [float(v) / 20 for v in rng.integers(4, 21, len(groups))]
    adaptive = [float(v) / 20 for v in rng.integers(8, 21, len(groups))]
    return {"groups": groups, "cious": cious, "adaptive": adaptive}


def extended_maps(count: int, seed: int = 0) -> dict[str, list[Any]]:
    """Return clips and negatives as ACL's extended test takes them: maps 0..1, masks, labels."""
    rng = np.random.default_rng([seed, count, 6])
    labels, maps, truths = [], [], []
    for i in range(count):
        boxes = make_boxes(i, seed)
        silent = i % 3 == 2
        truth = np.zeros((GRID, GRID)) if silent else box_mask(boxes).astype(np.float64)
        coarse = truth.reshape(14, 16, 14, 16).mean(axis=(1, 3))
        small = 0.5 * coarse + 0.4 * rng.random((14, 14))
        labels.append("non-sounding" if silent else "owl hooting")
        maps.append(np.kron(small, np.ones((16, 16))).astype(np.float32))
        truths.append(truth)
    confidences = [float(v) / 20 for v in rng.integers(0, 21, count)]
    return {"labels": labels, "maps": maps, "truths": truths, "confidences": confidences}


def negative_masks(seed: int = 0) -> list[NDArray[np.bool_]]:
    """Return what is predicted for negatives: masks from nothing to everything."""
    rng = np.random.default_rng([seed, 7])
    shares = [0.0, 0.0, 1.0, *rng.random(21)]
    return [rng.random((GRID, GRID)) < share for share in shares]
