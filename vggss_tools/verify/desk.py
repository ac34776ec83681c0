"""The reviewer's desk, in the App's server: questions out, answers into the log.

Every act is one event: an answer (stage ``verify``), an edit of the boxes (stage ``manual``, saved
at once), or an undo (``unseen``, superseding the event that it takes back).
An act is in the log, on disk, before the browser hears of it; FiftyOne's database is told
afterwards and may be gone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox, new_event
from vggss_tools.annotate.fold import ClassState, fold
from vggss_tools.annotate.formats.field_checks import MAX_BOXES
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.mirror import Mirror
from vggss_tools.verify.session_file import Question, Session, current_session_path
from vggss_tools.verify.tally import Tally

TOOL = "vggss verify"

_desks: dict[Path, Desk] = {}
_desks_lock = threading.Lock()


def current_desk() -> Desk:
    """Return the desk of the session that this process was started for."""
    path = current_session_path()
    # FiftyOne loads a plugin's own module again and again; the desk outlives that here.
    with _desks_lock:
        if path not in _desks:
            _desks[path] = Desk(Session.read(path))
        return _desks[path]


class Desk:
    """Questions and answers of one reviewer; safe with the server's threads.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.Lock()
        self._log = LogFollower(session.workspace.annotations_log)
        self._left_out: list[str] = []  # edits that could not be taken, until they are said
        self._questions = {question.clip_id: question for question in session.questions}
        self._mirror = Mirror(session.dataset, self._edits_taken)
        self._tally = Tally(
            session.reviewer, {q.clip_id: q.label for q in session.questions}, self._log
        )

    def opening(self) -> dict[str, Any]:
        """Return the list of questions, which of them are answered, and the progress."""
        with self._lock:
            self._refresh()
            return {
                "split": self.session.split,
                "reviewer": self.session.reviewer,
                "only": self.session.only,
                "log": str(self.session.workspace.annotations_log),
                "clips": [
                    [question.clip_id, self._own_decision(question)]
                    for question in self.session.questions
                ],
                "progress": self._tally.as_json(),
            }

    def question(self, clip_id: str) -> dict[str, Any]:
        """Return all that is shown of one clip, boxes as they stand.

        Edits that were made with FiftyOne's own tools are taken into the log first.
        """
        with self._lock:
            question = self._known(clip_id)
            self._refresh()
            self._take_edits(question)
            return self._as_shown(question)

    def answer(
        self, clip_id: str, decision: str, boxes: Sequence[Any], event_id: str | None = None
    ) -> dict[str, Any]:
        """Append the reviewer's answer, with the boxes as they stand in the browser.

        An ``event_id`` that is in the log already is not written twice: the browser sends it again
        when it did not hear of the first time.
        """
        with self._lock:
            question = self._known(clip_id)
            event = self._event(
                question, _decision(decision), _boxes(boxes), AnnotationStage.VERIFY
            )
            return self._append(question, event, event_id)

    def edit(
        self, clip_id: str, boxes: Sequence[Any], event_id: str | None = None
    ) -> dict[str, Any]:
        """Append boxes that the reviewer has changed; the decision stays that stands."""
        with self._lock:
            question = self._known(clip_id)
            self._refresh()
            decision = self._log.decision_kept(clip_id, question.label, self.session.reviewer)
            event = self._event(question, decision, _boxes(boxes), AnnotationStage.MANUAL)
            return self._append(question, event, event_id)

    def undo(self, event_id: str | None = None) -> dict[str, Any]:
        """Take back the reviewer's newest act that still stands; the clip is then shown again.

        Raises
        ------
        VggssError
            If there is none in this session's clips.
        """
        with self._lock:
            self._refresh()
            done = self._log.find(event_id)
            if done is not None and done.clip_id in self._questions:
                return self._append(self._questions[done.clip_id], done, event_id)
            last = self._last_act()
            if last is None:
                raise VggssError("nothing of yours is left to undo")
            question = self._questions[last.clip_id]
            event = self._event(
                question,
                Decision.UNSEEN,
                self._boxes_before(question, last),
                last.stage,
                supersedes=last.event_id,
            )
            return self._append(question, event, event_id)

    def _append(self, question: Question, event: Event, event_id: str | None) -> dict[str, Any]:
        if event_id is not None:
            done = self._log.find(event_id)
            if done is not None and (done.clip_id, done.label) != (event.clip_id, event.label):
                raise InvalidInput(
                    f"event {event_id}: the log has it for {done.clip_id}; reload the page"
                )
            event = done or _with_id(event, event_id)
        if self._log.find(event.event_id) is None:
            self._log.append(event)
        self._tally.update({question.clip_id})
        self._mirror.tell(question)
        return {
            "event_id": event.event_id,
            "clip_id": question.clip_id,
            "decision": self._own_decision(question),
            "boxes": [_shown(item) for item in event.boxes],
            "progress": self._tally.as_json(),
            "database": self._mirror.is_reachable,
            "left_out": self._told(),
        }

    def _refresh(self) -> None:
        self._tally.update(self._log.refresh())

    def _known(self, clip_id: str) -> Question:
        try:
            return self._questions[clip_id]
        except (KeyError, TypeError):
            raise InvalidInput(
                f"{clip_id!r}: not a clip of this session; reload the page"
            ) from None

    def _own_decision(self, question: Question) -> str:
        own = self._log.answers(question.clip_id, question.label).get(self.session.reviewer)
        return str(own.decision if own else Decision.UNSEEN)

    def _told(self) -> list[str]:
        told, self._left_out = self._left_out, []
        return told

    def _as_shown(self, question: Question) -> dict[str, Any]:
        state = self._log.state(question.clip_id, question.label)
        boxes = state.newest.boxes if state else question.boxes
        value = question.as_json()
        value["boxes"] = [_shown(item) for item in boxes]
        value["decision"] = self._own_decision(question)
        # Elsewhere, knowing what others said would sway the answer.
        shows_others = self.session.only == "disagreements"
        others = self._log.answers(question.clip_id, question.label) if shows_others else {}
        others.pop(self.session.reviewer, None)
        value["opinions"] = {name: str(event.decision) for name, event in others.items()}
        value["left_out"] = self._told()
        del value["sample_ids"]
        return value

    def _event(
        self,
        question: Question,
        decision: Decision,
        boxes: Sequence[EventBox],
        stage: AnnotationStage,
        supersedes: str | None = None,
    ) -> Event:
        return new_event(
            question.clip_id,
            question.label,
            decision,
            boxes,
            stage=stage,
            reviewer=self.session.reviewer,
            tool=TOOL,
            supersedes=supersedes,
        )

    def _last_act(self) -> Event | None:
        """Return the newest act of this reviewer that is not itself an undo or undone."""
        acts = [
            event
            for event in self._log.by_reviewer(self.session.reviewer)
            if event.tool == TOOL and event.clip_id in self._questions
        ]
        undone = {event.supersedes for event in acts}
        standing = [
            event for event in acts if event.supersedes is None and event.event_id not in undone
        ]
        return max(standing, key=lambda event: event.order, default=None)

    def _boxes_before(self, question: Question, last: Event) -> Sequence[EventBox]:
        events = self._log.events(question.clip_id, question.label)
        before = fold(event for event in events if event.order < last.order)
        return before[last.clip_id].classes[last.label].newest.boxes if before else question.boxes

    def _take_edits(self, question: Question) -> bool:
        """Whether all edits of a clip could be taken; what could not is told with the next act."""
        ignored: list[str] = []
        for event in self._mirror.edits(question, self.session.reviewer, self._log, ignored):
            self._log.append(event)
            self._tally.update({question.clip_id})
            self._mirror.tell(question)
        self._left_out += [line for line in ignored if line not in self._left_out]
        return not ignored

    def _edits_taken(self, question: Question) -> tuple[ClassState | None, bool]:
        with self._lock:
            self._refresh()
            all_taken = self._take_edits(question)
            return self._log.state(question.clip_id, question.label), all_taken


def _with_id(event: Event, event_id: str) -> Event:
    try:
        return replace(event, event_id=event_id)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _shown(item: EventBox) -> dict[str, Any]:
    return {"bbox": item.box.as_list(), "sounding": item.sounding}


def _decision(text: Any) -> Decision:
    try:
        decision = Decision(text)
    except ValueError:
        decision = Decision.UNSEEN
    if decision is Decision.UNSEEN:
        raise InvalidInput(f"decision {text!r}: not yes, no or not_sure")
    return decision


def _boxes(rows: Any) -> tuple[EventBox, ...]:
    """Read boxes that a browser sent."""
    if not isinstance(rows, list) or len(rows) > MAX_BOXES:
        raise InvalidInput(f"boxes: not a list of at most {MAX_BOXES}")
    boxes = []
    for index, row in enumerate(rows):
        try:
            numbers = [float(number) for number in row["bbox"]]
            if not all(math.isfinite(number) for number in numbers):
                raise ValueError("a coordinate is not finite")
            boxes.append(EventBox(Box.from_sequence(numbers), row["sounding"] is True))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise InvalidInput(f"boxes: box {index} is no box ({error})") from None
    return tuple(boxes)
