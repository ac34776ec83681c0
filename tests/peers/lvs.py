"""LVS: ``test.py`` of github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way, at 8fe8cbb."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips, Network, tensor
from peers.recording import recorded

FOLDER = "Localizing-Visual-Sounds-the-Hard-Way"


class Weightless(Network):
    """A network whose weights may be loaded: there are none."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {}


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``main`` of the checkout among others."""
    return Report([score_checkout(peers / FOLDER, cases)])


def score_checkout(checkout: Path, cases: Cases) -> Score:
    """Run ``main``."""

    def batch(case: Case) -> Any:
        return tensor(case.sound), tensor(case.sound), None, [f"{case.name}.mp4"], None

    with imported(checkout, "test", {"model": {}, "datasets": {}}) as released:
        if cases.flickr:
            cases.write_votes(Path("Annotations"))
        else:
            cases.write_vggss_json(Path("metadata", "vggss.json"))
        sys.argv = ["test.py", "--testset", cases.set_name, "--gt_path", "Annotations/"]
        network = Weightless(lambda image, spec, args: (image, None, None, None))
        released.AVENet = lambda args: network
        released.nn = SimpleNamespace(DataParallel=lambda one: one)
        released.torch = SimpleNamespace(
            load=lambda path: {"model_state_dict": {}},
            device=released.torch.device,
            cuda=released.torch.cuda,
        )
        released.DataLoader = lambda *a, **k: Clips(cases, batch)
        cious = recorded(released.Evaluator)
        with silent() as printed:
            released.main()
    lines = [line.split() for line in printed.getvalue().splitlines()]
    said = {line[0]: float(line[1]) for line in lines if line[:1] in (["cIoU"], ["auc"])}
    return Score(cious, said["cIoU"], said["auc"])
