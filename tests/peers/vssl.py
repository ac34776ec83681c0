"""vssl_eval: functions of ``utils_dir/eval_utils.py`` of github.com/xavijuanola/vssl_eval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from peers.checkout import imported

FOLDER = "vssl_eval"


def negatives(peers: Path, masks: Sequence[Any], mean_ciou: float) -> dict[str, Any]:
    """Return the share of each mask (pIA), the area under their curve (AOC), and F.

    ``mean_ciou`` is of the positives, in percent.
    """
    with imported(peers / FOLDER, "utils_dir.eval_utils") as released:
        shares = [float(released.compute_pIA(mask.astype(int))) for mask in masks]
        mean = 100 * sum(shares) / len(shares)
        return {
            "pia": shares,
            "aoc": float(released.compute_AUC_pIA(shares)),
            "f": float(released.compute_f(mean_ciou, 100 - mean)),
            "iou": [
                float(released.compute_IOU_maps(one.astype(int), other.astype(int)))
                for one, other in pairwise(masks)
            ],
        }
