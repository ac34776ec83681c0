"""Stage ``propose``: the frames of the clips → their detections → one table of proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.ledger import Ledger
from vggss_tools.propose.detector import Detector, DetectorCard, describe_detector, load_detector
from vggss_tools.propose.matching import SIMILARITY_THRESHOLD, Match, Matcher
from vggss_tools.propose.proposals import (
    match_detections,
    read_detections,
    usable_matches,
    write_detections,
    write_proposals,
)
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_THRESHOLD = 0.5


@dataclass
class ProposeStage(Stage):
    """Detect objects in the clips' frames.

    Attributes
    ----------
    detector : str
        ``name`` or ``name:argument``.
    device : str
        Torch device. It is no part of the settings: another device rounds differently, but
        does not find other things.
    score_threshold : float
        Detections below are dropped.
    batch_size : int
        Frames that the detector is given at once.
    """

    name: ClassVar[str] = "propose"

    workspace: Workspace
    detector: str = "sample"
    device: str = "cpu"
    score_threshold: float = SCORE_THRESHOLD
    batch_size: int = 16
    _card: DetectorCard = field(init=False, repr=False)
    _loaded: Detector | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._card = describe_detector(self.detector)

    @property
    def classes(self) -> tuple[str, ...]:
        """The detector's vocabulary."""
        return self._card.classes

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

    def setup(self) -> None:
        """Load the detector."""
        self._loaded = load_detector(self.detector, self.device)

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> list[ClipFailure | None]:
        """Detect in all frames that can be read; the others fail alone."""
        assert self._loaded is not None, "setup() comes first"
        frames = [_read_frame(self.inputs(clip)[0]) for clip in clips]
        images = [frame for frame in frames if not isinstance(frame, ClipFailure)]
        found = iter(self._loaded.detect(images))
        results: list[ClipFailure | None] = []
        for clip, clip_parts, frame in zip(clips, parts, frames, strict=True):
            if isinstance(frame, ClipFailure):
                results.append(frame)
                continue
            kept = [d for d in next(found) if d.score >= self.score_threshold]
            (part,) = clip_parts.values()
            write_detections(part, clip.clip_id, kept, self.settings())
            results.append(None)
        return results


def _read_frame(path: Path) -> NDArray[np.uint8] | ClipFailure:
    """Read a frame as RGB, or say why not."""
    import cv2
    import numpy as np

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ClipFailure(
            FailureKind.NOT_FOUND, f"{path}: no such frame; run `vggss extract` first"
        )
    except OSError as error:
        return ClipFailure.from_exception(error)
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if bgr is None:
        return ClipFailure(
            FailureKind.CORRUPT, f"{path}: not a readable picture; remove it and extract again"
        )
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


@dataclass(frozen=True, slots=True)
class ProposalCounts:
    """What the table holds.

    Attributes
    ----------
    clips : int
        Clips in the table's making, with or without detections.
    clips_with_candidate : int
        Those with at least one candidate. In the paper this was about half of the frames.
    left_out : int
        Clips of the data directory whose detections are missing or of other settings.
    """

    clips: int
    clips_with_candidate: int
    proposals: int
    candidates: int
    by_detector_class: dict[str, int]
    unmatched_labels: tuple[str, ...]
    left_out: int

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "clips": self.clips,
            "clips_with_candidate": self.clips_with_candidate,
            "proposals": self.proposals,
            "candidates": self.candidates,
            "by_detector_class": self.by_detector_class,
            "unmatched_labels": list(self.unmatched_labels),
            "left_out": self.left_out,
        }


def _done_with(stage: ProposeStage) -> set[str]:
    """Return the ids of the clips whose detections are of the stage's settings."""
    settings = stage.settings()
    with Ledger(stage.workspace.ledger_path) as ledger:
        outcomes = ledger.outcomes(ProposeStage.name)
        return {o.clip_id for o in outcomes if o.done and settings.items() <= o.settings.items()}


def gather_proposals(
    stage: ProposeStage,
    matcher: Matcher,
    similarity_threshold: float = SIMILARITY_THRESHOLD,
) -> ProposalCounts:
    """Match the detections of all clips and write them to ``proposals.parquet``.

    All clips of the data directory take part, of whatever split, as far as the ledger says that
    they are done with the stage's settings; so the table never mixes detectors or thresholds.
    Where there is not one such clip, nothing is written and an earlier table stays.

    Raises
    ------
    InvalidInput
        If a file of detections is damaged.
    """
    workspace = stage.workspace
    done = _done_with(stage)
    matches: dict[str, dict[str, Match]] = {}
    proposals = []
    classes: Counter[str] = Counter()
    gathered = with_candidate = 0
    clips = workspace.clips()
    for clip in clips:
        path = workspace.proposal_path(clip.clip_id)
        if clip.clip_id not in done or not path.is_file():
            continue
        detections = read_detections(path)
        if clip.label not in matches:
            matches[clip.label] = usable_matches(
                matcher, clip.label, stage.classes, similarity_threshold
            )
        found = match_detections(clip.clip_id, clip.label, detections, matches[clip.label])
        gathered += 1
        with_candidate += any(p.is_candidate for p in found)
        classes.update(p.detector_class for p in found)
        proposals += found
    if gathered:
        write_proposals(workspace.proposals_table, proposals)
    return ProposalCounts(
        clips=gathered,
        clips_with_candidate=with_candidate,
        proposals=len(proposals),
        candidates=sum(p.is_candidate for p in proposals),
        by_detector_class=dict(sorted(classes.items())),
        unmatched_labels=tuple(sorted(label for label, found in matches.items() if not found)),
        left_out=len(clips) - gathered,
    )
