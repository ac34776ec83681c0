"""FNAC: both reports of ``test.py`` of github.com/OpenNLPLab/FNAC_AVL, at 0a0ca78."""

from __future__ import annotations

from pathlib import Path

from peers.cases import Cases, Report
from peers.checkout import imported
from peers.ez_vsl import run_validate

FOLDER = "FNAC_AVL"


def score(peers: Path, cases: Cases, alpha: float, name: str = "validate") -> Report:
    """Run ``validate`` or ``validate2``."""
    with imported(peers / FOLDER, "test") as released:
        return run_validate(released, name, cases, alpha)
