"""The reviewer's desk without an App: acts become events, and only those."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest
from clip_folder import LABELS, make_clip_folder
from verify.app_driver import until

from vggss_tools.annotate.events import Decision, Event, EventBox, new_event
from vggss_tools.annotate.fold import fold
from vggss_tools.annotate.formats.field_checks import MAX_BOXES
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.verify.desk import Desk
from vggss_tools.verify.mirror import Mirror
from vggss_tools.verify.session_file import Question, Session

LEFT = EventBox(Box(0.1, 0.2, 0.5, 0.8))
ROW = {"bbox": [0.1, 0.2, 0.5, 0.8], "sounding": True}
SILENT_ROW = {**ROW, "sounding": False}


def session_in(root: Path, reviewer: str = "ann") -> Session:
    """A session about three clips, each with a proposed box; FiftyOne is told of nothing."""
    workspace = make_clip_folder(root, train=0, test=3)
    questions = [
        Question(clip.clip_id, clip.label, "f.jpg", "s.mp4", 2.5, 96, 96, (LEFT,))
        for clip in workspace.clips("test")
    ]
    return Session(workspace, "test", reviewer, "all", "vggss-tools-test", questions)


def logged(session: Session) -> list[Event]:
    return read_events(session.workspace.annotations_log)


def clip(session: Session, index: int = 0) -> str:
    return session.questions[index].clip_id


def test_an_answer_is_one_event_with_the_boxes_as_shown(tmp_path: Path) -> None:
    """What the browser sends is logged under the session's reviewer, and counted."""
    session = session_in(tmp_path)
    result = Desk(session).answer(clip(session), "yes", [ROW])
    (event,) = logged(session)
    assert (event.clip_id, event.label) == (clip(session), LABELS[0])
    assert (event.decision, event.boxes, event.reviewer) == (Decision.YES, (LEFT,), "ann")
    assert result["event_id"] == event.event_id
    assert result["progress"]["done"] == 1


def test_an_act_that_is_sent_again_counts_once(tmp_path: Path) -> None:
    """A browser that did not hear of its answer, or of its undo, sends it with the same id."""
    session = session_in(tmp_path)
    desk = Desk(session)
    answer, undo = str(uuid4()), str(uuid4())
    desk.answer(clip(session, 0), "yes", [ROW])
    for _ in range(2):
        desk.answer(clip(session, 1), "no", [ROW], answer)
    for _ in range(2):
        desk.undo(undo)
    assert [event.event_id for event in logged(session)][1:] == [answer, undo]


def test_an_id_of_another_clips_act_is_refused(tmp_path: Path) -> None:
    """What the log has for one clip is not reported as saved for another."""
    session = session_in(tmp_path)
    desk = Desk(session)
    answer = str(uuid4())
    desk.answer(clip(session, 0), "yes", [ROW], answer)
    with pytest.raises(InvalidInput, match=clip(session, 0)):
        desk.answer(clip(session, 1), "yes", [ROW], answer)
    assert len(logged(session)) == 1


def test_the_data_set_is_told_again_after_the_log_could_not_be_read() -> None:
    """An error in taking edits is a data set that cannot be reached, not the end of telling."""
    asked: queue.Queue[str] = queue.Queue()

    def take_edits(question: Question) -> NoReturn:
        asked.put(question.clip_id)
        raise OSError("no space left on device")

    mirror = Mirror("vggss-tools-test", take_edits)
    question = Question("a_000000", LABELS[0], "f.jpg", "s.mp4", 2.5, 96, 96, sample_ids=("1", "2"))
    mirror.tell(question)
    assert asked.get(timeout=60) == "a_000000"
    until(lambda: not mirror.is_reachable, "the pause after an error")
    mirror._silent_until = 0.0
    mirror.tell(question)
    assert asked.get(timeout=60) == "a_000000"


