"""From a data directory to a review session: cut, sync, bring the data set up to date, choose."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import Event
from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events
from vggss_tools.errors import ClipFailure, VggssError
from vggss_tools.verify.asking import CHOICES, choose, doubtful_list, read_doubtful
from vggss_tools.verify.dataset import (
    dataset_name,
    find_dataset,
    is_current,
    last_reviewer,
    make_dataset,
    refresh,
    remember_reviewer,
    sample_ids,
)
from vggss_tools.verify.environment import import_fiftyone
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.samples import Row
from vggss_tools.verify.segments import cut_segments, segment_of
from vggss_tools.verify.session_file import Question, Session
from vggss_tools.verify.sync import edits_of
from vggss_tools.workspace import Workspace

Report = Callable[[str], None]
_SHOWN = 5  # clips named in a message


@dataclass(frozen=True, slots=True)
class Review:
    """What ``vggss verify`` was asked for.

    Attributes
    ----------
    only : str or None
        See :mod:`vggss_tools.verify.asking`.
    doubtful : Path or None
        Another list of doubtful clips than the data directory's.
    port : int or None
        FiftyOne's own default where None.
    remote : bool
        Whether the browser is on another machine.
    rebuild : bool
        Make the data set anew.
    """

    workspace: Workspace
    split: str
    reviewer: str
    only: str | None = None
    doubtful: Path | None = None
    port: int | None = None
    remote: bool = False
    rebuild: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """What edits with FiftyOne's own tools became.

    Attributes
    ----------
    reviewer : str
        Whose they are.
    clips : list of str
        Those with an event.
    ignored : list of str
        A line for each edit that could not be taken.
    """

    reviewer: str
    clips: list[str]
    ignored: list[str]

    def as_text(self) -> str:
        """Say it in one line, with the first clips."""
        if not self.clips:
            return "No edits made with FiftyOne's own tools are new"
        more = ", …" if len(self.clips) > _SHOWN else ""
        return (
            f"Edits made with FiftyOne's own tools, taken into the log as {self.reviewer}'s: "
            f"{len(self.clips)} ({', '.join(self.clips[:_SHOWN])}{more})"
        )


def sync(review: Review, *, claimed: bool = True, live: bool = False) -> Synced:
    """Take edits and tags made with FiftyOne's own tools into the log.

    They are of the reviewer whose session was the last.

    Parameters
    ----------
    claimed : bool
        Whether somebody said that they are ``review.reviewer``'s.
    live : bool
        Whether the session of ``review.reviewer`` ends just now: they are then theirs, whoever
        else has opened a session meanwhile.

    Raises
    ------
    VggssError
        If there is no data set of the split, or no database, or the edits are claimed for
        another reviewer than the last session's.
    """
    fo = import_fiftyone()
    dataset = find_dataset(fo, review.workspace, review.split)
    if dataset is None:
        raise VggssError(
            f"{dataset_name(review.split)}: FiftyOne has no such data set yet; "
            f"make it with `vggss verify --split {review.split}`"
        )
    items = WorkspaceItems(review.workspace, review.split)
    theirs = last_reviewer(dataset) or review.reviewer
    person = review.reviewer if live else theirs
    if claimed and person != review.reviewer:
        found, _ = _find_edits(dataset, review, items, person)
        if found:
            raise VggssError(
                f"{dataset.name}: the last session was {person}'s, and so are {len(found)} edits "
                f"made since; take them with --reviewer {shlex.quote(person)}"
            )
    synced = _take_edits(dataset, review, items, person)
    if synced.clips:
        items = WorkspaceItems(review.workspace, review.split)
        _refresh(fo, dataset, review, items, {})
    return synced


def build(review: Review, report: Report) -> Session:
    """Cut what is missing and bring the data set up to date with the log.

    Edits made with FiftyOne's own tools are taken into the log first, so that none is written
    over.

    Raises
    ------
    VggssError
        If there is nothing to ask, or no FiftyOne, or no database.
    """
    items = WorkspaceItems(review.workspace, review.split, report=report)
    doubtful = _doubtful(review)
    choose(review.only, items, items.states, doubtful)  # refused before the work
    ready = _with_media(review, items, report)
    report("Starting FiftyOne and its database …")
    fo = import_fiftyone()
    dataset = _own_dataset(fo, review)
    if dataset is not None:
        synced = _take_edits(dataset, review, items, last_reviewer(dataset) or review.reviewer)
        _tell_synced(synced, report)
        if synced.clips:
            items = WorkspaceItems(review.workspace, review.split, report=report)
    if dataset is None or review.rebuild or not is_current(dataset):
        dataset = make_dataset(fo, review.workspace, review.split)
    _cut(review, ready, report)
    questions = _refresh(fo, dataset, review, items, doubtful)
    by_id = {question.clip_id: question for question in questions}
    chosen = choose(review.only, items, items.states, doubtful)
    asked = [by_id[clip_id] for clip_id in chosen if clip_id in by_id]
    if not asked:
        raise VggssError(
            f"{review.workspace.root}: none of the {len(chosen)} clips has both a video and a "
            "frame; run `vggss fetch` and `vggss extract` first"
        )
    remember_reviewer(dataset, review.reviewer)
    return Session(
        review.workspace,
        review.split,
        review.reviewer,
        review.only or "all",
        dataset.name,
        asked,
    )


def _own_dataset(fo: Any, review: Review) -> Any:
    """Return the data set whose edits are to be taken; None where there is none of ours."""
    try:
        return find_dataset(fo, review.workspace, review.split)
    except VggssError:
        if review.rebuild:
            return None  # somebody said to replace it
        raise


def _doubtful(review: Review) -> dict[str, str]:
    path = review.doubtful or doubtful_list(review.workspace)
    asked_for = review.only == CHOICES[-1] or review.doubtful is not None
    return read_doubtful(path) if asked_for or path.is_file() else {}


def _with_media(review: Review, items: WorkspaceItems, report: Report) -> list[Item]:
    ready = [item for item in items.values() if item.clip and item.frame]
    if not ready:
        raise VggssError(
            f"{review.workspace.root}: no clip of split {review.split!r} has both a video and a "
            "frame; run `vggss fetch` and `vggss extract` first"
        )
    missing = len(items) - len(ready)
    if missing:
        report(f"{missing} of {len(items)} clips have no video or no frame; they are left out")
    return ready


def _cut(review: Review, ready: list[Item], report: Report) -> None:
    try:
        _, failed = cut_segments(review.workspace, ready, workers=review.workers)
    except ClipFailure as failure:
        raise VggssError(f"{failure}; free some space or check its rights, then go on") from None
    for clip_id, reason in list(failed.items())[:5]:
        report(f"{clip_id}: left out, its segment cannot be cut ({reason})")
    if len(failed) > 5:
        report(f"… and {len(failed) - 5} more clips")


def questions_of(review: Review, items: WorkspaceItems, doubtful: dict[str, str]) -> list[Question]:
    """Return a question for each clip that has a frame and a segment."""
    questions = []
    for item in items.values():
        segment = segment_of(review.workspace, item)
        if item.frame is None or not segment.path.is_file():
            continue
        assert item.width is not None
        assert item.height is not None
        questions.append(
            Question(
                clip_id=item.clip_id,
                label=item.label,
                frame=str(item.frame),
                segment=str(segment.path),
                frame_at=segment.frame_at,
                width=item.width,
                height=item.height,
                boxes=items.proposed(item.clip_id),
                note=doubtful.get(item.clip_id, ""),
            )
        )
    return questions


def _refresh(
    fo: Any, dataset: Any, review: Review, items: WorkspaceItems, doubtful: dict[str, str]
) -> list[Question]:
    rows = []
    for question in questions_of(review, items, doubtful):
        clip = items.states.get(question.clip_id)
        state = clip.classes.get(question.label) if clip else None
        rows.append(Row.of(question, state, review.split))
    return refresh(fo, dataset, rows)


def _find_edits(
    dataset: Any, review: Review, items: WorkspaceItems, reviewer: str
) -> tuple[list[Event], list[str]]:
    """Return the events of edits, and a line for each edit that cannot be taken."""
    ids = sample_ids(dataset)
    questions = [
        Question(clip_id, item.label, "", "", 0.0, 0, 0, items.proposed(clip_id), sample_ids=each)
        for clip_id, each in ids.items()
        if (item := items.get(clip_id)) is not None
    ]
    ignored: list[str] = []
    log = LogFollower(review.workspace.annotations_log)
    return edits_of(dataset, questions, reviewer, log, ignored), ignored


def _take_edits(dataset: Any, review: Review, items: WorkspaceItems, reviewer: str) -> Synced:
    events, ignored = _find_edits(dataset, review, items, reviewer)
    append_events(review.workspace.annotations_log, events)
    return Synced(reviewer, [event.clip_id for event in events], ignored)


def _tell_synced(synced: Synced, report: Report) -> None:
    if synced.clips:
        report(synced.as_text())
    for line in synced.ignored:
        report(f"left out: {line}")
