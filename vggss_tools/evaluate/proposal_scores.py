"""Proposed boxes against annotated ones: precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from vggss_tools.annotate.vggss_json import Annotations, box_defect
from vggss_tools.boxes import Box, match_boxes
from vggss_tools.propose.proposals import Proposal

IOU = 0.5


class ProposalScores(TypedDict):
    """Precision and recall of the candidates; None where there is nothing to count."""

    precision: float | None
    recall: float | None
    n_proposals: int
    n_truth: int
    n_clips: int
    iou: float


def score_proposals(
    proposals: Mapping[str, Sequence[Proposal]], annotations: Annotations
) -> ProposalScores:
    """Compare the candidates of each annotated clip with its boxes, one to one at IoU 0.5.

    A candidate is a detection that was matched to the clip's own sound class, and kept. Annotated
    boxes without an area are left out; a clip without a candidate has all its boxes missed.
    """
    n_matched = n_proposals = n_truth = 0
    for entry in annotations.entries:
        truth = [Box.from_sequence(box) for box in entry.boxes if box_defect(box) is None]
        candidates = [
            p.box for p in proposals.get(entry.file, ()) if p.kept and p.sound_class == entry.label
        ]
        n_matched += len(match_boxes(candidates, truth, IOU))
        n_proposals += len(candidates)
        n_truth += len(truth)
    return {
        "precision": n_matched / n_proposals if n_proposals else None,
        "recall": n_matched / n_truth if n_truth else None,
        "n_proposals": n_proposals,
        "n_truth": n_truth,
        "n_clips": len(annotations.entries),
        "iou": IOU,
    }