def test_undo_goes_back_act_by_act(tmp_path: Path) -> None:
    """Each undo takes back the newest act that stands, its decision and its boxes."""
    session = session_in(tmp_path)
    desk = Desk(session)
    desk.answer(clip(session, 0), "yes", [ROW])
    desk.edit(clip(session, 0), [SILENT_ROW])
    desk.answer(clip(session, 1), "no", [])
    assert desk.undo()["clip_id"] == clip(session, 1)
    assert desk.question(clip(session, 1))["boxes"] == [ROW]
    assert desk.question(clip(session, 1))["decision"] == "unseen"
    assert desk.question(clip(session, 0))["boxes"] == [SILENT_ROW]
    desk.undo()
    shown = desk.question(clip(session, 0))
    assert (shown["decision"], shown["boxes"]) == ("yes", [ROW])
    assert desk.undo()["decision"] == "unseen"
    with pytest.raises(VggssError, match="nothing of yours"):
        desk.undo()


def test_a_new_session_undoes_what_an_earlier_one_did(tmp_path: Path) -> None:
    """The log alone knows what can be taken back, so a restart forgets nothing."""
    session = session_in(tmp_path)
    Desk(session).answer(clip(session), "yes", [ROW])
    assert Desk(session).undo()["decision"] == "unseen"


def test_an_edit_takes_away_nobodys_decision_and_is_no_answer(tmp_path: Path) -> None:
    """Moving a box keeps what others decided, and says nothing for who moved it."""
    session = session_in(tmp_path)
    theirs = new_event(
        clip(session), LABELS[0], "yes", [LEFT], stage="verify", reviewer="bob", tool="test"
    )
    append_events(session.workspace.annotations_log, [theirs])
    desk = Desk(session)
    edited = desk.edit(clip(session), [SILENT_ROW])
    assert edited["decision"] == "unseen"
    assert edited["progress"]["done"] == 0
    standing = fold(logged(session))[clip(session)].classes[LABELS[0]].newest
    assert (standing.decision, standing.reviewer) == (Decision.YES, "ann")
    assert [item.sounding for item in standing.boxes] == [False]
    desk.answer(clip(session), "no", [SILENT_ROW])
    assert desk.edit(clip(session), [ROW])["decision"] == "no"


def test_others_are_counted_while_they_work(tmp_path: Path) -> None:
    """Answers that another process appends meet in the agreement; nobody sees them beforehand."""
    session = session_in(tmp_path)
    desk = Desk(session)
    desk.answer(clip(session, 0), "yes", [ROW])
    desk.answer(clip(session, 1), "yes", [ROW])
    append_events(
        session.workspace.annotations_log,
        [
            new_event(
                clip(session, index), LABELS[index], decision, [LEFT],
                stage="verify", reviewer="bob", tool="test",
            )
            for index, decision in ((0, "yes"), (1, "no"), (2, "no"))
        ],
    )  # fmt: skip
    assert desk.question(clip(session, 2))["opinions"] == {}
    others = desk.opening()["progress"]["others"]
    assert others["bob"]["both"] == 2
    assert others["bob"]["same"] == 1


@pytest.mark.parametrize(
    ("decision", "boxes"),
    [
        ("unseen", []),
        ("maybe", []),
        (None, []),
        ("yes", "boxes"),
        ("yes", [{"bbox": [0, 0, 1], "sounding": True}]),
        ("yes", [{"bbox": [0, 0, float("nan"), 1], "sounding": True}]),
        ("yes", [{"bbox": [0, 0, 10**400, 1], "sounding": True}]),
        ("yes", [{"bbox": [0.5, 0.5, 0.5, 0.9], "sounding": True}]),
        ("yes", [{}]),
        ("yes", [ROW] * (MAX_BOXES + 1)),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, decision: object, boxes: object) -> None:
    """A broken page cannot put anything into the log."""
    session = session_in(tmp_path)
    with pytest.raises(InvalidInput):
        Desk(session).answer(clip(session), decision, boxes)  # type: ignore[arg-type]
    assert logged(session) == []


def test_a_clip_of_no_question_is_refused(tmp_path: Path) -> None:
    """Only clips of the session are answered."""
    session = session_in(tmp_path)
    with pytest.raises(InvalidInput, match="not a clip of this session"):
        Desk(session).answer("elsewhere_000000", "yes", [])


def test_a_session_survives_its_file(tmp_path: Path) -> None:
    """The App's server reads what `vggss verify` wrote; a broken file is refused in one line."""
    session = session_in(tmp_path)
    path = session.write()
    assert Session.read(path) == session
    path.write_text("{}")
    with pytest.raises(InvalidInput, match="not the file of a review session"):
        Session.read(path)
