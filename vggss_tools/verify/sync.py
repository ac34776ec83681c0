"""Edits and tags that people made with FiftyOne's own tools, as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, new_event
from vggss_tools.annotate.formats.exchange import Answer
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.sample_fields import (
    DECISIONS,
    Edited,
    boxes_changed,
    decided,
    from_detection,
)
from vggss_tools.verify.session_file import Question

TOOL = "fiftyone"
_FIELDS = ("id", "tags", "decision.label", "as_written")
_BOXES = "ground_truth.detections"


def edits_of(
    dataset: Any,
    questions: Sequence[Question],
    reviewer: str,
    log: LogFollower,
    ignored: list[str] | None = None,
) -> list[Event]:
    """Return an event for each clip that somebody edited since we wrote it.

    Parameters
    ----------
    dataset : fiftyone.Dataset
    questions : sequence of Question
        The clips to look at, with their samples' ids.
    reviewer : str
        Whose edits they are.
    log : LogFollower
    ignored : list of str, optional
        Gets a line for each edit that cannot be taken.
    """
    found = _found(dataset, questions)
    events = []
    for question in questions:
        try:
            event = _edit_of(question, found, reviewer, log)
        except ValueError as error:
            if ignored is not None:
                ignored.append(f"{question.clip_id}: {error}")
            continue
        if event is not None:
            events.append(event)
    return events


def read_answers(name: str) -> list[Answer]:
    """Read a data set of the local database that ``vggss verify`` made, as it is now.

    Raises
    ------
    VggssError
        If there is no such data set, or no database.
    ValueError
        Naming the clip whose boxes or decision cannot be read.
    """
    from vggss_tools.verify.environment import open_dataset

    dataset = open_dataset(name)
    frames = dataset.select_group_slices("frame") if dataset.media_type == "group" else dataset
    fields = ["clip_id", "label.label", "tags", "decision.label", _BOXES]
    has_line = dataset.has_field("as_written")  # another tool's data set has none
    answers = []
    for clip_id, label, tags, decision, detections, *line in zip(
        *frames.values([*fields, "as_written"] if has_line else fields), strict=True
    ):
        try:
            boxes = tuple(from_detection(_values(each)) for each in detections or ())
            choice = None if decision is None else DECISIONS[decision]
            if line and line[0]:
                choice = decided(Edited(decision, tuple(tags), None), line[0]) or choice
        except KeyError:
            raise ValueError(f"{clip_id}: decision {decision!r} is none of ours") from None
        except ValueError as error:
            raise ValueError(f"{clip_id}: {error}") from None
        answers.append(Answer(f"sample {clip_id}", clip_id, label, choice, boxes))
    return answers


def _values(detection: Any) -> dict[str, Any]:
    return {
        "bounding_box": detection.bounding_box,
        "tags": detection.tags,
        "sounding": detection.get_field("sounding") if "sounding" in detection else None,
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """A sample as it is in the data set now, and what we wrote."""

    decision: str | None
    tags: tuple[str, ...]
    detections: Sequence[Any] | None  # None on the slice without boxes
    line: str

    def edited(self) -> Edited:
        """Read what people can edit; ``ValueError`` where a box is none."""
        boxes = None
        if self.detections is not None:
            boxes = tuple(from_detection(_values(each)) for each in self.detections)
        return Edited(self.decision, self.tags, boxes)


def _edit_of(
    question: Question, found: Mapping[str, _Found], reviewer: str, log: LogFollower
) -> Event | None:
    samples = [found[each] for each in question.sample_ids if each in found]
    edits = [(sample.edited(), sample.line) for sample in samples]
    decisions = {decided(edited, line) for edited, line in edits} - {None}
    if len(decisions) > 1:
        raise ValueError("decided differently on its frame and its clip")
    changed = [edited.boxes for edited, line in edits if boxes_changed(edited, line)]
    if not decisions and not changed:
        return None
    state = log.state(question.clip_id, question.label)
    own = state.opinions.get(reviewer) if state else None
    boxes = changed[0] if changed else (state.newest.boxes if state else question.boxes)
    decision = decisions.pop() if decisions else (own.decision if own else Decision.UNSEEN)
    assert boxes is not None
    assert decision is not None
    if own is not None and (own.decision, own.boxes) == (decision, tuple(boxes)):
        return None  # taken before, and not written back yet
    return new_event(
        question.clip_id,
        question.label,
        decision,
        boxes,
        stage=AnnotationStage.MANUAL if decision is Decision.UNSEEN else AnnotationStage.VERIFY,
        reviewer=reviewer,
        tool=TOOL,
    )


def _found(dataset: Any, questions: Sequence[Question]) -> dict[str, _Found]:
    """Return the samples of some clips by id."""
    wanted = [each for question in questions for each in question.sample_ids]
    found = {}
    for slice_name, fields in (("frame", [*_FIELDS, _BOXES]), ("clip", list(_FIELDS))):
        view = dataset.select_group_slices(slice_name).select(wanted)
        for sample_id, tags, decision, line, *boxes in zip(*view.values(fields), strict=True):
            if line:  # otherwise somebody else added the sample
                detections = (boxes[0] or ()) if boxes else None
                found[sample_id] = _Found(decision, tuple(tags), detections, line)
    return found
