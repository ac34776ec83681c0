"""The review page's folder and the answers that come back, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from exchange_cases import downloaded
from hypothesis import HealthCheck, given, settings
from project_items import (
    BOXES,
    check_mutations,
    expected,
    items,
    known_of,
    make_item,
    read_json,
    said,
)
from real_browser import make_world

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.exchange import Item, Refused
from vggss_tools.annotate.review_page import FORMAT, render
from vggss_tools.workspace import Workspace


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory of two sample clips."""
    return make_world(tmp_path_factory.mktemp("review") / "world", clips=2)


def test_the_folder_holds_all_that_the_page_shows(
    world: Workspace, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    """One page, and of each clip five seconds with sound and the frame; nothing else is named."""
    from vggss_tools.media.probe import probe

    done = invoke("export", "review-page", "--data", world.root, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    clips = [clip.clip_id for clip in world.clips()]
    media = sorted(f"media/{clip}.{suffix}" for clip in clips for suffix in ("jpg", "mp4"))
    files = sorted(
        str(path.relative_to(tmp_path / "page")) for path in (tmp_path / "page").rglob("*.*")
    )
    assert files == ["index.html", *media]
    for clip in clips:
        info = probe(tmp_path / "page" / "media" / f"{clip}.mp4")
        assert info.duration == pytest.approx(5, abs=0.1)
        assert info.has_audio
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]", page.replace("// ", ""))
    assert "default-src 'none'" in page


def test_an_export_is_not_written_over(
    world: Workspace, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    """A folder with something in it is left as it is."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "mine.txt").write_text("mine")
    done = invoke("export", "review-page", "--data", world.root, "--out", tmp_path / "page")
    assert done.exit_code == 1
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["mine.txt"]


def test_a_clip_that_cannot_be_cut_is_named(tmp_path: Path) -> None:
    """A broken video ends the export with the clip and what to do."""
    from vggss_tools.errors import InvalidInput

    (tmp_path / "broken.mp4").write_bytes(b"no video")
    item = make_item(clip=tmp_path / "broken.mp4")
    with pytest.raises(InvalidInput, match=rf"{item.clip_id}: no segment can be cut .*fetch the"):
        FORMAT.write([item], tmp_path / "page", None)  # type: ignore[arg-type]


class Elements(HTMLParser):
    """Names of all elements, and the words of the data block."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.data = ""
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.inside = dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.data += data if self.inside else ""


HOSTILE = [
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<!--<script>",
    "{{ 7 * 7 }}",
    "a & b &lt;i&gt; 'c' \"d\"",
    "鐘 🔔",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_markup_in_names_is_text(label: str) -> None:
    """A class or a page's name may look like markup; the page has the same elements."""
    plain, hostile = (
        Elements(render([make_item()], "page")),
        Elements(render([make_item(label=label)], label)),
    )
    assert hostile.names == plain.names
    data = json.loads(hostile.data)
    assert data["clips"][0]["class"] == label
    assert data["name"] == label


def test_another_export_is_another_page() -> None:
    """What a browser keeps belongs to one export; equal exports are one and the same page."""
    pages = [
        json.loads(Elements(render(clips, name)).data)["page"]
        for clips, name in (
            ([make_item()], "a"),
            ([make_item()], "a"),
            ([make_item()], "b"),
            ([make_item(boxes=BOXES[:1])], "a"),
        )
    ]
    assert pages[0] == pages[1]
    assert len(set(pages)) == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clips=items())
def test_answers_come_back_as_they_were_given(clips: list[Item], tmp_path: Path) -> None:
    """Decisions and boxes are read to the last bit, with whose and of when they are."""
    answers = read_json_answers(clips, tmp_path)
    assert [said(answer) for answer in answers] == [expected(item) for item in clips]
    assert {answer.reviewer for answer in answers} == {"ada"}
    assert all(answer.time is not None and answer.time.year == 2026 for answer in answers)


def read_json_answers(clips: list[Item], folder: Path) -> list[Any]:
    """Read what a person would download who left every clip as it stood."""
    return read_json(FORMAT, downloaded(clips), clips, folder / "answers.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "vggss-answers/2"}, "schema is 'vggss-answers/2', not 'vggss-answers/1'"),
        ({"answers": {}}, "answers is {}, not a list"),
        ({"answers": [7]}, r"answers\[0\]: is 7, not an object"),
        ({"reviewer": "a\nb"}, "reviewer .* is not a short printable text"),
        ({"reviewer": ["ada"]}, "reviewer .* is not a short printable text"),
    ],
)
def test_a_file_that_is_none_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The message names the file or the place in it."""
    with pytest.raises(Refused, match=message):
        read_json(
            FORMAT,
            {**downloaded([make_item()]), **change},
            [make_item()],
            tmp_path / "answers.json",
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_id": "../../etc/passwd"}, "clip '../../etc/passwd' is not among the clips"),
        ({"clip_id": None}, "clip id None is not text"),
        ({"class": "<b>cat</b>"}, "class '<b>cat</b>' is not the clip's"),
        ({"decision": "maybe"}, "decision 'maybe' is not one of"),
        ({"boxes": None}, "boxes is None, not a list"),
        ({"boxes": [[0, 0, 1, 1]]}, "box 1: .*not an object"),
        ({"boxes": [{"bbox": [0, 0, 1.5, 1]}]}, "leaves the frame"),
        ({"boxes": [{"bbox": [0, 0, 0, 1]}]}, "no area"),
        ({"boxes": [{"bbox": [0, 0, 1, 1], "sounding": 1}]}, "sounding is 1, not true or false"),
        ({"time": "yesterday"}, "time 'yesterday' is not ISO 8601"),
        ({"time": "2400-01-01T00:00:00Z"}, "time .* is in the future"),
        ({"base": 7}, "last_event 7 is not a short printable text"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The message names the answer and the cause."""
    file: Any = downloaded([make_item()])
    file["answers"][0].update(change)
    with pytest.raises(Refused, match=rf"answers\[0\].*{message}"):
        read_json(FORMAT, file, [make_item()], tmp_path / "answers.json")


def test_a_clip_twice_is_refused(tmp_path: Path) -> None:
    """One person says one thing about a clip."""
    file: Any = downloaded([make_item()])
    file["answers"] *= 2
    with pytest.raises(Refused, match=r"answers\[1\]: .*stands there already, as answers\[0\]"):
        read_json(FORMAT, file, [make_item()], tmp_path / "answers.json")


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Whatever is changed in a file, it is taken or refused; there is no third way."""
    clips = [make_item(number, decision=Decision.YES) for number in range(3)]
    path = tmp_path / "answers.json"
    assert check_mutations(FORMAT, downloaded(clips), clips, path, range(250)) > 25


def test_a_folder_of_answers_is_read_at_once(tmp_path: Path) -> None:
    """What several reviewers sent lies in one folder, and each answer says in which file."""
    clips = [make_item()]
    for name in ("ada", "bob"):
        (tmp_path / f"answers-page-{name}.json").write_text(
            json.dumps({**downloaded(clips), "reviewer": name})
        )
    answers = FORMAT.read(tmp_path, known_of(clips))
    assert [(answer.reviewer, answer.where) for answer in answers] == [
        ("ada", "answers-page-ada.json: answers[0]"),
        ("bob", "answers-page-bob.json: answers[0]"),
    ]


def test_the_page_itself_holds_no_answers(tmp_path: Path) -> None:
    """The exported folder in place of a download is refused, with what to give."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text(render([make_item()], "page"))
    with pytest.raises(Refused, match="page: no answers in this folder; give the file that"):
        FORMAT.read(tmp_path / "page", {})
