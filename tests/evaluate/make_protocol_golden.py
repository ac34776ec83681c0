"""Compute what each repository's own evaluator says about the maps of ``map_maker``.

Each runs as it is, from a checkout in PEERS, its network replaced by one that returns our maps
(``tests/peers``): everything from the resizing on, the truth's mask included, is its own code::

    python tests/evaluate/make_protocol_golden.py PEERS > tests/evaluate/protocol_golden.json
    python tests/evaluate/make_protocol_golden.py PEERS --compare vggss.json
    python tests/evaluate/make_protocol_golden.py PEERS --compare-flickr annotations.json

The first form needs every repository, the others those of the protocols asked for (``--protocol``,
which may be repeated). They score the same maps here, every clip with every kind of map in turn,
and print for each protocol how far apart the scores are; ``--list`` prints each clip beyond the
tolerance.

PEERS holds, each under its own name, EZ-VSL, SLAVC, FNAC_AVL, SSL-TIE, SSLalignment, ACL-SSL, SSPL,
heartheflow, vssl_eval, Localizing-Visual-Sounds-the-Hard-Way and
Sound-Source-Localization-with-Visual-Context-Semantics. torch is needed, and nothing else that the
project's other tests do not need.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import (
    acl_ssl,
    ez_vsl,
    fnac,
    hear_the_flow,
    inputs,
    lvs,
    ours,
    slavc,
    ssl_align,
    ssl_tie,
    sspl,
    visual_context,
    vssl,
)
from peers.cases import Box, Cases, Report, Score

from vggss_tools.annotate.vggss_json import read_vggss_json
from vggss_tools.evaluate.protocols import PROTOCOLS

ALPHAS = (0.4, 0.9)

Floats = NDArray[np.float64]

# How each protocol's repository is run: on the checkouts, the clips and a weight of the map.
RUNNERS: dict[str, Callable[[Path, Cases, float], Report]] = {
    "lvs": lvs.score,
    "ezvsl": ez_vsl.score,
    "ezvsl-val": ez_vsl.validation,
    "slavc": slavc.score,
    "slavc-relative": partial(slavc.score, relative=True),
    "fnac-a": fnac.score,
    "fnac-b": partial(fnac.score, name="validate2"),
    "ssltie": ssl_tie.score,
    "sslalign": ssl_align.score,
    "sslalign-adap": partial(ssl_align.score, adaptive=True),
    "acl": acl_ssl.score,
    "sspl": sspl.score,
    "htf": hear_the_flow.score,
    "vcs": visual_context.score,
}

# Resized with torch, on VGG-SS; the others with OpenCV.
TORCH = ("ezvsl", "ezvsl-val", "slavc", "slavc-relative", "fnac-a", "fnac-b", "acl")
TORCH_ON_FLICKR = (*TORCH, "sslalign", "sslalign-adap")


def golden(peers: Path) -> dict[str, Any]:
    """Return the golden values of every protocol and of the functions beside them."""
    values: dict[str, Any] = {}
    for set_name, make, items in (
        ("vggss", inputs.vggss_cases, inputs.golden_clips()),
        ("flickr", inputs.flickr_cases, inputs.golden_photos()),
    ):
        for name, run in RUNNERS.items():
            cases = make(name, items)
            entry = values.setdefault(name, {}).setdefault(set_name, {})
            for alpha in ALPHAS:
                report = run(peers, cases, alpha)
                entry["plain"] = [score.to_json() for score in report.plain]
                if report.guided is None:
                    break
                entry[f"ogl {alpha}"] = [score.to_json() for score in report.guided]
            sys.stderr.write(f"{name} on {set_name}\n")
    values["slavc extended"] = {
        str(count): slavc.extended(peers, **inputs.extended_clips(count)) for count in (12, 60, 450)
    }
    values["acl extended"] = {
        str(threshold): acl_ssl.extended(peers, **inputs.extended_maps(60), threshold=threshold)
        for threshold in (0.3, 0.5)
    }
    values["sslalign groups"] = ssl_align.interactive(peers, **inputs.grouped_clips())
    values["vssl_eval"] = vssl.negatives(peers, inputs.negative_masks(), 40.0)
    return values


# ---------------------------------------------------------------------------------- comparing


@dataclass
class Comparison:
    """How far apart a protocol's scores are, over all runs.

    Attributes
    ----------
    maps, differ, beyond : how many were scored, how many cIoU differ at all (by more than 1e-9),
        and by more than the tolerance
    largest : largest difference of a map's cIoU
    equal : runs whose headlines are the same to four decimals
    nearly : runs where they are but for clips that are 0/0 there, and succeed nowhere, and have
        a cIoU of 0 here, which succeeds at t = 0
    listed : a line for each map beyond the tolerance
    """

    name: str
    torch: bool
    runs: int = 0
    maps: int = 0
    differ: int = 0
    beyond: int = 0
    largest: float = 0.0
    equal: int = 0
    nearly: int = 0
    listed: list[str] = field(default_factory=list)

    def tolerance(self, kind: str) -> float:
        """Return how far a map's cIoU may be from the repository's."""
        if not self.torch:
            return 1e-6
        return 3e-3 if kind in inputs.TIED else 3e-4

    def add(self, theirs: Sequence[Score], mine: Floats, cases: Cases, first: int) -> None:
        """Take one run: their rows and ours (rows, clips)."""
        raw = np.array([row.cious for row in theirs])
        released = np.nan_to_num(raw)
        differences = np.abs(released - mine)
        for i, difference in enumerate(differences.max(axis=0)):
            kind = inputs.kind_of(i + first)
            if difference > self.tolerance(kind):
                row = int(differences[:, i].argmax())
                self.listed.append(
                    f"  {cases.items[i].name}, {kind}, row {row}: "
                    f"{released[row, i]:.6f} there, {mine[row, i]:.6f} here"
                )
        self.runs += 1
        self.maps += len(cases)
        self.differ += int(np.count_nonzero(differences.max(axis=0) > 1e-9))
        self.beyond = len(self.listed)
        self.largest = max(self.largest, float(differences.max()))
        digits = min(4, theirs[0].digits)
        there = np.array([(row.ciou, row.auc) for row in theirs]).max(axis=0)
        here = ours.headlines(PROTOCOLS[self.name], mine)
        without = here - np.stack([np.zeros(len(raw)), 0.025 * np.isnan(raw).mean(axis=1)], axis=1)
        if (there.round(digits) == here.max(axis=0).round(digits)).all():
            self.equal += 1
        elif (there.round(digits) == without.max(axis=0).round(digits)).all():
            self.nearly += 1

    def __str__(self) -> str:
        text = (
            f"{self.maps} maps, {self.differ} differ, {self.beyond} beyond the tolerance, largest "
            f"difference {self.largest:.2g}; cIoU and AUC equal in {self.equal} of {self.runs} runs"
        )
        return text + (f", in {self.nearly} more but for 0/0" if self.nearly else "")


def compare(
    peers: Path, names: Sequence[str], items: Sequence[tuple[str, Sequence[Box]]], flickr: bool
) -> Iterator[tuple[str, Comparison]]:
    """Yield each protocol's comparison, and that with the object prior where there is one."""
    make = inputs.flickr_cases if flickr else inputs.vggss_cases
    for name in names:
        torch = name in (TORCH_ON_FLICKR if flickr else TORCH)
        plain, guided = Comparison(name, torch), Comparison(name, torch)
        for first in range(len(inputs.ALL_KINDS))[:: 1 if flickr else 4]:
            cases = make(name, items, first, seed=first)
            truth = ours.truths(cases)
            report = RUNNERS[name](peers, cases, ALPHAS[0])
            plain.add(report.plain, ours.cious(name, cases, truth), cases, first)
            if report.guided:
                mine = ours.cious(name, cases, truth, ALPHAS[0])
                guided.add(report.guided, mine, cases, first)
        yield name, plain
        if guided.runs:
            yield f"{name} --ogl {ALPHAS[0]}", guided


