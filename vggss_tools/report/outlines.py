"""Outlines of predicted regions, as SVG paths over a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SCALE = 1000  # the frame's width and height on the page, as for boxes

# A map of noise predicts thousands of specks; the largest outlines are drawn, until these many
# corners are used (about 40 kB).
CORNERS_MOST = 4000
TOLERANCE = 0.6  # pixels of the mask that a corner may be off


def outline(mask: NDArray[np.bool_]) -> str:
    """Return the edges of a mask (h, w) as the ``d`` of an SVG path; empty for an empty mask.

    Edges run through the middles of the outermost pixels, holes included. The frame is 1000 x
    1000 units.
    """
    height, width = mask.shape
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # By length, not by area: an outline of holes counts as much as one of islands.
    ordered = sorted(found, key=len, reverse=True)
    parts: list[str] = []
    used = 0
    for contour in ordered:
        corners = cv2.approxPolyDP(contour, TOLERANCE, closed=True).reshape(-1, 2)
        used += len(corners)
        if used > CORNERS_MOST and parts:
            break
        scaled = np.rint((corners + 0.5) * (SCALE / width, SCALE / height)).astype(int)
        parts.append("M" + "L".join(f"{x} {y}" for x, y in scaled.tolist()) + "Z")
    return "".join(parts)
