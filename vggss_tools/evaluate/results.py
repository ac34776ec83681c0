"""The benchmark's result, as it stands in the JSON file: typed, versioned, without surprises.

Scores are fractions 0..1. Nothing depends on the time, the folder or the order of the
predictions' rows: equal inputs give equal bytes.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

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


class ClassScore(TypedDict):
    """One class's clips: their number, success rate at 0.5 and mean cIoU."""

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


class Result(TypedDict):
    """Scores under one protocol."""

    protocol: str
    rules: Rules
    annotations: AnnotationsUsed
    n_scored: int
    n_total: int
    missing: list[str]
    unknown: int
    ciou: float
    auc: float
    mean_ciou: float
    ci95: Intervals
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
    by_class: dict[str, ClassScore]
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


class BenchmarkJson(TypedDict):
    """The whole file."""

    schema: str
    tool: Tool
    environment: dict[str, str]
    predictions: PredictionsUsed
    model: NotRequired[ModelUsed]
    swap_predictions: NotRequired[PredictionsUsed]
    notes: list[str]
    results: list[Result]
    proposals: NotRequired[ProposalScores]
