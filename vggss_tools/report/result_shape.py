"""What a benchmark result has to look like to be shown: required keys, and the form of the rest.

Files of other tools and of older versions lack keys, and are shown without them; a key that is
there has the form that ``vggss benchmark`` writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


def is_share(value: Any) -> bool:
    """Whether it is a fraction 0..1."""
    return is_number(value) and 0 <= value <= 1


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: Any) -> bool:
    """Whether it is a whole number, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_text(value: Any) -> bool:
    """Whether it is a word."""
    return isinstance(value, str)


def none_or(check: Check) -> Check:
    """Allow null too."""
    return lambda value: value is None or check(value)


def list_of(check: Check, length: int | None = None) -> Check:
    """Ask for a list, of so many items if it is said."""
    return lambda value: (
        isinstance(value, list)
        and (length is None or len(value) == length)
        and all(check(item) for item in value)
    )


def table_of(check: Check) -> Check:
    """Ask for an object whose keys may be anything."""
    return lambda value: isinstance(value, Mapping) and all(check(item) for item in value.values())


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Ask for an object with certain keys; others may be there too."""
    return lambda value: (
        isinstance(value, Mapping)
        and all(key in value and check(value[key]) for key, check in required.items())
        and all(check(value[key]) for key, check in (optional or {}).items() if key in value)
    )


share_pair = list_of(is_share, 2)
score_pairs = record({"ciou": share_pair, "auc": share_pair})
curve = list_of(record({"t": is_share, "share": is_share}))
groups = table_of(record({"n": is_count, "ciou": is_share, "mean_ciou": is_share}))

leak = record(
    {
        "list": is_text,
        "n_list": is_count,
        "test_set": is_text,
        "n_test": is_count,
        "n_leaked": is_count,
        "n_same_video": is_count,
    }
)
difference = record(
    {
        "ours": is_number,
        "theirs": is_number,
        "difference": is_number,
        "ci95": list_of(is_number, 2),
        "holds": lambda value: isinstance(value, bool),
    }
)
movement = none_or(
    record(
        {"n": is_count, "moved_mask": is_number, "moved_correlation": is_number},
        {"equal": none_or(is_share), "own_higher": none_or(is_share)},
    )
)
activation = record(
    {"threshold": is_number},
    {
        "pia": table_of(is_share),
        **dict.fromkeys(("pia_mean", "aoc_mean", "mean_ciou", "f"), none_or(is_share)),
    },
)

ANNOTATIONS = record(
    {"name": is_text, "sha256": is_text}, {"errata": is_text, "subset": none_or(list_of(is_text))}
)

# Of one result, beside those that `sources` asks for by name.
RESULT: dict[str, Check] = {
    "protocol": is_text,
    "n_scored": is_count,
    "n_total": is_count,
    "missing": list_of(is_text),
    "family": is_text,
    "rules": record(
        dict.fromkeys(("resize", "normalise", "threshold", "success", "source"), is_text)
    ),
    "ogl": none_or(is_share),
    "ci95": score_pairs,
    "bounds": none_or(score_pairs),
    "best_trivial": none_or(record({"name": is_text, "ciou": is_share})),
    "skill": none_or(is_number),
    "mean_ciou": is_share,
    "own_hit_rate": none_or(is_share),
    "swap_rate": none_or(is_share),
    "swap_stay_rate": none_or(is_share),
    "swap_n": is_count,
    "ties": is_share,
    "n_constant": is_count,
    "unknown": is_count,
    "truth_area": record({"median": is_share, "under_quarter": is_share}),
    "success": curve,
    "curves": table_of(curve),
    "by_class": groups,
    "by_area": groups,
    "by_boxes": groups,
    "leakage": lambda value: not value or leak(value) or record({"lists": list_of(leak)})(value),
    "extra": record(
        {}, {"sweep": list_of(record({"t": is_number, "ciou": is_share, "auc": is_share}))}
    ),
    "per_clip": table_of(is_share),
    "warnings": list_of(is_text),
}

used_file = record(
    {"name": is_text},
    {
        "sha256": is_text,
        "n_rows": is_count,
        "map_shape": list_of(is_count),
        "dtype": is_text,
    },
)

# Of the whole file.
BENCHMARK: dict[str, Check] = {
    "tool": record({"name": is_text, "version": is_text}),
    "environment": table_of(is_text),
    "predictions": used_file,
    "swap_predictions": used_file,
    "model": used_file,
    "notes": list_of(is_text),
    "seed": is_count,
    "dependence": none_or(
        record(
            {},
            {
                **dict.fromkeys(("other", "other_class", "silence", "noise"), movement),
                "false_activation": none_or(record({"at": table_of(activation)})),
                "n_no_own": is_count,
                "n_not_negative": is_count,
            },
        )
    ),
    "comparisons": list_of(
        record(
            {
                "other": is_text,
                "protocol": is_text,
                "n_common": is_count,
                "n_only_ours": is_count,
                "n_only_theirs": is_count,
                "ciou": difference,
                "auc": difference,
            }
        )
    ),
    "proposals": record(
        {"precision": none_or(is_share), "recall": none_or(is_share)},
        {"iou": is_share, "n_proposals": is_count, "n_truth": is_count},
    ),
}


def misshapen(value: Mapping[str, Any], checks: Mapping[str, Check]) -> str | None:
    """Return the first key whose value has another form, if any."""
    return next(
        (key for key, check in checks.items() if key in value and not check(value[key])), None
    )
