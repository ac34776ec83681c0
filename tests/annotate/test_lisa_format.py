"""Projects of LISA 0.0.3: what they keep, what is taken, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
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
    written,
)

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.exchange import Item, Refused
from vggss_tools.annotate.formats.lisa import FORMAT


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clips=items())
def test_a_round_trip_loses_nothing_that_is_held(clips: list[Item], tmp_path: Path) -> None:
    """What goes out and comes back untouched is the same to the last bit, whatever it is."""
    path = tmp_path / "project.json"
    written(FORMAT, clips, path)
    assert [said(answer) for answer in FORMAT.read(path, known_of(clips))] == [
        expected(item) for item in clips
    ]


def test_the_file_has_the_parts_of_version_0_0_3(tmp_path: Path) -> None:
    """Project, configuration, attributes and files stand as VGG's own writers put them."""
    project = written(FORMAT, [make_item(decision=Decision.YES)], tmp_path / "project.json")
    assert set(project) == {"project", "config", "attributes", "files"}
    assert project["project"]["file_format_version"] == "0.0.3"
    assert project["config"]["file_src_prefix"] == "frames/"
    assert project["attributes"]["file"]["decision"] == {
        "aname": "Decision",
        "atype": "radio",
        "options": {"yes": "Yes", "no": "No", "not_sure": "Not sure"},
    }
    (file,) = project["files"]
    assert file["regions"] == [[32.0, 48.0, 96.0, 120.0], [160.0, 120.0, 128.0, 108.0]]
    assert file["rdata"] == [{"sounding": "yes"}, {"sounding": "no"}]
    assert file["fdata"] == {"class": "dog barking", "decision": "yes"}
    assert file["src"] == "clip0000000_000010.jpg"


def test_deleted_and_new_regions_and_answers_are_taken(tmp_path: Path) -> None:
    """A region that went, one that came without data of its own, and an answer are read."""
    path = tmp_path / "project.json"
    project = written(FORMAT, [make_item()], path)
    file = project["files"][0]
    file.pop("vggss")
    file["regions"] = [[0, 0, 32, 24]]
    file["rdata"] = [{}]
    file["fdata"]["decision"] = "not_sure"
    (answer,) = read_json(FORMAT, project, [make_item()], path)
    assert answer.decision is Decision.NOT_SURE
    assert answer.base is None
    assert answer.boxes is not None
    ((box, sounding),) = [(one.box, one.sounding) for one in answer.boxes]
    assert box.as_list() == [0, 0, 0.1, 0.1]
    assert sounding


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": [[1, 2]], "rdata": [{}]}, r"files\[0\], regions\[0\]: .*not four numbers"),
        ({"regions": [[0, 0, 5, 5]], "rdata": []}, "not lists of one length"),
        ({"rdata": [{"sounding": "loud"}, {}]}, "sounding 'loud' is not one of yes, no"),
        ({"fdata": {"class": "cat meowing"}}, "class 'cat meowing' was not asked about"),
        ({"fdata": []}, "fdata is .*, not an object"),
        ({"vggss": {"clip_id": "another0000_000001"}}, "clip 'another0000_000001' is not among"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The message names the place, the clip and the cause."""
    path = tmp_path / "project.json"
    project = written(FORMAT, [make_item()], path)
    project["files"][0].update(change)
    with pytest.raises(Refused, match=message):
        read_json(FORMAT, project, [make_item()], path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A file format that is not known is not guessed at."""
    path = tmp_path / "project.json"
    project = written(FORMAT, [make_item()], path)
    project["project"]["file_format_version"] = "2.0.0"
    with pytest.raises(Refused, match=r"file_format_version '2\.0\.0' is not 0\.0\.3"):
        read_json(FORMAT, project, [make_item()], path)


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Whatever is changed in a file, it is taken or refused; there is no third way."""
    clips = [make_item(number, decision=Decision.YES) for number in range(3)]
    path = tmp_path / "project.json"
    project = written(FORMAT, clips, path)
    n_refused = check_mutations(FORMAT, project, clips, path, range(250))
    assert n_refused > 25


def test_an_untouched_project_is_the_boxes_that_went_out(tmp_path: Path) -> None:
    """Boxes come back to the last bit, although three decimals of a pixel are written."""
    path = tmp_path / "project.json"
    item = make_item(width=1919, height=1079)
    written(FORMAT, [item], path)
    (answer,) = FORMAT.read(path, known_of([item]))
    assert answer.boxes == BOXES
