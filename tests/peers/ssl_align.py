"""SSLalignment: ``test.py`` of github.com/kaistmm/SSLalignment, at e7ae3c5."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips, Network, prior, tensor
from peers.recording import instances

FOLDER = "SSLalignment"


def score(peers: Path, cases: Cases, alpha: float, adaptive: bool = False) -> Report:
    """Run ``validate_lvs``, whose weight of the map is always 0.4.

    ``adaptive``: report what is predicted at the truth's size, not at the median.
    """
    replaced: dict[str, dict[str, Any]] = {"model_lvs": {}, "model_ssltie": {}}
    with imported(peers / FOLDER, "test", replaced) as released:
        datasets, utils = sys.modules["datasets_lvs"], released.utils
        made = instances(utils.Evaluator_iiou)
        if cases.flickr:
            cases.write_votes(Path("Annotations"))
        else:
            cases.write_vggss_json(Path("metadata", "vggss.json"))
        boxes = datasets.load_all_bboxes("Annotations", format=cases.set_name)

        def batch(case: Case) -> Any:
            key = case.name if cases.flickr else datasets.vgg_filename(case.name)
            gt_map = torch.from_numpy(datasets.bbox2gtmap(boxes[key], cases.set_name))
            return tensor(case.prior), tensor(case.sound), {"gt_map": gt_map[None]}, [key + ".mp4"]

        network = Network(lambda image, spec, args: (spec, None, None, None))
        args = SimpleNamespace(testset=cases.set_name, visualize=False)
        with silent():
            released.validate_lvs(Clips(cases, batch), network, prior(), ".", args)
        scores = []
        for one in made[:2]:
            cious = one.ciou_adap if adaptive else one.ciou
            ciou, auc = one.finalize_cIoU()[adaptive], one.finalize_AUC()[adaptive]
            scores.append(Score([float(v) for v in cious], float(ciou), float(auc)))
    return Report(scores[:1], scores[1:] if alpha == 0.4 else None)


def interactive(
    peers: Path, groups: Sequence[str], cious: Sequence[float], adaptive: Sequence[float]
) -> dict[str, float]:
    """Return IIoU and its area for clips in groups, at the median and at the truth's size."""
    with imported(peers / FOLDER, "utils") as released:
        evaluator = released.Evaluator_iiou()
        evaluator.ciou, evaluator.ciou_adap = list(cious), list(adaptive)
        for group, one, other in zip(groups, cious, adaptive, strict=True):
            evaluator.iou.setdefault(group, []).append(one)
            evaluator.iou_adap.setdefault(group, []).append(other)
        ciou, ciou_adap, iiou, iiou_adap = evaluator.finalize_cIoU()
        auc, auc_adap = evaluator.finalize_AUC()
        return {
            "ciou": float(ciou),
            "ciou_adap": float(ciou_adap),
            "auc": float(auc),
            "auc_adap": float(auc_adap),
            "iiou": float(iiou),
            "iiou_adap": float(iiou_adap),
            "iauc": float(evaluator.finalize_IAUC()),
            "iauc_adap": float(evaluator.finalize_IAUC_adap()),
        }
