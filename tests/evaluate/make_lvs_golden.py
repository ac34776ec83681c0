"""Compute what the released evaluator of LVS says about the maps of ``map_maker``.

It runs ``test.py`` of a checkout of github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way as it
is, its network replaced by one that returns our maps (everything from the resizing on is that
code's own), and keeps the cIoU of each clip, cIoU and AUC, unrounded::

    python tests/evaluate/make_lvs_golden.py CHECKOUT > tests/evaluate/lvs_golden.json
    python tests/evaluate/make_lvs_golden.py CHECKOUT --compare vggss.json

The second form compares with our scores over an annotation file, clip by clip, and prints the
largest difference. The checkout was at 8fe8cbb. ``make_protocol_golden.py`` does the same for every
protocol.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from map_maker import make_entries, make_map, make_prior
from peers import lvs
from peers.cases import Case, Cases, Score

from vggss_tools.annotate.vggss_json import Entry, read_vggss_json
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import box_mask
from vggss_tools.evaluate.protocols import LVS

GOLDEN_CLIPS = 80


def released_scores(checkout: Path, entries: Sequence[Entry], seed: int) -> tuple[Score, Cases]:
    """Run the checkout's evaluator on clips that get every kind of map in turn."""
    items = [
        Case(e.file, e.boxes, make_map(i + seed, e.boxes, seed), make_prior(i, e.boxes))
        for i, e in enumerate(entries)
    ]
    cases = Cases(False, items)
    return lvs.score_checkout(checkout, cases), cases


def main() -> None:
    """Write the golden values, or compare over an annotation file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--compare", type=Path, metavar="vggss.json")
    arguments = parser.parse_args()
    checkout = arguments.checkout.absolute()
    if arguments.compare is None:
        score, _ = released_scores(checkout, make_entries(GOLDEN_CLIPS), 0)
        # NaN, the 0/0 of an empty truth, is not JSON.
        kept = [None if np.isnan(one) else one for one in score.cious]
        json.dump({"ciou": score.ciou, "auc": score.auc, "cious": kept}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    entries = read_vggss_json(arguments.compare).entries
    for seed in range(3):
        score, cases = released_scores(checkout, entries, seed)
        ours = np.array(
            [
                float(metrics.ciou(box_mask(case.boxes), LVS.predict(case.sound)))
                for case in cases.items
            ]
        )
        theirs = np.nan_to_num(np.array(score.cious))
        our_ciou = metrics.success_rate(ours, strict=False)
        our_auc = metrics.area_under_curve(metrics.success_curve(ours, strict=False))
        sys.stdout.write(
            f"seed {seed}: {len(ours)} clips, largest difference {np.abs(ours - theirs).max()}, "
            f"cIoU {our_ciou} and {score.ciou}, AUC {our_auc} and {score.auc}\n"
        )


if __name__ == "__main__":
    main()
