"""The leaderboard: published results and new runs, one table a test set and protocol family.

Scores are comparable only where the rule and the boxes are the same. A table is therefore of one
test set and one family, and a new run stands where its own result says that it belongs, or in a
table of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, TypeGuard

from vggss_tools.annotate.vggss_json import PUBLISHED_NAME, PUBLISHED_SHA256
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.published import (
    CEILING_SLACK,
    FAMILIES,
    REFERENCES,
    PublishedRow,
    Reference,
    family_of,
    published_results,
)
from vggss_tools.evaluate.result_file import read_result
from vggss_tools.evaluate.subsets import FILE, NOT

SCHEMA: Literal["vggss-leaderboard/1"] = "vggss-leaderboard/1"

# Test sets of which all is scored: a run over another number of clips stands apart.
PUBLISHED_SIZES = {PUBLISHED_NAME: 5158, "flickr-soundnet": 250}
EXTENDED_SUFFIX = "-extended"
# Families under which a perfect map has a ceiling that only tied maps escape.
RANKING = ("median", "adaptive")


class Row(TypedDict):
    """One result. Scores are percent, as text, to the digits that were printed.

    ``n_clips``, ``leaked``, ``year``: None where it is not known. ``ogl``: ``none``, a weight, or
    empty where it is not known. ``new``: a run of one's own. ``flags``: what a reader has to know.
    """

    method: str
    year: int | None
    training_set: str
    protocol: str
    ogl: str
    ciou: str
    auc: str
    ap: str
    max_f1: str
    loc_acc: str
    n_clips: int | None
    leaked: int | None
    new: bool
    flags: list[str]
    source: str
    note: str


class Table(TypedDict):
    """One test set under one family; ``rule`` is the protocol or family that it is narrowed to.

    ``disc`` and ``ceiling``: ``[cIoU, AUC]`` in percent of a centred disc and of a perfect map
    without ties, or None where they are not known.
    """

    test_set: str
    family: str
    rule: str
    description: str
    disc: list[float] | None
    ceiling: list[float] | None
    rows: list[Row]


class Leaderboard(TypedDict):
    """All tables, in the order in which they are shown."""

    schema: Literal["vggss-leaderboard/1"]
    tables: list[Table]


class _Key(NamedTuple):
    test_set: str
    family: str
    rule: str = ""


def make_leaderboard(
    runs: Iterable[Mapping[str, Any]] = (),
    *,
    family: str | None = None,
    test_set: str | None = None,
) -> Leaderboard:
    """Return the published results and the runs in their tables, best cIoU (or AP) first.

    Parameters
    ----------
    runs : results of ``vggss benchmark``, as :func:`read_run` returns them
    family, test_set : only these tables; a test set with those of its runs that stand apart

    Raises
    ------
    InvalidInput
        If no table is left; the message lists the test sets there are.
    """
    tables: dict[_Key, list[Row]] = {}
    measured: dict[_Key, Reference] = {}
    for published in published_results():
        tables.setdefault(_key_of(published), []).append(_published_row(published))
    for run in runs:
        for result in run["results"]:
            key = place(result)
            tables.setdefault(key, []).append(_run_row(run, result))
            measured.setdefault(key, _measured(result))
    order = list(FAMILIES)
    keys = sorted(
        (
            key
            for key in tables
            if family in (None, key.family)
            and test_set in (None, key.test_set, _unmarked(key.test_set))
        ),
        key=lambda key: (_set_order(key.test_set), order.index(key.family), key.rule),
    )
    if not keys:
        known = ", ".join(dict.fromkeys(sorted((k.test_set for k in tables), key=_set_order)))
        asked = " and ".join(
            f"{what} {value!r}"
            for what, value in (("family", family), ("test set", test_set))
            if value is not None
        )
        raise InvalidInput(f"no results of {asked}; the test sets there are: {known}")
    return {
        "schema": SCHEMA,
        "tables": [_table(key, tables[key], measured.get(key)) for key in keys],
    }


def place(result: Mapping[str, Any]) -> _Key:
    """Say in which table a benchmark's result belongs.

    Only a complete run over a published set, with its boxes as they were published, stands beside
    published results. Stand-ins, other boxes, left-out clips and parts of a set are named in the
    table's test set, and so stand apart from them.
    """
    used = result["annotations"]
    name, (n_scored, n_total) = used["name"], _counts(result)
    marks: list[str] = []
    if used.get("stand_in"):
        marks.append("stand-in")
    if name == PUBLISHED_NAME and used["sha256"] != PUBLISHED_SHA256:
        marks.append(f"other boxes, sha256 {used['sha256'][:8]}")
    elif name.removesuffix(EXTENDED_SUFFIX) not in PUBLISHED_SIZES:
        # Two files may have one name.
        marks.append(f"sha256 {used['sha256'][:8]}")
    subset = "+".join(used.get("subset") or ())
    if any(one.removeprefix(NOT).startswith(FILE) for one in used.get("subset") or ()):
        marks.append("a list of one's own")
    whole = PUBLISHED_SIZES.get(name)
    if used.get("errata") == "applied":
        marks.append("errata applied")
    elif not subset and whole is not None and n_total != whole:
        marks.append(f"{n_total:,} of its {whole:,} clips")
    if n_scored < n_total:
        marks.append(f"incomplete, {n_scored:,} of {n_total:,} clips")
    test_set = name + (f":{subset}" if subset else "")
    if marks:
        test_set += f" ({'; '.join(marks)})"
    return _narrowed(test_set, _family(result), str(result["protocol"]))


def _counts(result: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many samples are scored, and of how many; negatives are samples too."""
    extra = result.get("extra") or {}
    negatives, missing = (
        value if type(value := extra.get(key)) is int else 0
        for key in ("n_negative", "n_negative_missing")
    )
    return result["n_scored"] + negatives, result["n_total"] + negatives + missing


