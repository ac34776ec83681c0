"""Numbers of a nested result, as a list of names and values for a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A number as it is shown, and what it is."""

    name: str
    value: str


# What the keys of results mean; a key that is not here is shown as it is.
NAMES = {
    "ap": "average precision (AP)",
    "max_f1": "max-F1",
    "loc_acc": "LocAcc: positives that succeed",
    "ap_exact": "AP, at every threshold",
    "ap_found": "AP, at every threshold, wrong places missed",
    "precision_all": "right answers if all samples are answered",
    "n_positive": "positives",
    "n_negative": "negatives",
    "n_same_class": "negatives of the picture's own class",
    "n_negative_missing": "negatives without a map",
    "n_groups": "groups",
    "n_incomplete": "groups that lack a sample",
    "clean": "without negatives of the picture's own class",
    "iiou": "IIoU: groups that succeed with every sound",
    "iauc": "IAUC",
    "ciou": "cIoU",
    "auc": "AUC",
    "pixel_ap": "average precision of the pixels' ranking, mean of the sizes",
    "pixel_ap_mean": "the same, mean of the clips",
    "pixel_ap_by_area": "of size",
    "pixel_ap_baselines": "of baseline",
    "skill_over_trivial": "skill of that ranking over the best trivial map",
    "skill_over_blind": "skill of that ranking over the best sound-blind map",
    "success_at_half": "predicted above half of the map's own range",
    "best_iou_mean": "best IoU at any threshold, mean",
    "threshold_ciou": "threshold with the highest cIoU",
    "threshold_auc": "threshold with the highest AUC",
}
# Numbers 0..1 that are no shares.
PLAIN = ("threshold", "skill", "correlation", "alpha", "confidence")


def named_values(value: Mapping[str, Any], above: str = "") -> Iterator[NamedValue]:
    """Yield every number and word of a nested object; lists only where they are a pair."""
    for key, inner in value.items():
        name = NAMES.get(key, key.replace("_", " "))
        full = f"{above}, {name}" if above else name
        if isinstance(inner, Mapping):
            yield from named_values(inner, full)
        elif isinstance(inner, list):
            if len(inner) == 2 and all(isinstance(one, (int, float)) for one in inner):
                yield NamedValue(full, " to ".join(shown(key, one) for one in inner))
        else:
            yield NamedValue(full, shown(key, inner))


def shown(key: str, value: object) -> str:
    """Return a number as the page shows it: shares in percent, counts with thousands apart."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if -1 <= value <= 1 and not any(word in key for word in PLAIN):
            return f"{100 * value:.2f}%"
        return f"{value:.4g}"
    return str(value)
