"""The agreement of reviewers: kappas, boxes and where they disagree."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.agreement import (
    agreement,
    cohens_kappa,
    disagreements,
    fleiss_kappa,
)
from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.fold import fold
from vggss_tools.annotate.log import append_events
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

GOLDEN = json.loads(Path(__file__).with_name("kappa_golden.json").read_text(encoding="utf-8"))
LABEL = "elk bugling"
LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)
YES, NO, NOT_SURE = Decision.YES, Decision.NO, Decision.NOT_SURE


def said(number: int, clip: int, reviewer: str, decision: str, *boxes: Box) -> Event:
    """Make one reviewer's answer on one clip."""
    return Event(
        event_id=str(UUID(int=number)),
        clip_id=f"clip{clip}_000000",
        label=LABEL,
        time=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=number),
        stage=AnnotationStage.VERIFY,
        reviewer=reviewer,
        tool="by hand",
        decision=Decision(decision),
        boxes=tuple(EventBox(box) for box in boxes),
    )


ANSWERS = [
    said(1, 1, "ada", "yes", LEFT),
    said(2, 1, "ben", "yes", LEFT, RIGHT),
    said(3, 2, "ada", "yes", LEFT),
    said(4, 2, "ben", "no", LEFT),
    said(5, 3, "ada", "no"),
    said(6, 3, "ben", "no"),
    said(7, 4, "ada", "yes", Box(0.1, 0.2, 0.4, 0.7)),
    said(8, 4, "ben", "yes", LEFT),
    said(9, 5, "ada", "not_sure"),
    said(10, 5, "ben", "unseen"),
]


@pytest.mark.parametrize("name", GOLDEN)
def test_kappas_are_those_of_other_packages(name: str) -> None:
    """Cohen's is scikit-learn's; Fleiss' is statsmodels', and Gwet's own with gaps."""
    case = GOLDEN[name]
    rows = [[Decision(said) if said else None for said in row] for row in case["rows"]]
    for columns, expected in case["cohen"].items():
        one, other = map(int, columns.split(","))
        pairs = [(a, b) for row in rows if (a := row[one]) and (b := row[other])]
        assert cohens_kappa(pairs) == pytest.approx(expected, abs=1e-12)
    questions = [[said for said in row if said] for row in rows]
    assert fleiss_kappa(questions) == pytest.approx(case["fleiss"], abs=1e-12)


def test_kappa_is_not_defined_where_all_decisions_are_the_same() -> None:
    """Then chance alone agrees as often; and without a question there is nothing at all."""
    assert cohens_kappa([]) is None
    assert cohens_kappa([(YES, YES)] * 5) is None
    assert fleiss_kappa([]) is None
    assert fleiss_kappa([[YES], [NO]]) is None
    assert fleiss_kappa([[YES, YES], [YES, YES, YES]]) is None


def test_kappa_of_two_who_never_use_the_same_decision_is_zero() -> None:
    """All yes against all no is what chance gives: nothing in common, nothing expected."""
    assert cohens_kappa([(YES, NO)] * 4) == 0


decisions = st.sampled_from([YES, NO, NOT_SURE])


@given(st.lists(st.tuples(decisions, decisions), max_size=30))
def test_cohens_kappa_is_symmetric_and_at_most_one(
    pairs: list[tuple[Decision, Decision]],
) -> None:
    """Who is the first reviewer does not matter; full agreement alone gives 1."""
    kappa = cohens_kappa(pairs)
    assert kappa == cohens_kappa([(b, a) for a, b in pairs])
    if kappa is not None:
        assert -1 <= kappa <= 1
        assert (kappa == 1) == all(a == b for a, b in pairs)


@given(st.lists(st.lists(decisions, max_size=4), max_size=20), st.randoms())
def test_fleiss_kappa_knows_no_order(questions: list[list[Decision]], random: object) -> None:
    """Neither the order of questions nor of reviewers matters."""
    kappa = fleiss_kappa(questions)
    turned = fleiss_kappa([question[::-1] for question in questions[::-1]])
    assert turned == kappa or turned == pytest.approx(kappa)
    assert kappa is None or kappa <= 1