def apart(run: Mapping[str, Any]) -> list[str]:
    """Say, a line a result, where a run's results stand that are not beside published ones."""
    lines = []
    for result in run["results"]:
        key = place(result)
        if _unmarked(key.test_set) != key.test_set:
            lines.append(f"{result['protocol']}: stands apart, on {key.test_set}")
    return lines


def read_run(path: Path | str) -> dict[str, Any]:
    """Read the JSON of ``vggss benchmark`` as far as a leaderboard needs it.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is something else, or a result lacks what a row needs.
    """
    return read_result(path, _fault)


# ---------------------------------------------------------------------------------------- rows


def _key_of(row: PublishedRow) -> _Key:
    return _narrowed(row.test_set, row.family, row.protocol)


def _narrowed(test_set: str, family: str, protocol: str) -> _Key:
    """Narrow the families that hold several rules: one's own, and what is extended by negatives."""
    if _unmarked(test_set).partition(":")[0].endswith(EXTENDED_SUFFIX):
        rule = (family_of(protocol) or protocol) if family == "extended" else family
        return _Key(test_set, "extended", protocol if rule == "own" else rule)
    return _Key(test_set, family, protocol if family == "own" else "")


def _family(result: Mapping[str, Any]) -> str:
    """Return the family that a result names, or that of its protocol."""
    named = result.get("family") or family_of(str(result["protocol"]))
    return str(named or "own")


def _unmarked(test_set: str) -> str:
    return test_set.partition(" (")[0]


def _set_order(test_set: str) -> tuple[int, str]:
    """Sort published sets first, VGG-SS before Flickr-SoundNet, each before its parts."""
    base = _unmarked(test_set).partition(":")[0]
    known = ["vgg-ss", "flickr-soundnet", "vgg-ss-extended", "flickr-soundnet-extended"]
    return (known.index(base) if base in known else len(known), test_set)


def _published_row(row: PublishedRow) -> Row:
    flags = [] if row.verified else ["unverified"]
    reference = REFERENCES.get((row.test_set, row.family))
    limit = reference.ceiling if reference else None
    ciou = row.scores.get("ciou", "")
    if limit and ciou and float(ciou) > limit[0] + CEILING_SLACK:
        flags.append("above the ceiling")
    whole = PUBLISHED_SIZES.get(row.test_set)
    if whole and row.n_clips and row.n_clips < whole:
        flags.append("own list of clips")
    return {
        "method": row.method,
        "year": row.year,
        "training_set": row.training_set,
        "protocol": row.protocol,
        "ogl": row.ogl,
        "ciou": ciou,
        "auc": row.scores.get("auc", ""),
        "ap": row.scores.get("ap", ""),
        "max_f1": row.scores.get("max_f1", ""),
        "loc_acc": row.scores.get("loc_acc", ""),
        "n_clips": row.n_clips,
        "leaked": row.leak_count,
        "new": False,
        "flags": flags,
        "source": row.source,
        "note": row.note,
    }


