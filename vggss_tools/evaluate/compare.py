"""Two runs on the same clips: which differences hold.

The clips that both runs have a map of are drawn together, again and again (paired bootstrap); a
difference holds if the middle 95% of the drawn differences leave out 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.bootstrap import SEED, bootstrap_means, interval
from vggss_tools.evaluate.results import Comparison, PairedDifference

# Of a result's ``rules``: what makes scores of one protocol's name comparable.
RULES = ("resize", "normalise", "threshold", "success")


def compare_results(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], other: str, seed: int = SEED
) -> list[Comparison]:
    """Compare two benchmark results protocol by protocol.

    Parameters
    ----------
    ours, theirs : objects of schema ``vggss-benchmark/1``
    other : name of the other run

    Returns
    -------
    one comparison for each protocol that both have and that scored a common clip

    Raises
    ------
    InvalidInput
        If the other run has no clips' scores, was scored against other annotations or with
        another prior's weight or rule, or shares no protocol or no clip.
    """
    others = {result["protocol"]: result for result in theirs["results"]}
    found = []
    for result in ours["results"]:
        name = result["protocol"]
        if name not in others:
            continue
        found.append(_compare(result, others[name], other, seed))
    if not found:
        shared = ", ".join(others)
        raise InvalidInput(
            f"{other}: scored under {shared}, and none of these is asked for here; "
            "give one of them with --protocol"
        )
    return found


def _compare(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], other: str, seed: int
) -> Comparison:
    protocol = ours["protocol"]
    for key in ("sha256", "errata"):
        mine, its = ours["annotations"].get(key), theirs["annotations"].get(key)
        if mine != its:
            raise InvalidInput(
                f"{other}: scored against other annotations ({key} {str(its)[:12]}, here "
                f"{str(mine)[:12]}); score both against one file"
            )
    if ours.get("ogl") != theirs.get("ogl"):
        raise InvalidInput(
            f"{other}: scored {_ogl(theirs)}, here {_ogl(ours)}; compare runs that are scored alike"
        )
    for key in RULES:
        mine, its = (one.get("rules", {}).get(key) for one in (ours, theirs))
        if mine != its and None not in (mine, its):
            raise InvalidInput(
                f"{other}: its {protocol} is another rule ({key} {its}, here {mine}); score both "
                "under one"
            )
    scores = theirs.get("per_clip")
    if not isinstance(scores, Mapping) or not scores:
        raise InvalidInput(
            f"{other}: no clips' scores under {protocol} (key 'per_clip'), so nothing can be "
            "paired; make it again with `vggss benchmark --json FILE`"
        )
    common = sorted(ours["per_clip"].keys() & scores.keys())
    if not common:
        raise InvalidInput(f"{other}: no clip in common under {protocol}; compare on one test set")
    strict = not str(ours["rules"]["success"]).startswith("cIoU >=")
    mine = np.array([ours["per_clip"][clip] for clip in common])
    try:
        its = np.array([float(scores[clip]) for clip in common])
    except (TypeError, ValueError):
        its = np.array([np.nan])
    if not (np.isfinite(its).all() and (its >= 0).all() and (its <= 1).all()):
        raise InvalidInput(f"{other}: 'per_clip' under {protocol} has values outside of 0..1")
    columns = [*_columns(mine, strict), *_columns(its, strict)]
    means = bootstrap_means(np.column_stack(columns), seed=seed)
    return {
        "other": other,
        "protocol": protocol,
        "n_common": len(common),
        "n_only_ours": len(ours["per_clip"]) - len(common),
        "n_only_theirs": len(scores) - len(common),
        "ciou": _difference(columns[0], columns[2], means[:, 0] - means[:, 2]),
        "auc": _difference(columns[1], columns[3], means[:, 1] - means[:, 3]),
    }


def _ogl(result: Mapping[str, Any]) -> str:
    weight = result.get("ogl")
    return "without --ogl" if weight is None else f"with --ogl {weight:g}"


def _columns(cious: metrics.Floats, strict: bool) -> Sequence[metrics.Floats]:
    """Return each clip's success at 0.5 and its share of the area under the curve."""
    success = cious > 0.5 if strict else cious >= 0.5
    return success.astype(np.float64), metrics.curve_areas(cious, strict)


def _difference(
    ours: metrics.Floats, theirs: metrics.Floats, drawn: metrics.Floats
) -> PairedDifference:
    low, high = interval(drawn[:, None])[:, 0].tolist()
    return {
        "ours": float(ours.mean()),
        "theirs": float(theirs.mean()),
        "difference": float(ours.mean() - theirs.mean()),
        "ci95": [low, high],
        "holds": bool(low > 0 or high < 0),
    }
