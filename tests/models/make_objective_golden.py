"""Print what the originals' own code makes of the features of ``objective_inputs``.

``python tests/models/make_objective_golden.py PEERS``, where PEERS holds checkouts of
``Localizing-Visual-Sounds-the-Hard-Way`` (hche11), ``EZ-VSL`` (stoneMo) and ``FNAC_AVL``
(OpenNLPLab). The values stand in ``test_objective_parity.py``.
"""
# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))

from objective_inputs import digest, raw_features, unit
from published_checkouts import runnable

TABLE_4 = {
    "lvs-a": (0.6, 0.6, False, False),
    "lvs-b": (0.6, 0.6, False, True),
    "lvs-c": (0.6, 0.45, True, True),
    "lvs-d": (0.65, 0.45, True, True),
    "lvs-e": (0.65, 0.4, True, True),
    "lvs-f": (0.7, 0.3, True, True),
}


def bare(kind: type[nn.Module], **values: Any) -> Any:
    """Return a network of the original's class without its streams."""
    network = kind.__new__(kind)
    nn.Module.__init__(network)
    for name, value in values.items():
        setattr(network, name, value)
    return network


def lvs(peers: Path, name: str) -> list[float]:
    """Run AVENet.forward; its streams hand the features through."""
    positive, negative, tri_map, with_negatives = TABLE_4[name]
    with runnable(peers / "Localizing-Visual-Sounds-the-Hard-Way"):
        from model import AVENet

        network = bare(
            AVENet,
            imgnet=nn.Identity(),
            audnet=nn.Identity(),
            m=nn.Sigmoid(),
            avgpool=nn.AdaptiveMaxPool2d((1, 1)),
            epsilon=positive,
            epsilon2=negative,
            tau=0.03,
            trimap=tri_map,
            Neg=with_negatives,
            random_threshold=0,
        )
        pictures, sounds = raw_features(signed=False)
        logits = network(pictures, sounds[:, :, None, None], SimpleNamespace())[1]
    target = torch.zeros(len(logits), dtype=torch.long)
    return digest(F.cross_entropy(logits, target), pictures, sounds)


def ez_vsl(peers: Path) -> list[float]:
    """Run EZVSL.max_xmil_loss."""
    with runnable(peers / "EZ-VSL"):
        from model import EZVSL

        pictures, sounds = raw_features(signed=True)
        loss, _ = bare(EZVSL, tau=0.07).max_xmil_loss(*unit(pictures, sounds))
    return digest(loss, pictures, sounds)


def fnac(peers: Path) -> list[float]:
    """Run FNAC.calculate_loss, summed with the released weights."""
    with runnable(peers / "FNAC_AVL"):
        from model import FNAC

        pictures, sounds = raw_features(signed=True)
        network = bare(FNAC, tau=0.07, high_conf_thresh=0.6, avgpool=nn.AdaptiveAvgPool2d((1, 1)))
        (first, *pulls), _ = network.calculate_loss(*unit(pictures, sounds))
    return digest(first + sum(100 * pull for pull in pulls), pictures, sounds)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute()
    values = {name: lvs(folder, name) for name in TABLE_4}
    values |= {"ez-vsl": ez_vsl(folder), "fnac": fnac(folder)}
    for name, golden in values.items():
        rounded = [float(f"{value:.8g}") for value in golden]
        sys.stdout.write(f"    {name!r}: {rounded},\n")
