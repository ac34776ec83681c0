"""Stage ``propose``: the frames of the clips → their detections → one table of proposals."""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from vggss_tools.clips import Clip
from vggss_tools.engines.local import available_cores
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.ledger import Ledger
from vggss_tools.propose.choosing import REMOVED, Choice, FrameOutcome, choose_boxes
from vggss_tools.propose.detector import (
    DEFAULT_BATCH,
    DETECTORS,
    ClipDetector,
    Detection,
    Detector,
    DetectorCard,
    describe_detector,
    load_detector,
)
from vggss_tools.propose.frame_reader import FrameReader
from vggss_tools.propose.matching import SIMILARITY_THRESHOLD, Match, Matcher
from vggss_tools.propose.proposals import (
    Proposal,
    match_detections,
    read_detections,
    usable_matches,
    write_detections,
    write_proposals,
    write_table,
)
from vggss_tools.propose.rules import BoxRules, load_rules
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

# Of the detector `sample`, which the stage uses unless told otherwise.
SCORE_THRESHOLD = DETECTORS["sample"].score_threshold
OUTCOMES_TABLE = "proposal_outcomes.parquet"


@dataclass
class ProposeStage(Stage):
    """Detect objects in the clips' frames.

    Attributes
    ----------
    detector : str
        ``name`` or ``name:argument``.
    device : str
        Torch device. It is no part of the settings: another device rounds differently, but
        does not find other things. Of several processes on ``cuda`` each takes the next GPU.
    score_threshold : float
        Detections below are dropped.
    frames_at_once : int, optional
        Frames that the detector is given at once; default: as many as it likes.
    processes : int
        Processes that the stage will run in, 0 for this one; for their share of the cores.
    """

    name: ClassVar[str] = "propose"

    workspace: Workspace
    detector: str = "sample"
    device: str = "cpu"
    score_threshold: float = SCORE_THRESHOLD
    frames_at_once: int | None = None
    processes: int = 0
    _card: DetectorCard = field(init=False, repr=False)
    _plan: list[Path] = field(default_factory=list, init=False, repr=False)
    _loaded: Detector | None = field(default=None, init=False, repr=False)
    _reader: FrameReader | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._card = describe_detector(self.detector)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what each process has of its own."""
        return {**self.__dict__, "_plan": [], "_loaded": None, "_reader": None}

    @property
    def card(self) -> DetectorCard:
        """What is known of the detector."""
        return self._card

    @property
    def classes(self) -> tuple[str, ...]:
        """The detector's vocabulary."""
        return self._card.classes

    # Asked only when there is something to do: a run without needs no detector.
    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """Frames that are read, detected and recorded at a time."""
        if self.frames_at_once is not None:
            return self.frames_at_once
        if self.processes:  # which load it themselves
            return DEFAULT_BATCH
        return getattr(self._ready(), "batch_size", None) or DEFAULT_BATCH

    @property
    def gpus(self) -> float:  # type: ignore[override]
        """GPUs that a worker needs."""
        return float(self.device.startswith("cuda"))

    def share(self, workers: int) -> None:
        """Let each process have its share of the cores."""
        if self.processes:
            self.processes = workers

    def settings(self) -> dict[str, Any]:
        """Detector, its weights, and the threshold."""
        return {
            "detector": self._card.name,
            "fingerprint": self._card.fingerprint,
            "score_threshold": self.score_threshold,
        }

    def versions(self) -> dict[str, str]:
        """Versions of torch and torchvision."""
        from importlib.metadata import PackageNotFoundError, version

        found = {}
        for package in ("torch", "torchvision"):
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue  # a run that has nothing to do needs neither
        return found

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the clip's frame."""
        return [self.workspace.frame_path(clip.clip_id)]

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the clip's detections."""
        return [self.workspace.proposal_path(clip.clip_id)]

    def plan(self, clips: Sequence[Clip]) -> None:
        """Say which clips are coming, so that their frames are decoded ahead.

        Clips that are done are left out; a guess that is wrong costs a little time.
        """
        done = _done_with(self)
        self._plan = [self.inputs(clip)[0] for clip in clips if clip.clip_id not in done]

    def setup(self) -> None:
        """Load the detector."""
        self._ready()

    def _ready(self) -> Detector:
        """Return the detector, loaded; in a worker process onto the GPU that is its own."""
        if self._loaded is None:
            if multiprocessing.parent_process() is None:
                self._loaded = load_detector(self.detector, self.device)
            else:  # which gets a copy of the stage with each batch
                self._loaded = _load_once(self.detector, self.device, self.processes)
        return self._loaded

    def _frames(self) -> FrameReader:
        if self._reader is None:
            self._reader = FrameReader(self._plan, ahead=self.batch_size if self._plan else 0)
        return self._reader

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> list[ClipFailure | None]:
        """Detect in all frames that can be read; the others fail alone."""
        found = self._find(clips)
        results: list[ClipFailure | None] = []
        for clip, clip_parts, detections in zip(clips, parts, found, strict=True):
            if isinstance(detections, ClipFailure):
                results.append(detections)
                continue
            kept = [d for d in detections if d.score >= self.score_threshold]
            (part,) = clip_parts.values()
            write_detections(part, clip.clip_id, kept, self.settings())
            results.append(None)
        return results

    def _find(self, clips: Sequence[Clip]) -> list[list[Detection] | ClipFailure]:
        """Return what is in each clip's frame, or why there is no saying."""
        detector = self._ready()
        paths = [self.inputs(clip)[0] for clip in clips]
        if isinstance(detector, ClipDetector):
            return self._look_up(detector, clips, paths)
        frames = self._frames().read(paths)
        images = [frame for frame in frames if not isinstance(frame, ClipFailure)]
        found = iter(detector.detect(images) if images else [])
        return [frame if isinstance(frame, ClipFailure) else next(found) for frame in frames]

    def _look_up(
        self, detector: ClipDetector, clips: Sequence[Clip], paths: Sequence[Path]
    ) -> list[list[Detection] | ClipFailure]:
        sizes: list[tuple[int, int] | ClipFailure | None]
        if detector.needs_frames:
            sizes = [
                frame if isinstance(frame, ClipFailure) else (frame.shape[1], frame.shape[0])
                for frame in self._frames().read(paths)
            ]
        else:
            sizes = [None if path.is_file() else _no_frame(path) for path in paths]
        found: list[list[Detection] | ClipFailure] = []
        for clip, size in zip(clips, sizes, strict=True):
            if isinstance(size, ClipFailure):
                found.append(size)
                continue
            try:
                found.append(detector.detections_of(clip.clip_id, size))
            except ClipFailure as failure:
                found.append(failure)
        return found


