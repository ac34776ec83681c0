"""The benchmark's result, as it stands in the JSON file: typed, versioned, without surprises.

Scores are fractions 0..1. Nothing depends on the time, the folder or the order of the
predictions' rows: equal inputs give equal bytes.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from vggss_tools.evaluate.proposal_scores import ProposalScores

SCHEMA = "vggss-benchmark/1"


class Score(TypedDict):
    """``ciou``: share of clips that succeed at 0.5. ``auc``: area under the success curve."""

    ciou: float
    auc: float


class AnnotationsUsed(TypedDict):
    """Which boxes were scored against."""

    name: str
    sha256: str
    # True where the boxes are a sample world's own, standing in for people's.
    stand_in: bool
    # "applied": samples that the documented errata name are left out; "kept": all are scored.
    errata: str
    # What of the test set was chosen (`--subset`), in order; empty where all of it was.
    subset: list[str]


class Rules(TypedDict):
    """What the protocol does, in words, and where that stands."""

    resize: str
    normalise: str
    threshold: str
    success: str
    source: str


class CurvePoint(TypedDict):
    """Share of clips whose cIoU passes ``t``."""

    t: float
    share: float


class GroupScore(TypedDict):
    """Some of the clips, of a class or a size: their number, success rate at 0.5, mean cIoU."""

    n: int
    ciou: float
    mean_ciou: float


class TruthArea(TypedDict):
    """How large the truth is, in fractions of the frame, over the scored clips.

    ``under_quarter``: share of clips below 25%, which cannot succeed under the median rule.
    """

    median: float
    under_quarter: float
    n_empty: int


class BestTrivial(TypedDict):
    """The best of the baselines that never look at the picture."""

    name: str
    ciou: float


class Intervals(TypedDict):
    """95% bootstrap intervals over clips, ``[low, high]``."""

    ciou: list[float]
    auc: list[float]


class Bounds(TypedDict):
    """The score if every missing clip were wrong, and if every one were right, ``[low, high]``."""

    ciou: list[float]
    auc: list[float]


class Result(TypedDict):
    """Scores under one protocol."""

    protocol: str
    # Scores of different families do not belong in one table.
    family: str
    rules: Rules
    # Weight of the map against the object prior, where that guides it (`--ogl`).
    ogl: float | None
    annotations: AnnotationsUsed
    n_scored: int
    n_total: int
    missing: list[str]
    unknown: int
    ciou: float
    auc: float
    mean_ciou: float
    ci95: Intervals
    bounds: Bounds
    baselines: dict[str, Score]
    ceiling: Score
    best_trivial: BestTrivial
    # How far the score gets from the best trivial baseline to the ceiling, in cIoU.
    skill: float | None
    # Share of clips whose map's maximum lies in the boxes of what sounds.
    own_hit_rate: float
    # With a silent object's sound: share of rows whose maximum lies in that object's boxes, and
    # share whose maximum stays in the boxes of what would sound. None without swapped sounds.
    swap_rate: float | None
    swap_stay_rate: float | None
    swap_n: int
    # Share of clips with more than half of the pixels tied at the minimum, and number of clips
    # with a constant map.
    ties: float
    n_constant: int
    truth_area: TruthArea
    success: list[CurvePoint]
    curves: dict[str, list[CurvePoint]]
    by_class: dict[str, GroupScore]
    # By the truth's area in pixels of the 224 x 224 grid: below 32^2 (``small``), 96^2
    # (``medium``), 144^2 (``large``), and above (``huge``).
    by_area: dict[str, GroupScore]
    # By the number of boxes, "1", "2", …
    by_boxes: dict[str, GroupScore]
    # What of the test set is in the list that the model was trained on; None without such a list.
    leakage: dict[str, Any] | None
    # What only this protocol or this test set has: `sweep`, `ap`, `max_f1`, `loc_acc`, `iiou`, …
    extra: dict[str, Any]
    # Each scored sample's cIoU, by name, sorted; what `--compare` pairs.
    per_clip: dict[str, float]
    warnings: list[str]


class PredictionsUsed(TypedDict):
    """Which maps were scored."""

    name: str
    sha256: str
    n_rows: int
    map_shape: list[int]
    dtype: str


class ModelUsed(TypedDict):
    """Which checkpoint made the maps."""

    name: str
    sha256: str


class Tool(TypedDict):
    """What scored."""

    name: str
    version: str


class PairedDifference(TypedDict):
    """One score of two runs on the same clips: theirs, ours minus theirs, and whether that holds.

    ``ci95``: of the difference, by paired bootstrap. ``holds``: it does not contain 0.
    """

    ours: float
    theirs: float
    difference: float
    ci95: list[float]
    holds: bool


class Comparison(TypedDict):
    """A run against another under one protocol, over the clips that both have."""

    other: str
    protocol: str
    n_common: int
    n_only_ours: int
    n_only_theirs: int
    ciou: PairedDifference
    auc: PairedDifference


class BenchmarkJson(TypedDict):
    """The whole file."""

    schema: str
    tool: Tool
    environment: dict[str, str]
    predictions: PredictionsUsed
    model: NotRequired[ModelUsed]
    swap_predictions: NotRequired[PredictionsUsed]
    notes: list[str]
    seed: int
    results: list[Result]
    # How far the maps follow the sound; see `dependence.py`. Absent without rows of other sounds.
    dependence: NotRequired[dict[str, Any]]
    comparisons: NotRequired[list[Comparison]]
    proposals: NotRequired[ProposalScores]
