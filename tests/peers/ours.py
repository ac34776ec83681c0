"""The same clips scored here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.cases import Cases

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.flickr_soundnet import read_flickr_items
from vggss_tools.evaluate.masks import box_mask, pixel_edges
from vggss_tools.evaluate.predictions import predictions_from_arrays
from vggss_tools.evaluate.protocols import PROTOCOLS, Protocol, RankedMap
from vggss_tools.evaluate.scoring import score_maps
from vggss_tools.evaluate.test_sets import Sample, TestSet


def truths(cases: Cases) -> list[NDArray[Any]]:
    """Return each clip's truth: a bool mask, or weights of 0, 0.5 and 1."""
    if not cases.flickr:
        return [box_mask(case.boxes) for case in cases.items]
    items = [
        {"id": c.name, "boxes_xyxy_1based_256": [list(b) for b in c.boxes]} for c in cases.items
    ]
    photos = read_flickr_items(Path("photos.json"), json.dumps(items).encode(), items)
    return [photos.truth(i) for i in range(len(photos))]


def cious(
    name: str, cases: Cases, truth: list[NDArray[Any]], alpha: float | None = None
) -> NDArray[np.float64]:
    """Return each clip's cIoU under a protocol, one row for each threshold of a sweep."""
    protocol = PROTOCOLS[name].for_set(not cases.flickr)
    rows = []
    for case, mask in zip(cases.items, truth, strict=True):
        area = int(np.count_nonzero(mask))
        if alpha is not None:
            mixed = protocol.guided(case.sound, case.prior, alpha)
            predicted = [protocol.threshold.predict(RankedMap(mixed), area)]
        elif name == "acl":
            predicted = protocol.predict_sweep(case.sound)
        else:
            predicted = [protocol.predict(case.sound, area)]
        rows.append([float(metrics.ciou(mask, one)) for one in predicted])
    return np.array(rows).T


def benchmark_cious(name: str, cases: Cases, alpha: float | None = None) -> NDArray[np.float64]:
    """Return the same as :func:`cious` by way of predictions and the benchmark's own pass."""
    protocol = PROTOCOLS[name]
    found = np.zeros((0, 0))
    shapes = {case.sound.shape for case in cases.items}
    for shape in shapes:  # a predictions file has maps of one shape
        some = [i for i, case in enumerate(cases.items) if case.sound.shape == shape]
        part = [cases.items[i] for i in some]
        samples = tuple(Sample(c.name, c.name, c.name, "", pixel_edges(c.boxes)) for c in part)
        predictions = predictions_from_arrays(
            [case.name for case in part],
            np.stack([case.sound for case in part]),
            object_map=np.stack([case.prior for case in part]),
        )
        scores = score_maps(predictions, TestSet("vgg-ss", "", samples), [protocol], alpha)
        rows = scores.cious[name].T
        if not found.size:
            found = np.zeros((len(rows), len(cases)))
        found[:, some] = rows
    return found


def headlines(protocol: Protocol, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cIoU and AUC of each row (rows, clips), shape (rows, 2)."""
    return np.array(
        [
            (
                metrics.success_rate(row, strict=protocol.strict),
                metrics.area_under_curve(metrics.success_curve(row, protocol.strict)),
            )
            for row in values
        ]
    )