@cache
def _load_once(detector: str, device: str, processes: int) -> Detector:
    """Load a detector in a worker process, with its share of the GPUs or of the cores."""
    if device == "cuda":
        import torch

        worker = multiprocessing.current_process()
        number: int = worker._identity[0] - 1  # type: ignore[attr-defined]
        device = f"cuda:{number % torch.cuda.device_count()}"
    loaded = load_detector(detector, device)
    if "torch" in sys.modules and device == "cpu":
        import torch

        torch.set_num_threads(max(1, available_cores() // max(processes, 1)))
    return loaded


def _no_frame(path: Path) -> ClipFailure:
    return ClipFailure(FailureKind.NOT_FOUND, f"{path}: no such frame; run `vggss extract` first")


@dataclass(frozen=True, slots=True)
class ProposalCounts:
    """What the tables hold.

    Attributes
    ----------
    clips : int
        Clips in the table's making, with or without detections.
    clips_with_candidate : int
        Those with at least one candidate.
    left_out : int
        Clips of the data directory whose detections are missing or of other settings.
    stages : dict
        As in Table 2 of the paper: ``all`` frames, those that end ``auto``, ``needs-manual`` and
        ``no-candidate``, and those of ``removed`` classes (which are among the last), each with
        the number of ``classes`` and of ``videos``.
    """

    clips: int
    clips_with_candidate: int
    proposals: int
    candidates: int
    kept: int
    by_detector_class: dict[str, int]
    unmatched_labels: tuple[str, ...]
    left_out: int
    stages: dict[str, dict[str, int]]

    @property
    def outcomes(self) -> dict[str, int]:
        """Clips by the outcome of their frames."""
        return {str(outcome): self.stages[outcome]["videos"] for outcome in FrameOutcome}

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "clips": self.clips,
            "clips_with_candidate": self.clips_with_candidate,
            "outcomes": self.outcomes,
            "table2": self.stages,
            "proposals": self.proposals,
            "candidates": self.candidates,
            "kept": self.kept,
            "by_detector_class": self.by_detector_class,
            "unmatched_labels": list(self.unmatched_labels),
            "left_out": self.left_out,
        }


def _done_with(stage: ProposeStage) -> set[str]:
    """Return the ids of the clips whose detections are of the stage's settings."""
    if not stage.workspace.ledger_path.is_file():
        return set()
    settings = stage.settings()
    with Ledger(stage.workspace.ledger_path) as ledger:
        outcomes = ledger.outcomes(ProposeStage.name)
        return {o.clip_id for o in outcomes if o.done and settings.items() <= o.settings.items()}


@dataclass
class Chooser:
    """Matches and chooses for one clip after the other; each label is matched once."""

    stage: ProposeStage
    matcher: Matcher
    similarity_threshold: float = SIMILARITY_THRESHOLD
    rules: BoxRules = field(default_factory=load_rules)
    matches: dict[str, dict[str, Match]] = field(default_factory=dict)

    def choose(self, clip: Clip) -> Choice:
        """Choose among the detections of a clip.

        Raises
        ------
        InvalidInput
            If its file of detections is damaged.
        """
        detections = read_detections(self.stage.workspace.proposal_path(clip.clip_id))
        matches = self.matches_of(clip.label)
        name = self.stage.card.name
        proposals = match_detections(clip.clip_id, clip.label, detections, matches, name)
        return choose_boxes(clip.label, proposals, matches, self.rules)

    def matches_of(self, label: str) -> dict[str, Match]:
        """Return the detector classes that a sound class is matched to."""
        if label not in self.matches:
            self.matches[label] = usable_matches(
                self.matcher, label, self.stage.classes, self.similarity_threshold
            )
        return self.matches[label]


def gather_proposals(
    stage: ProposeStage,
    matcher: Matcher,
    similarity_threshold: float = SIMILARITY_THRESHOLD,
    rules: BoxRules | None = None,
) -> ProposalCounts:
    """Match the detections of all clips, choose among them, and write ``proposals.parquet``.

    How each frame ended goes to ``proposal_outcomes.parquet``: ``clip_id, label, split, outcome,
    why, detections, candidates, kept``.

    All clips of the data directory take part, of whatever split, as far as the ledger says that
    they are done with the stage's settings; so the table never mixes detectors or thresholds.
    Where there is not one such clip, nothing is written and an earlier table stays.

    Raises
    ------
    InvalidInput
        If a file of detections is damaged.
    """
    workspace = stage.workspace
    chooser = Chooser(stage, matcher, similarity_threshold, rules or load_rules())
    done = _done_with(stage)
    clips = workspace.clips()
    gathered = [
        clip
        for clip in clips
        if clip.clip_id in done and workspace.proposal_path(clip.clip_id).is_file()
    ]
    proposals: list[Proposal] = []
    rows: list[dict[str, Any]] = []
    ends: dict[str, Counter[str]] = defaultdict(Counter)  # of frames → their labels
    classes: Counter[str] = Counter()
    for clip in gathered:
        choice = chooser.choose(clip)
        found = [p for p in choice.proposals if not p.is_region]
        rows.append(
            {
                "clip_id": clip.clip_id,
                "label": clip.label,
                "split": clip.split,
                "outcome": str(choice.outcome),
                "why": choice.why,
                "detections": len(found),
                "candidates": sum(p.is_candidate for p in found),
                "kept": len(choice.kept),
            }
        )
        for end in ("all", str(choice.outcome), *(["removed"] if choice.why == REMOVED else [])):
            ends[end][clip.label] += 1
        classes.update(p.detector_class for p in found)
        proposals += choice.proposals
    if gathered:
        write_proposals(workspace.proposals_table, proposals)
        _write_outcomes(workspace.root / OUTCOMES_TABLE, rows)
    return ProposalCounts(
        clips=len(gathered),
        clips_with_candidate=sum(row["candidates"] > 0 for row in rows),
        proposals=sum(row["detections"] for row in rows),
        candidates=sum(row["candidates"] for row in rows),
        kept=sum(row["kept"] for row in rows),
        by_detector_class=dict(sorted(classes.items())),
        unmatched_labels=tuple(
            sorted({clip.label for clip in gathered if not chooser.matches_of(clip.label)})
        ),
        left_out=len(clips) - len(gathered),
        stages={
            end: {"classes": len(ends[end]), "videos": ends[end].total()}
            for end in ("all", *map(str, FrameOutcome), "removed")
        },
    )


def _write_outcomes(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa

    strings = ("clip_id", "label", "split", "outcome", "why")
    columns = {
        name: pa.array([row[name] for row in rows], pa.string() if name in strings else pa.int64())
        for name in rows[0]
    }
    write_table(path, pa.table(columns))
