"""One clip as FiftyOne samples: the frame with its boxes, and the segment with its sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.annotate.fold import ClassState
from vggss_tools.errors import ClipFailure, VggssError
from vggss_tools.verify.sample_fields import Fields, fields_of, to_xywh
from vggss_tools.verify.session_file import Question

SLICES = ("frame", "clip")


@dataclass(frozen=True, slots=True)
class Row:
    """One clip on its way into the data set."""

    question: Question
    fields: Fields

    @classmethod
    def of(cls, question: Question, state: ClassState | None, split: str) -> Row:
        """Make the row of a clip as it stands in the log."""
        return cls(question, fields_of(state, question.boxes, split, question.decision))


def new_sample(fo: Any, row: Row, group: Any, slice_name: str) -> Any:
    """Make the sample of one slice of a clip; ``group`` is its element of the clip's group."""
    question = row.question
    is_frame = slice_name == "frame"
    metadata = (
        fo.ImageMetadata(width=question.width, height=question.height)
        if is_frame
        else _video_metadata(fo, Path(question.segment))
    )
    return fo.Sample(
        filepath=question.frame if is_frame else question.segment,
        group=group,
        metadata=metadata,
        clip_id=question.clip_id,
        label=fo.Classification(label=question.label),
        tags=list(row.fields.tags),
        **values_of(fo, question, row.fields, slice_name),
    )


def values_of(fo: Any, question: Question, fields: Fields, slice_name: str) -> dict[str, Any]:
    """Return what changes with the log, less the tags."""
    is_frame = slice_name == "frame"
    values: dict[str, Any] = {
        "decision": fo.Classification(label=fields.decision) if fields.decision else None,
        "reviewer": fields.reviewer,
        "reviewed_at": fields.reviewed_at,
        "opinions": list(fields.opinions),
        "disagreement": fields.disagreement,
        "doubt": question.note or None,
        "as_written": fields.as_written(with_boxes=is_frame),
    }
    if is_frame:
        values["ground_truth"] = fo.Detections(
            detections=[
                fo.Detection(
                    label=question.label, bounding_box=to_xywh(item.box), sounding=item.sounding
                )
                for item in fields.boxes
            ]
        )
    return values


def _video_metadata(fo: Any, segment: Path) -> Any:
    """Say what FiftyOne would ask ffprobe for, which need not be installed."""
    from vggss_tools.media.probe import probe

    try:
        info = probe(segment)
    except ClipFailure as failure:
        raise VggssError(f"{segment}: {failure}; remove it and run this again") from None
    return fo.VideoMetadata(
        size_bytes=segment.stat().st_size,
        mime_type="video/mp4",
        frame_width=info.width,
        frame_height=info.height,
        frame_rate=info.fps,
        total_frame_count=info.n_frames,
        duration=info.duration,
        encoding_str=info.video_codec,
    )
