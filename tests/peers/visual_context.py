"""VCS: ``evaluate.py`` of Sound-Source-Localization-with-Visual-Context-Semantics.

The repository is DongzhanZhou's on github.com, at 385ae88.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips, Network, tensor
from peers.recording import recorded

FOLDER = "Sound-Source-Localization-with-Visual-Context-Semantics"


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``evaluate``."""
    ending = "" if cases.flickr else ".mp4"

    def batch(case: Case) -> Any:
        return tensor(case.prior), tensor(case.sound), [case.name + ending]

    replaced: dict[str, dict[str, Any]] = {"dataset": {}, "model": {}}
    with imported(peers / FOLDER, "evaluate", replaced) as released:
        if cases.flickr:
            cases.write_votes(Path("Annotations"))
        args = SimpleNamespace(
            testset=cases.set_name,
            gt_path="Annotations/",
            gt_all={case.name: [list(box) for box in case.boxes] for case in cases.items},
        )
        evaluator = released.utils.Evaluator
        cious = recorded(evaluator)
        said: list[tuple[float, float]] = []
        cal_auc = evaluator.cal_AUC

        def record(self: Any, values: Any) -> Any:
            said.append(cal_auc(self, values))
            return said[-1]

        evaluator.cal_AUC = record
        network = Network(lambda image, spec: (spec, None))
        logger = SimpleNamespace(info=lambda text: None)
        with silent():
            released.evaluate(network, Clips(cases, batch), logger, args)
    auc, ciou = said[0]
    return Report([Score(cious, float(ciou), float(auc))])