def main() -> None:
    """Write the golden values, or compare over an annotation file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", type=Path, metavar="PEERS")
    parser.add_argument("--compare", type=Path, metavar="vggss.json")
    parser.add_argument("--compare-flickr", type=Path, metavar="annotations.json")
    parser.add_argument("--protocol", action="append", choices=RUNNERS)
    parser.add_argument("--list", action="store_true", help="each map beyond the tolerance")
    arguments = parser.parse_args()
    peers = arguments.peers.absolute()
    names = arguments.protocol or list(RUNNERS)
    comparisons: list[Iterator[tuple[str, Comparison]]] = []
    if arguments.compare:
        entries = read_vggss_json(arguments.compare).entries
        clips = [(entry.file, entry.boxes) for entry in entries]
        comparisons.append(compare(peers, names, clips, flickr=False))
    if arguments.compare_flickr:
        photos = json.loads(arguments.compare_flickr.read_text())
        boxes = [(photo["id"], photo["boxes_xyxy_1based_256"]) for photo in photos]
        comparisons.append(compare(peers, names, boxes, flickr=True))
    for name, comparison in chain.from_iterable(comparisons):
        lines = [f"{name}: {comparison}", *(comparison.listed if arguments.list else ())]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    if not comparisons:
        json.dump(golden(peers), sys.stdout, separators=(",", ":"))
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
