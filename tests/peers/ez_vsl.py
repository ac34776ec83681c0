"""EZ-VSL: ``test.py`` and ``train.py`` of github.com/stoneMo/EZ-VSL, at 95ff5bf.

FNAC's test has the same form (:mod:`peers.fnac`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips, prior, sound_of_ezvsl, tensor
from peers.recording import recorded

FOLDER = "EZ-VSL"

_REPORT = re.compile(r"^(\w+): AP50\(cIoU\)=(\S+), Avg-cIoU=(\S+), AUC=(\S+)$", re.M)


def truth_batches(datasets: ModuleType, cases: Cases) -> Callable[[Case], Any]:
    """Return what makes a batch of a clip, its truth made by the repository's own reader."""
    if cases.flickr:
        cases.write_votes(Path("Annotations"))
    else:
        cases.write_vggss_json(Path("metadata", "vggss.json"))
    boxes = datasets.load_all_bboxes("Annotations", format=cases.set_name)

    def batch(case: Case) -> Any:
        gt_map = torch.from_numpy(datasets.bbox2gtmap(boxes[case.name], cases.set_name))
        truth = {"bboxes": boxes[case.name], "gt_map": gt_map[None]}
        return tensor(case.prior), tensor(case.sound), truth, [case.name]

    return batch


def run_validate(released: ModuleType, name: str, cases: Cases, alpha: float) -> Report:
    """Run a ``validate`` of the form of EZ-VSL's test."""
    lists: dict[str, list[float]] = {}

    def save_iou(cious: list[Any], suffix: str, folder: str) -> None:
        lists[suffix] = [float(one) for one in cious]

    released.utils.save_iou = save_iou
    clips = Clips(cases, truth_batches(released_datasets(), cases))
    args = SimpleNamespace(gpu=None, alpha=alpha, save_visualizations=False)
    with silent() as printed:
        getattr(released, name)(clips, sound_of_ezvsl(), prior(), ".", args)
    said = {row[0].lower(): row[1:] for row in _REPORT.findall(printed.getvalue())}
    plain, guided = (
        Score(lists[key], float(said[key][0]), float(said[key][2])) for key in ("av", "av_obj")
    )
    return Report([plain], [guided])


def released_datasets() -> ModuleType:
    """Return the checkout's own ``datasets``, which its test has imported."""
    return sys.modules["datasets"]


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``validate`` of ``test.py``."""
    with imported(peers / FOLDER, "test") as released:
        return run_validate(released, "validate", cases, alpha)


def validation(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``validate`` of ``train.py``."""
    with imported(peers / FOLDER, "train") as released:
        clips = Clips(cases, truth_batches(released_datasets(), cases))
        cious = recorded(released.utils.Evaluator)
        ciou, auc = released.validate(clips, sound_of_ezvsl(), SimpleNamespace(gpu=None))
    return Report([Score(cious, float(ciou), float(auc))])
