"""What a release says: which clips are in it with which boxes, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vggss_tools.annotate.consensus import Verdict, consensus, newest
from vggss_tools.annotate.errata import read_errata
from vggss_tools.annotate.events import AnnotationStage, Decision, Event
from vggss_tools.annotate.fold import ClassState, ClipState, fold
from vggss_tools.annotate.vggss_json import Entry
from vggss_tools.boxes import Box
from vggss_tools.classes import UnknownClass, check_class, removed_classes
from vggss_tools.clips import Clip

# Where a clip stands that is in the release.
RELEASED = "yes"

# Why a clip is not in it, by where it stands on its own class.
REASONS = {
    "no": "a person decided no: the class is not heard, or comes from nothing in the frame",
    "not_sure": "a person was not sure: not within the seconds that were watched",
    "disputed": "reviewers decided differently, and no decision won",
    "yes_without_box": "yes, but no sounding box is left",
    "unseen": "nobody has decided",
    "none": "no annotation",
}
REMOVED_CLASS = "the class is left out of the benchmark (paper, Appendix B.4)"


@dataclass(frozen=True, slots=True)
class ClipDecision:
    """Where one clip of the split stands on its own class.

    Attributes
    ----------
    outcome : str
        ``yes`` (it is in the release) or a key of ``REASONS``.
    reviewers : tuple of str
        Whose events count, by name.
    n_opinions : int
        Persons who decided.
    n_sounding, n_silent : int
        Boxes, as they stand.
    n_dropped : int
        Boxes of reviewers that too few others drew; 0 without a consensus.
    reason : str
        Why it is not in the release; empty where it is.
    """

    clip_id: str
    label: str
    outcome: str
    reviewers: tuple[str, ...] = ()
    n_opinions: int = 0
    n_sounding: int = 0
    n_silent: int = 0
    n_dropped: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release says, before it is written.

    Attributes
    ----------
    sounding : list of Entry
        One a clip.
    silent : list of Entry
        One a clip and class.
    sources : list of Event
        The events that the boxes of both come from.
    clips : list of ClipDecision
        Every clip of the split, in the order of the clip table.
    newest : Event or None
        The newest event that counts in any clip of the split.
    """

    sounding: list[Entry] = field(default_factory=list)
    silent: list[Entry] = field(default_factory=list)
    sources: list[Event] = field(default_factory=list)
    clips: list[ClipDecision] = field(default_factory=list)
    newest: Event | None = None

    @property
    def decisions(self) -> Counter[str]:
        """The clips by where they stand."""
        return Counter(clip.outcome for clip in self.clips)


def collect(
    clips: Iterable[Clip], states: Mapping[str, ClipState], needed: int | None = None
) -> Contents:
    """Take from the state of each clip what a release says about it.

    Parameters
    ----------
    needed : int, optional
        The number of opinions of :func:`vggss_tools.annotate.consensus.consensus`; without it
        the newest event counts alone.

    Raises
    ------
    UnknownClass
        At a class with boxes that VGG-Sound does not have, naming the clip.
    """
    sounding: list[Entry] = []
    silent: list[Entry] = []
    sources: list[Event] = []
    decisions: list[ClipDecision] = []
    events: list[Event] = []
    for clip in clips:
        state = states.get(clip.clip_id)
        verdicts = {
            label: newest(about) if needed is None else consensus(about, needed)
            for label, about in (state.classes.items() if state else ())
        }
        own = verdicts.get(clip.label)
        decision = _decision(clip, own)
        decisions.append(decision)
        if own is not None and decision.outcome == RELEASED:
            sounding.append(_entry(clip.clip_id, own, own.sounding_boxes))
            sources += own.sources
        for verdict in verdicts.values():
            events += verdict.sources
            if verdict.decision is Decision.NO and verdict.silent_boxes:
                silent.append(_entry(clip.clip_id, verdict, verdict.silent_boxes))
                sources += verdict.sources
    latest = max(events, key=lambda event: event.order, default=None)
    return Contents(sounding, silent, sources, decisions, latest)


def stage_counts(
    clips: Iterable[Clip], events: Iterable[Event], contents: Contents
) -> list[dict[str, int]]:
    """Count classes and clips that are left after each of the paper's three steps (Table 2).

    Step 1 has the clips of the split. After step 2 those are left that have a sounding box, by a
    detector or by hand, and that nobody took out then; a box of step 3 counts too, since a
    reviewer may draw there. After step 3 those of the release are left.

    Returns
    -------
    list of dict
        Three of ``{"stage", "classes", "clips"}``.
    """
    by_id = {clip.clip_id: clip for clip in clips}
    own = [
        event
        for event in events
        if event.clip_id in by_id and event.label == by_id[event.clip_id].label
    ]
    verified = {
        event.clip_id
        for event in own
        if event.stage is AnnotationStage.VERIFY and event.sounding_boxes
    }
    before = fold(event for event in own if event.stage is not AnnotationStage.VERIFY)
    drawn = {
        clip_id
        for clip_id, state in before.items()
        if _has_box(state.classes[by_id[clip_id].label])
    }
    released = {entry.file for entry in contents.sounding}
    left = [set(by_id), drawn | verified | released, released]
    return [
        {
            "stage": number,
            "classes": len({by_id[clip_id].label for clip_id in ids}),
            "clips": len(ids),
        }
        for number, ids in enumerate(left, start=1)
    ]


def _has_box(about: ClassState) -> bool:
    return about.decision is not Decision.NO and bool(about.sounding_boxes)


def _decision(clip: Clip, own: Verdict | None) -> ClipDecision:
    outcome = _outcome(own)
    reason = ""
    if outcome != RELEASED:
        reason = REASONS[outcome]
        if outcome in ("none", "unseen") and clip.label in removed_classes():
            reason = REMOVED_CLASS
        elif (erratum := _dropped_clips().get(clip.clip_id)) and outcome != "no":
            reason = f"{reason}; documented error of the published file: {erratum}"
    if own is None:
        return ClipDecision(clip.clip_id, clip.label, outcome, reason=reason)
    return ClipDecision(
        clip.clip_id,
        clip.label,
        outcome,
        tuple(sorted({event.reviewer for event in own.sources})),
        own.n_opinions,
        len(own.sounding_boxes),
        len(own.silent_boxes),
        own.n_dropped,
        reason,
    )


def _outcome(own: Verdict | None) -> str:
    if own is None:
        return "none"
    if own.disputed:
        return "disputed"
    if own.decision is Decision.YES and not own.sounding_boxes:
        return "yes_without_box"
    return str(own.decision)


def _dropped_clips() -> dict[str, str]:
    return {e.clip_id: e.reason for e in read_errata() if e.action == "drop_clip"}


def _entry(clip_id: str, verdict: Verdict, boxes: Iterable[Box]) -> Entry:
    raw = ((box.xmin, box.ymin, box.xmax, box.ymax) for box in boxes)
    try:
        return Entry(clip_id, check_class(verdict.label), tuple(raw))
    except UnknownClass as error:
        raise UnknownClass(f"{clip_id}: {error.message}") from None