def test_pairs_boxes_and_disagreements_are_as_counted_by_hand() -> None:
    """Five clips, two reviewers; four of them both decided, and they agree on three.

    Of the four, ada says yes 3 times and no once, ben 2 and 2: chance is
    (3 * 2 + 1 * 2) / 16 = 1/2, so kappa is (3/4 - 1/2) / (1/2) = 1/2. Both said yes to clips 1 and
    4: two boxes are shared, with an IoU of 1 and of 0.5/0.6, and one is alone.
    """
    found = agreement(fold(ANSWERS), "test")
    assert found["schema"] == "vggss-agreement/1"
    assert found["split"] == "test"
    assert found["reviewers"] == {"ada": 5, "ben": 4}
    (pair,) = found["pairs"]
    assert pair["reviewers"] == ["ada", "ben"]
    assert (pair["questions"], pair["agree"]) == (4, 3)
    assert pair["cohens_kappa"] == pytest.approx(0.5)
    assert (pair["boxes"]["matched"], pair["boxes"]["unmatched"]) == (2, 1)
    assert pair["boxes"]["mean_iou"] == pytest.approx((1 + 5 / 6) / 2)
    assert found["overall"]["questions"] == 5
    assert found["overall"]["reviewed_twice"] == 4
    # Of 8 opinions 5 are yes and 3 no: chance is 34/64.
    assert found["overall"]["fleiss_kappa"] == pytest.approx((3 / 4 - 34 / 64) / (30 / 64))
    assert [(one["clip_id"], one["about"]) for one in found["disagreements"]] == [
        ("clip1_000000", "boxes"),
        ("clip2_000000", "decision"),
    ]


def test_who_reviews_alone_disagrees_with_nobody() -> None:
    """Without a second opinion there are no pairs, no kappa and no disagreements."""
    found = agreement(fold(event for event in ANSWERS if event.reviewer == "ada"))
    assert found["pairs"] == []
    assert found["overall"]["fleiss_kappa"] is None
    assert disagreements(fold(ANSWERS[:1])) == []


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a data directory with the answers; clip 4 is of the split train."""
    workspace = Workspace.create(tmp_path / "data")
    write_clips(
        workspace.clips_table,
        [Clip(f"clip{n}_000000", LABEL, "train" if n == 4 else "test") for n in range(1, 6)],
    )
    append_events(workspace.annotations_log, ANSWERS)
    return workspace


def test_the_command_prints_a_row_a_pair_and_the_disagreements(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """People read kappas, the shared boxes and the clips that need another look."""
    result = invoke("agreement", "--data", workspace.root, "--limit", "1")
    assert result.exit_code == 0, result.output
    assert "ada + ben          4  75.0%  0.500" in result.stdout
    assert "disagreements: 2" in result.stdout
    assert "clip1_000000  elk bugling  (ada: yes, ben: yes; other boxes)" in result.stdout
    assert "1 more" in result.stdout


def test_the_command_takes_one_split_and_writes_json(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """With --json stdout is one object, with --split about those clips alone."""
    result = invoke("agreement", "--data", workspace.root, "--split", "test", "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["schema"] == "vggss-agreement/1"
    assert found["pairs"][0]["questions"] == 3


def test_the_command_says_what_is_missing(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """Without a log there is one clear line; one reviewer alone is told apart from it."""
    result = invoke("agreement", "--data", tmp_path)
    assert result.exit_code == 1
    assert "no annotations" in result.stderr
    append_events(Workspace(tmp_path).annotations_log, ANSWERS[:1])
    result = invoke("agreement", "--data", tmp_path)
    assert result.exit_code == 0
    assert "No clip was decided by two people" in result.stdout


@pytest.mark.parametrize("name", ["annotations_log", "clips_table"])
def test_the_result_is_never_written_over_what_is_read(
    name: str, workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """--json is neither the log nor the clips."""
    path: Path = getattr(workspace, name)
    before = path.read_bytes()
    result = invoke("agreement", "--data", workspace.root, "--json", path)
    assert result.exit_code == 6
    assert path.read_bytes() == before