def _run_row(run: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    made_by = run.get("model") or run.get("predictions") or {}
    leak = result.get("leakage") or {}
    extra = result.get("extra") or {}
    family = _family(result)
    flags = []
    ceiling = result.get("ceiling")
    # A fraction of a clip is no more than rounding.
    if family in RANKING and ceiling and result["ciou"] > ceiling["ciou"] + 1e-9:
        flags.append("above the ceiling")
    if result["annotations"].get("stand_in"):
        flags.append("stand-in")
    ogl = result.get("ogl")
    return {
        "method": str(made_by.get("name", "this run")),
        "year": None,
        "training_set": str(leak.get("list", "")),
        "protocol": str(result["protocol"]),
        "ogl": "none" if ogl is None else f"{ogl:g}",
        "ciou": _percent(result["ciou"]),
        "auc": _percent(result["auc"]),
        "ap": _percent(extra.get("ap")),
        "max_f1": _percent(extra.get("max_f1")),
        "loc_acc": _percent(extra.get("loc_acc")),
        "n_clips": _counts(result)[0],
        "leaked": leak.get("n_leaked"),
        "new": True,
        "flags": flags,
        "source": "vggss benchmark",
        "note": "",
    }


def _percent(share: object) -> str:
    return f"{100 * share:.2f}" if _is_number(share) else ""


def _measured(result: Mapping[str, Any]) -> Reference:
    """Return what a run's own result says of the disc and the ceiling."""

    def score(value: object) -> tuple[float, float] | None:
        if not isinstance(value, Mapping):
            return None
        ciou, auc = value.get("ciou"), value.get("auc")
        if not _is_number(ciou) or not _is_number(auc):
            return None
        return round(100 * ciou, 2), round(100 * auc, 2)

    baselines = result.get("baselines")
    disc = score(baselines.get("disc")) if isinstance(baselines, Mapping) else None
    ceiling = score(result.get("ceiling")) if _family(result) == "median" else None
    return Reference(disc, ceiling)


def _table(key: _Key, rows: Sequence[Row], measured: Reference | None) -> Table:
    main = "ap" if key.family == "extended" else "ciou"

    def rank(row: Row) -> tuple[float, str]:
        score = row["ap"] if main == "ap" else row["ciou"]
        return (-float(score) if score else math.inf, row["method"])

    reference = REFERENCES.get((key.test_set, key.family), measured)
    if reference is None or key.family == "extended":
        reference = Reference(None, None)
    return {
        "test_set": key.test_set,
        "family": key.family,
        "rule": key.rule,
        "description": FAMILIES[key.family],
        "disc": list(reference.disc) if reference.disc else None,
        "ceiling": list(reference.ceiling) if reference.ceiling else None,
        "rows": sorted(rows, key=rank),
    }


def _fault(result: object) -> str | None:
    """Say what keeps a result from being a row, if anything does."""
    if not isinstance(result, Mapping):
        return "not an object"
    for key in ("protocol", "annotations", "n_scored", "n_total", "ciou", "auc"):
        if key not in result:
            return f"no {key!r}"
    used, ceiling = result["annotations"], result.get("ceiling")
    if not isinstance(used, Mapping) or not all(
        isinstance(used.get(key), str) for key in ("name", "sha256")
    ):
        return "'annotations' has no name and sha256"
    subset = used.get("subset") or []
    if not isinstance(subset, list) or not all(isinstance(one, str) for one in subset):
        return "'subset' is not a list of names"
    for key in ("ciou", "auc"):
        if not _is_number(result[key]) or not 0 <= result[key] <= 1:
            return f"{key!r} is not a fraction 0..1"
    for key in ("n_scored", "n_total"):
        if type(result[key]) is not int or result[key] < 0:
            return f"{key!r} is not a count"
    if ceiling is not None and not (
        isinstance(ceiling, Mapping) and _is_number(ceiling.get("ciou"))
    ):
        return "'ceiling' has no 'ciou'"
    if result.get("family") is not None and result["family"] not in FAMILIES:
        return f"no family {result['family']!r}; there are {', '.join(FAMILIES)}"
    if result.get("ogl") is not None and not _is_number(result["ogl"]):
        return "'ogl' is not a weight"
    for key in ("leakage", "extra"):
        if result.get(key) is not None and not isinstance(result[key], Mapping):
            return f"{key!r} is not an object"
    return None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)
