"""Scoring of localisation maps: metrics, protocols, test sets, the benchmark.

Everything here works on the base installation. Names below are imported when they are first used,
so that ``import vggss_tools.evaluate`` costs nothing.

Conventions
-----------
*Map.* One raw localisation map a picture and sound: an array (h, w) of finite numbers, larger
where the sound is; any range, any size, row 0 = top, column 0 = left.

*Box.* ``[xmin, ymin, xmax, ymax]`` in fractions of the frame, y down.

*Mask.* bool, 224 x 224. The truth is the union of a clip's boxes; where several people drew them,
weights 0..1.

*Protocol.* A value (:class:`Protocol`): how a map is brought to 224 x 224, normalised and
thresholded, and when a clip succeeds. Scores of different protocols are not comparable.

*Scores.* Fractions 0..1. ``ciou`` in results is the share of clips that succeed at a consensus IoU
of 0.5, as in the field's tables; ``mean_ciou`` is the mean of the clips' own.

Metrics, on arrays (:mod:`~vggss_tools.evaluate.metrics`, NumPy only)
---------------------------------------------------------------------
* :func:`ciou`: consensus intersection over union of predicted masks and their truths.
* :func:`success_rate`, :func:`success_curve`, :func:`area_under_curve`: what tables print.
* :func:`average_precision`, :func:`best_iou`: how well a map ranks the pixels, no threshold.

Maps
----
* :class:`Scorer`: maps one by one or in batches, as they come out of a model.
* :data:`PROTOCOLS`: the published protocols by name; :func:`read_protocol`: one of your own.
* :func:`resize_map`, :func:`box_mask`: the two grids' common ground.

Files
-----
* :func:`read_predictions`, :func:`write_predictions`, :func:`predictions_from_arrays`
* :func:`read_test_set`: VGG-SS, Flickr-SoundNet, extended sets, IS3 and others.
* :func:`run_benchmark`: predictions and test set in; scores, coverage, baselines, ceiling and
  intervals out, as ``vggss benchmark`` writes them.
* :func:`compare_results`: which differences between two runs hold.

Examples
--------
>>> import numpy as np
>>> from vggss_tools.evaluate import Scorer
>>> scorer = Scorer(("lvs", "paper"))
>>> scorer.update(np.eye(14), [[0.1, 0.1, 0.9, 0.9]], "a_000000")
>>> scorer.compute()["lvs"]["n"]
1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vggss_tools.evaluate import metrics
    from vggss_tools.evaluate.accumulator import Scorer
    from vggss_tools.evaluate.benchmark import Benchmark, run_benchmark
    from vggss_tools.evaluate.compare import compare_results
    from vggss_tools.evaluate.masks import box_mask
    from vggss_tools.evaluate.metrics import (
        area_under_curve,
        ciou,
        success_curve,
        success_rate,
    )
    from vggss_tools.evaluate.predictions import (
        Predictions,
        predictions_from_arrays,
        read_predictions,
        write_predictions,
    )
    from vggss_tools.evaluate.protocol_file import read_protocol
    from vggss_tools.evaluate.protocols import PROTOCOLS, Protocol
    from vggss_tools.evaluate.ranking import average_precision, best_iou
    from vggss_tools.evaluate.resizing import resize_map
    from vggss_tools.evaluate.test_set_files import read_test_set
    from vggss_tools.evaluate.test_sets import TestSet

# Public name → the module of this package that has it.
_HOMES = {
    "Scorer": "accumulator",
    "Benchmark": "benchmark",
    "run_benchmark": "benchmark",
    "compare_results": "compare",
    "box_mask": "masks",
    "area_under_curve": "metrics",
    "ciou": "metrics",
    "success_curve": "metrics",
    "success_rate": "metrics",
    "Predictions": "predictions",
    "predictions_from_arrays": "predictions",
    "read_predictions": "predictions",
    "write_predictions": "predictions",
    "read_protocol": "protocol_file",
    "PROTOCOLS": "protocols",
    "Protocol": "protocols",
    "average_precision": "ranking",
    "best_iou": "ranking",
    "resize_map": "resizing",
    "read_test_set": "test_set_files",
    "TestSet": "test_sets",
}

__all__ = [
    "PROTOCOLS",
    "Benchmark",
    "Predictions",
    "Protocol",
    "Scorer",
    "TestSet",
    "area_under_curve",
    "average_precision",
    "best_iou",
    "box_mask",
    "ciou",
    "compare_results",
    "metrics",
    "predictions_from_arrays",
    "read_predictions",
    "read_protocol",
    "read_test_set",
    "resize_map",
    "run_benchmark",
    "success_curve",
    "success_rate",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("vggss_tools.evaluate.metrics")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
