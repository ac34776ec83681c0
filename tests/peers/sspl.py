"""SSPL: ``sspl_w_pcm/test.py`` of github.com/zjsong/SSPL, at d1af4c7."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips, tensor

FOLDER = "SSPL"


class _Wrapper:
    def eval(self) -> None:
        """Nothing to switch off."""

    def forward(self, batch: Any) -> Any:
        maps = batch["map"][:, 0]
        return torch.zeros(()), {"orig_sim_map": maps, "orig_sim_map_rsf": maps}


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``evaluate``, which prints four decimals."""

    def batch(case: Case) -> Any:
        nothing = torch.zeros((1, 1))
        return {
            "map": tensor(case.sound),
            "frame_view1": nothing,
            "sound": nothing,
            "data_id": [case.name],
        }

    replaced: dict[str, dict[str, Any]] = {
        "models": {},
        "dataset": {},
        "dataset.videodataset": {},
        "arguments_test": {},
    }
    with imported(peers / FOLDER / "sspl_w_pcm", "test", replaced) as released:
        if cases.flickr:
            cases.write_votes(Path("data", "SoundNet_Flickr", "5k_labeled", "Annotations"))
        args = SimpleNamespace(
            testset=cases.set_name,
            imgSize=224,
            vis="pictures",
            data_path="data/",
            gt_all={case.name: [list(box) for box in case.boxes] for case in cases.items},
        )
        released.save_visual_eval = lambda *a, **k: None
        cious: list[float] = []
        judge, auc = released.eval_cal_ciou, released.auc
        areas: list[float] = []

        def record(*values: Any, **options: Any) -> Any:
            result = judge(*values, **options)
            cious.append(float(result[0]))
            return result

        def record_area(x: Any, y: Any) -> Any:
            areas.append(float(auc(x, y)))
            return areas[-1]

        released.eval_cal_ciou, released.auc = record, record_area
        with silent() as printed:
            released.evaluate(_Wrapper(), Clips(cases, batch), args)
        torch.set_grad_enabled(True)
    report = printed.getvalue().rpartition("cIoU_orig_sim: ")[2]
    return Report([Score(cious, float(report.split(",")[0]), areas[0], digits=4)])
