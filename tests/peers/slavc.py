"""SLAVC: ``test.py`` and the extended metrics of github.com/stoneMo/SLAVC, at 05b429c."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.ez_vsl import released_datasets, truth_batches
from peers.networks import Clips, prior, sound_of_ezvsl

FOLDER = "SLAVC"


def score(peers: Path, cases: Cases, alpha: float, relative: bool = False) -> Report:
    """Run ``validate`` of ``test.py``; ``extra`` holds the clips' confidences."""
    with imported(peers / FOLDER, "test") as released:
        datasets, utils = released_datasets(), released.utils
        lists: list[tuple[list[float], list[float]]] = []

        def save_results(*values: Any) -> None:
            *_, cious, confidences, _ = values
            lists.append(([float(one) for one in cious], [float(one) for one in confidences]))

        stats: list[dict[str, Any]] = []
        finalize = utils.EvaluatorFull.finalize_stats

        def record(self: Any) -> dict[str, Any]:
            stats.append(finalize(self))
            return stats[-1]

        utils.save_results = save_results
        utils.EvaluatorFull.finalize_stats = record
        plain = truth_batches(datasets, cases)

        def batch(case: Case) -> Any:
            image, spec, truth, name = plain(case)
            boxes = -torch.ones((1, 10, 4)).long()
            boxes[0, : len(case.boxes)] = torch.from_numpy(np.array(truth["bboxes"]))
            return image, spec, {**truth, "bboxes": boxes}, name

        args = SimpleNamespace(
            gpu=None,
            tau=0.03,
            alpha=alpha,
            pred_size=0.5,
            pred_thr=0.5,
            relative_prediction=relative,
            save_visualizations=False,
        )
        with silent():
            released.validate(Clips(cases, batch), sound_of_ezvsl(), prior(), "results", args)
    scores = [
        Score(
            cious,
            float(table["Precision-visible@50"]),
            float(table["AUC-visible@50"]),
            extra={"confidences": [round(one, 9) for one in confidences]},
        )
        # Each evaluator's table is made twice, for its file first.
        for (cious, confidences), table in zip(lists, stats[:3], strict=True)
    ]
    sound, _, both = scores  # and, between them, of the object prior
    return Report([sound], [both])


def extended(
    peers: Path,
    boxes: Sequence[int],
    cious: Sequence[float],
    confidences: Sequence[float],
    areas: Sequence[int],
) -> dict[str, Any]:
    """Return the tables of ``EvaluatorFull`` for clips of which ``boxes`` have none (0) or some."""
    with imported(peers / FOLDER, "utils") as released:
        evaluator = released.EvaluatorFull(results_dir="results")
        evaluator.bb_list, evaluator.ciou_list = list(boxes), list(cious)
        evaluator.confidence_list, evaluator.area_list = list(confidences), list(areas)
        evaluator.name_list = [str(i) for i in range(len(boxes))]
        with silent():
            table = evaluator.finalize_stats()
            loc_acc = float(evaluator.precision_at_50())
            f1 = float(evaluator.f1_at_50())
    kept = {key: value for key, value in table.items() if value == value}
    return {**kept, "precision_at_50": loc_acc, "f1_at_50": f1}
