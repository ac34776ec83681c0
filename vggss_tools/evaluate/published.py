"""Published results: what the field has printed, and which of it may stand in one table.

The rows are ``annotations/published_results.csv``; where each was read stands in it. Scores are
kept as printed, in percent: ``34.4`` and ``34.40`` are not the same statement.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.resources import resource

TABLE = "published_results.csv"
SCORES = ("ciou", "auc", "ap", "max_f1", "loc_acc")

# Scores of two families say different things and are never in one table.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "median": "half of the frame is predicted, whatever the map says of its size",
        "adaptive": "as many pixels are predicted as the truth has: its size is given away",
        "sweep": "the best of many thresholds, chosen on the test set",
        "fixed": "one threshold for every map",
        "own": "a rule of its own",
        "extended": "AP, max-F1 and LocAcc, with negatives among the clips",
        "unstated": "the rule is not known",
    }
)


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One printed result.

    Attributes
    ----------
    method, training_set : str
    year : int or None
        Of the publication.
    test_set : str
        ``vgg-ss``, ``flickr-soundnet``, …, as a benchmark's result names it; after a colon a
        part of it; ``vgg-ss-first-boxes``: the boxes of the paper, which were never released.
    n_clips : int or None
        Clips that were scored, where it is known.
    family, protocol : str
        ``protocol`` is empty where it is not known which one of the family it was.
    ogl : str
        Weight of the map against the object prior; ``none`` without one; empty where the source
        does not say.
    scores : dict
        ``ciou``, ``auc``, ``ap``, ``max_f1``, ``loc_acc``, those that were printed, as printed, in
        percent.
    leak_count : int or None
        Clips of the test set in the training list; None where the list is not known.
    source, note : str
    verified : bool
        Whether it was read in a document; the others are from memory.
    """

    method: str
    year: int | None
    training_set: str
    test_set: str
    n_clips: int | None
    family: str
    protocol: str
    ogl: str
    scores: Mapping[str, str]
    leak_count: int | None
    source: str
    verified: bool
    note: str


class Reference(NamedTuple):
    """What no model at all, and what a perfect map scores; cIoU and AUC in percent, or None."""

    disc: tuple[float, float] | None
    ceiling: tuple[float, float] | None


# Computed on the annotations: a centred disc, and a perfect ranking without ties. Under `median`
# with k = 25,087 predicted pixels; with one more (`>=`) the ceiling is up to 0.1 higher.
# tests/evaluate/test_published.py computes them again.
REFERENCES: Mapping[tuple[str, str], Reference] = MappingProxyType(
    {
        ("vgg-ss", "median"): Reference((33.95, 37.43), (50.48, 49.47)),
        ("vgg-ss", "adaptive"): Reference((43.66, 42.92), None),
        ("vgg-ss:ezvsl-heard", "median"): Reference((32.06, 36.50), (48.28, 48.20)),
        ("vgg-ss:ezvsl-unheard", "median"): Reference((35.57, 38.22), (52.35, 50.54)),
        ("vgg-ss:ssltie-heard", "median"): Reference((35.05, 38.09), (51.34, 49.99)),
        ("vgg-ss:ssltie-unheard", "median"): Reference((32.89, 36.72), (49.70, 48.94)),
        ("flickr-soundnet", "median"): Reference((67.2, 54.28), (94.4, 80.44)),
        ("flickr-soundnet", "adaptive"): Reference((77.6, 58.86), None),
    }
)
# Of printed scores: lists of fewer clips and `>=` move the ceiling by up to 0.4.
CEILING_SLACK = 0.5


@cache
def published_results() -> tuple[PublishedRow, ...]:
    """Return the rows of the table, in its order.

    Raises
    ------
    ValueError
        If a row is not of the table's form; the message names its line.
    """
    rows = csv.DictReader(resource(TABLE).read_text(encoding="utf-8").splitlines())
    return tuple(_row(row, number) for number, row in enumerate(rows, 2))


def family_of(protocol: str) -> str | None:
    """Return the family of a protocol's scores, or None for one that this tool does not know."""
    known = PROTOCOLS.get(protocol)
    return str(known.family) if known else None


def _row(row: Mapping[str, str], number: int) -> PublishedRow:
    try:
        scores = {name: row[name] for name in SCORES if row[name]}
        found = PublishedRow(
            method=row["method"],
            year=_int(row["year"]),
            training_set=row["training_set"],
            test_set=row["test_set"],
            n_clips=_int(row["n_clips"]),
            family=row["protocol_family"],
            protocol=row["protocol"],
            ogl=row["ogl"],
            scores=MappingProxyType(scores),
            leak_count=_int(row["leak_count"]),
            source=row["source"],
            verified={"P": True, "M": False}[row["read"]],
            note=row["note"],
        )
        numbers = [float(value) for value in scores.values()]
        if not numbers or not all(math.isfinite(n) and 0 <= n <= 100 for n in numbers):
            raise ValueError("a row has at least one score, in percent")
        if not found.method or not found.test_set or not found.source:
            raise ValueError("a row has a method, a test set and a source")
        if found.ogl not in ("", "none") and not 0 <= float(found.ogl) <= 1:
            raise ValueError(f"ogl {found.ogl!r} is not a weight 0..1")
        if found.family not in FAMILIES:
            raise ValueError(f"no family {found.family!r}; there are {', '.join(FAMILIES)}")
        known = family_of(found.protocol)
        if found.protocol and known is None:
            raise ValueError(f"no protocol {found.protocol!r}")
        if found.protocol and found.family != "extended" and known != found.family:
            raise ValueError(f"protocol {found.protocol} is of the family {known}")
    except (KeyError, ValueError) as error:
        raise ValueError(f"annotations/{TABLE}: line {number}: {error}") from None
    return found


def _int(text: str) -> int | None:
    return int(text) if text else None
