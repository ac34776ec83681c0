"""What goes out comes back: every format, 10,000 cases across them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import exchange_cases as cases
import pytest
from hypothesis import HealthCheck, given, settings

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.exchange import Answer, Item
from vggss_tools.annotate.formats.registry import FORMATS

EXAMPLES = 1000  # of each of the ten formats


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.make_files(tmp_path_factory.mktemp("files"))


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.NAMES)
def test_what_goes_out_comes_back(name: str, files: Path) -> None:
    """Boxes within the format's precision, their sounding and the decision survive."""
    format_ = FORMATS[name]
    holds = getattr(format_, "holds", lambda item: True)
    folder = Path(tempfile.mkdtemp(dir=files))

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(cases.item_lists(files))
    def check(items: list[Item]) -> None:
        path = cases.write_project(name, items, folder)
        try:
            known = {item.clip_id: item for item in items}
            answers = {answer.clip_id: answer for answer in format_.read(path, known)}
        finally:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert set(answers) == {item.clip_id for item in items if holds(item)}
        for clip_id, answer in answers.items():
            assert_same(known[clip_id], answer, format_.precision)

    check()


def assert_same(item: Item, answer: Answer, precision: float) -> None:
    """Compare what came back with what went out."""
    assert answer.label == item.label
    if item.decision is not Decision.UNSEEN:
        assert answer.decision is item.decision
    else:
        assert answer.decision in (None, Decision.UNSEEN)
    sent = [one for one in item.boxes if one.sounding or not answer.only_sounding]
    assert answer.boxes is not None
    assert [one.sounding for one in answer.boxes] == [one.sounding for one in sent]
    for one, other in zip(answer.boxes, sent, strict=True):
        assert item.width
        assert item.height
        sizes = (item.width, item.height) * 2
        for a, b, size in zip(one.box.as_list(), other.box.as_list(), sizes, strict=True):
            assert abs(a - b) * size <= precision + 1e-9
    assert answer.base in (None, item.event_id or "")
