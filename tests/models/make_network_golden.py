"""Run the published networks on weights made by a rule, beside ours, and keep their maps.

Each repository's own network class is imported from a checkout, given the weights and inputs of
``family_checkpoints``, and run on the CPU. Nothing of it is changed but what needs a GPU, a
download or a package that it imports without use: ``.cuda()`` gives the tensor itself,
``pretrained=True`` is not followed, packages that take no part are stand-ins::

    python tests/models/make_network_golden.py CHECKOUT… > tests/models/network_golden.json

The folders have the repositories' names (``EZ-VSL``, ``SLAVC``, …). The largest difference
between their maps and ours goes to stderr, for every checkout and copy of the network. Checkouts
were at LVS 8fe8cbb, EZ-VSL 95ff5bf, SLAVC 05b429c, FNAC_AVL 0a0ca78, SSL-TIE c49e6a9,
SSLalignment e7ae3c5 and ssl_kccv 7e178e6, under torch 2.15.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from family_checkpoints import as_published, seeded_inputs, weights_by_rule
from published_checkouts import runnable

from vggss_tools.models.published import load_published

OPTIONS = SimpleNamespace(
    epsilon=0.65, epsilon2=0.4, tri_map=True, Neg=True, random_threshold=1, soft_ep=1,
    heatmap_size=14, batch_size=2,
)  # fmt: skip


def lvs(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model").AVENet(OPTIONS)
    return network, lambda image, sound: network(image, sound, OPTIONS)[0][:, 0]


def ezvsl(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model").EZVSL(0.03, 512)
    return network, lambda image, sound: network(image, sound)[1]


def slavc(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model").SLAVC(0.03, 512, 0.9, 0, 0.999, 0.999, momentum)
    return network, lambda image, sound: network(image, sound, mode="test")[1]


def fnac(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model").FNAC(0.03, 512, 0.9, 0)
    return network, lambda image, sound: network(image, sound)[1]


def ssltie(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("models.model").AVENet(OPTIONS)
    return network, lambda image, sound: network(image, sound, OPTIONS)[0][:, 0]


def sslalign(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model_lvs").AVENet(OPTIONS)
    return network, lambda image, sound: network(image, sound, OPTIONS)[0][:, 0]


def alignment(momentum: bool) -> tuple[nn.Module, Callable[..., Any]]:
    network = importlib.import_module("model").AlignmentNet(OPTIONS)
    return network, lambda image, sound: network(image, sound, OPTIONS)[0][:, 0]


# Checkout -> folder in it, the family that our side must tell, how to run theirs, frames of sound.
# SSLalignment scores with the LVS class, into which its checkpoints are loaded without the rest;
# ssl_kccv has the class that they were saved from.
REPOSITORIES: dict[str, tuple[str, str, Callable[..., Any], int]] = {
    "Localizing-Visual-Sounds-the-Hard-Way": (".", "lvs", lvs, 200),
    "EZ-VSL": (".", "ezvsl", ezvsl, 200),
    "SLAVC": (".", "slavc", slavc, 200),
    "FNAC_AVL": (".", "ezvsl", fnac, 200),
    "SSL-TIE": (".", "ssltie", ssltie, 670),
    "SSLalignment": (".", "lvs", sslalign, 299),
    "ssl_kccv": ("Alignment", "sslalign", alignment, 299),
}


def main() -> None:
    """Compare every checkout's network with ours, and write the golden maps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", type=Path, nargs="+", metavar="CHECKOUT")
    golden: dict[str, Any] = {}
    worst = 0.0
    for checkout in parser.parse_args().checkouts:
        folder, family, build, frames = REPOSITORIES[checkout.name]
        images, sounds = (torch.from_numpy(one) for one in seeded_inputs(frames=frames))
        for twin in ("online", "momentum") if family == "slavc" else ("online",):
            with runnable((checkout / folder).resolve()):
                network, run = build(twin == "momentum")
                shapes = {name: tuple(one.shape) for name, one in network.state_dict().items()}
                weights = weights_by_rule(shapes)
                network.load_state_dict(weights)
                network.eval()
                with torch.inference_mode():
                    theirs = run(images, sounds)
            chosen = twin if family == "slavc" else None
            ours = load_published(as_published(family, weights), checkout.name, twin=chosen)
            assert ours.family.name == family
            with torch.inference_mode():
                maps = ours.network(images, sounds)
            difference = float((maps - theirs).abs().max())
            worst = max(worst, difference)
            span = f"{float(theirs.min()):.3f} to {float(theirs.max()):.3f}"
            sys.stderr.write(
                f"{checkout.name} ({family}, {twin}): {len(shapes)} weights, maps "
                f"{tuple(theirs.shape)} of {span}, largest difference {difference:.2g}\n"
            )
            golden[f"{checkout.name} {twin}"] = {
                "family": family,
                "twin": chosen,
                "frames": frames,
                "maps": np.round(theirs.double().numpy(), 6).tolist(),
            }
    sys.stderr.write(f"largest difference of all: {worst:.2g}\n")
    json.dump(golden, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
