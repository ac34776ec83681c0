"""Edits and tags that people made with FiftyOne's own tools, as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, new_event
from vggss_tools.annotate.formats.exchange import Answer
from vggss_tools.errors import InvalidInput
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.sample_fields import (
    DECISIONS,
    TAGGED,
    Edited,
    boxes_changed,
    decided,
    from_detection,
    written_event,
)
from vggss_tools.verify.session_file import Question

TOOL = "fiftyone"
_FIELDS = ("id", "tags", "decision.label", "as_written")
_BOXES = "ground_truth.detections"
_TWO_DECISIONS = "decided differently on its frame and its clip"


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


def read_answers(name: str, data: Path) -> list[Answer]:
    """Read what people changed in a data set of the local database, as it is now.

    What a data set that ``vggss verify`` made still has as we wrote it is no answer: the clip's
    decision or boxes are then None. Of a data set of another tool all is an answer.

    Parameters
    ----------
    name : str
    data : Path
        The data directory that the answers are for.

    Raises
    ------
    VggssError
        If there is no such data set, or no database.
    InvalidInput
        If it was made for another data directory.
    ValueError
        Naming the clip whose boxes or decision cannot be read, or contradict each other.
    """
    from vggss_tools.verify.environment import open_dataset

    dataset = open_dataset(name)
    theirs = (dataset.info or {}).get("data")
    if theirs is not None and Path(theirs) != data:
        raise InvalidInput(
            f"fiftyone:{name}: made for the data directory {theirs}, not for {data}; "
            f"give --data {theirs}"
        )
    is_group = dataset.media_type == "group"
    frames = dataset.select_group_slices("frame") if is_group else dataset
    clips: dict[str, _Found] = {}
    if is_group and "clip" in dataset.group_slices:
        clips = {
            clip_id: found
            for clip_id, _, found in _rows(dataset.select_group_slices("clip"), with_boxes=False)
        }
    answers = []
    for clip_id, label, found in _rows(frames, with_boxes=True):
        try:
            both = [found, clips[clip_id]] if clip_id in clips else [found]
            answers.append(_answer(clip_id, label, both))
        except ValueError as error:
            raise ValueError(f"{clip_id}: {error}") from None
    return answers


def _rows(view: Any, *, with_boxes: bool) -> Iterator[tuple[str, str, _Found]]:
    """Go through the samples of one slice: clip id, class, and what people can edit."""
    fields = ["clip_id", "label.label", "tags", "decision.label"]
    has_line = view.has_field("as_written")  # another tool's data set has none
    names = [*fields, *([_BOXES] if with_boxes else []), *(["as_written"] if has_line else [])]
    for clip_id, label, tags, decision, *rest in zip(*view.values(names), strict=True):
        boxes = (rest.pop(0) or ()) if with_boxes else None
        line = rest[0] if rest else None
        yield clip_id, label, _Found(decision, tuple(tags), boxes, line or "")


def _answer(clip_id: str, label: str, samples: Sequence[_Found]) -> Answer:
    """Return what the samples of a clip, frame first, say."""
    edits = [(found.edited(), found.line) for found in samples]
    frame, line = edits[0]
    said = {decided(edited, old) if old else _stated(edited) for edited, old in edits} - {None}
    if len(said) > 1:
        raise ValueError(_TWO_DECISIONS)
    return Answer(
        f"sample {clip_id}",
        clip_id,
        label,
        next(iter(said), None),
        frame.boxes if not line or boxes_changed(frame, line) else None,
        base=written_event(line) if line else None,
    )


def _stated(found: Edited) -> Decision | None:
    """Return the decision of a sample that does not say what it was before: field, then tag."""
    if found.decision is not None:
        if found.decision not in DECISIONS:
            raise ValueError(f"decision {found.decision!r} is not yes, no or not sure")
        return DECISIONS[found.decision]
    tagged = sorted(set(found.tags) & set(TAGGED))
    if len(tagged) > 1:
        raise ValueError(f"tagged both {' and '.join(tagged)}")
    return TAGGED[tagged[0]] if tagged else None


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
        raise ValueError(_TWO_DECISIONS)
    changed = [edited.boxes for edited, line in edits if boxes_changed(edited, line)]
    if not decisions and not changed:
        return None
    state = log.state(question.clip_id, question.label)
    own = state.opinions.get(reviewer) if state else None
    boxes = changed[0] if changed else (state.newest.boxes if state else question.boxes)
    decision = next(iter(decisions), None)
    answer = log.answers(question.clip_id, question.label).get(reviewer)
    undoes = decision is Decision.UNSEEN
    if undoes and answer is None:
        raise ValueError(f"its decision was taken out, but it is none of {reviewer}'s")
    kept = log.decision_kept(question.clip_id, question.label, reviewer)
    assert boxes is not None
    if own is not None and (own.decision, own.boxes) == (decision or kept, tuple(boxes)):
        return None  # taken before, and not written back yet
    return new_event(
        question.clip_id,
        question.label,
        decision or kept,
        boxes,
        stage=AnnotationStage.MANUAL if decision is None else AnnotationStage.VERIFY,
        reviewer=reviewer,
        tool=TOOL,
        supersedes=answer.event_id if undoes and answer else None,
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
