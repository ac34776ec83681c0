"""HTF: ``train.py`` of github.com/denfed/heartheflow, at 60ed54d."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peers.cases import Cases, Report, Score
from peers.checkout import imported, silent

FOLDER = "heartheflow"


class _Lightning:
    """Stands for ``LightningModule``, and keeps what it logs."""

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: Any, **options: Any) -> None:
        self.logged[name] = float(value)

    def save_hyperparameters(self) -> None:
        """Nothing to keep."""


class _Model:
    def __init__(self, args: Any) -> None:
        """Nothing to build."""

    def unfreeze_vision(self, yes: bool) -> None:
        """Nothing to freeze."""

    def __call__(self, image: Any, flow: Any, spec: Any) -> Any:
        return torch.zeros(()), spec


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``test_step`` on each clip, and ``test_epoch_end``."""
    replaced: dict[str, dict[str, Any]] = {
        "pytorch_lightning": {"LightningModule": _Lightning},
        "datamodule": {},
        "model": {"HearTheFlowVSSLModel": _Model},
    }
    with imported(peers / FOLDER, "train", replaced) as released:
        if cases.flickr:
            cases.write_votes(Path("Annotations"))
        else:
            cases.write_vggss_json(Path("metadata", "vggss.json"))
        args = SimpleNamespace(freeze_vision=True, testset=cases.set_name, gt_path="Annotations/")
        with silent():
            module = released.HearTheFlowModule(args)
        for case in cases.items:
            name = case.name if cases.flickr else released.convert_to_vggss(case.name)
            nothing = torch.zeros(())
            spec = torch.from_numpy(case.sound.copy())[None]
            module.test_step((nothing, nothing, spec, [name]), 0)
        cious = [float(one) for one in module.iou]
        module.test_epoch_end([])
    return Report([Score(cious, module.logged["test/cIoU"], module.logged["test/AUC"])])
