"""Projects of VIA 2 and 3 without their pages: what they keep, what is taken, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clip_maker import make_clip
from hypothesis import HealthCheck, given, settings
from project_items import (
    BOXES,
    InlineMedia,
    check_mutations,
    expected,
    items,
    known_of,
    make_item,
    read_json,
    said,
    written,
)

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats import via2, via3
from vggss_tools.annotate.formats.displayed_size import displayed_size
from vggss_tools.annotate.formats.exchange import Format, Item, Refused
from vggss_tools.boxes import Box

FORMATS: list[Format] = [via2.FORMAT, via3.FORMAT]
both = pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)


@both
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clips=items())
def test_a_round_trip_loses_nothing_that_is_held(
    format_: Format, clips: list[Item], tmp_path: Path
) -> None:
    """What goes out and comes back untouched is the same to the last bit, whatever it is."""
    path = tmp_path / "project.json"
    written(format_, clips, path)
    assert [said(answer) for answer in format_.read(path, known_of(clips))] == [
        expected(item) for item in clips
    ]


@both
def test_equal_clips_give_equal_bytes(format_: Format, tmp_path: Path) -> None:
    """A project has no clock in it, and is named after its file."""
    first, second = tmp_path / "a" / "p.json", tmp_path / "b" / "p.json"
    for path in (first, second):
        path.parent.mkdir()
        written(format_, [make_item()], path)
    assert first.read_bytes() == second.read_bytes()
    assert '"p"' in first.read_text()


def rename_media(format_: Format, project: Any, name: str) -> None:
    """Give the first clip's media another name, and take our own mark away."""
    entry = next(iter(project["_via_img_metadata" if format_.name == "via2" else "file"].values()))
    entry.pop("vggss")
    entry["filename" if format_.name == "via2" else "src"] = name
    if format_.name == "via3":
        entry["fname"] = "video"


@both
@pytest.mark.parametrize(
    "name",
    [
        "clip0000000_000010.png",
        "https://host.example/a%20b/clip0000000_000010.mp4?size=1#t=2",
        "C:\\frames\\clip0000000_000010.jpg",
        "copy of clip0000000_000010 (1).jpg",
        "my_clip0000000_000010.jpg",
    ],
)
def test_a_renamed_media_still_finds_its_clip(format_: Format, name: str, tmp_path: Path) -> None:
    """Without our mark, the name of the media tells the clip, whatever is put round it."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    rename_media(format_, project, name)
    (answer,) = read_json(format_, project, [make_item()], path)
    assert answer.clip_id == make_item().clip_id
    assert answer.boxes == BOXES


@both
def test_our_mark_counts_more_than_a_name(format_: Format, tmp_path: Path) -> None:
    """Inlined media have no name; the mark that pages carry along tells the clip."""
    path = tmp_path / "project.json"
    clips = [make_item(0), make_item(1)]
    project = written(format_, clips, path, InlineMedia())
    assert [a.clip_id for a in read_json(format_, project, clips, path)] == [
        item.clip_id for item in clips
    ]


@both
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("holiday.jpg", "cannot tell which clip"),
        ("../../etc/passwd", "cannot tell which clip"),
        ("data:image/png;base64,clip0000000_000010", "cannot tell which clip"),
        (7, "cannot tell which clip"),
    ],
)
def test_media_of_no_known_clip_are_refused(
    format_: Format, name: Any, message: str, tmp_path: Path
) -> None:
    """An entry that cannot be traced to a clip refuses the file."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    rename_media(format_, project, name)
    with pytest.raises(Refused, match=message):
        read_json(format_, project, [make_item()], path)


def regions(format_: Format, project: Any) -> Any:
    """Return the shapes of the first clip's boxes."""
    if format_.name == "via2":
        image = next(iter(project["_via_img_metadata"].values()))
        return [region["shape_attributes"] for region in image["regions"]]
    return [m for m in project["metadata"].values() if m["xy"]]


def place(format_: Format, region: Any, numbers: list[Any]) -> None:
    """Give a box other pixels."""
    if format_.name == "via2":
        region.update(zip(("x", "y", "width", "height"), numbers, strict=True))
    else:
        region["xy"] = [2, *numbers]


@both
def test_whole_pixels_are_taken(format_: Format, tmp_path: Path) -> None:
    """Pages round what is dragged to whole pixels, perhaps one beyond the frame."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    place(format_, regions(format_, project)[0], [0, -1, 321, 100])
    (answer,) = read_json(format_, project, [make_item()], path)
    assert answer.boxes == (EventBox(Box(0, 0, 1, 99 / 240)), BOXES[1])


@both
@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([10, 10, 400, 20], "leaves the frame .320 x 240 pixels.; move it inside"),
        ([-5, 10, 20, 20], "leaves the frame"),
        ([1e300, 10, 1e300, 20], "leaves the frame"),
        ([10**400, 10, 20, 20], "not four numbers"),
        ([10, 10, 0, 20], "no area"),
        (["10", 10, 20, 20], "not four numbers"),
        ([True, 10, 20, 20], "not four numbers"),
        ([None, 10, 20, 20], "not four numbers"),
    ],
)
def test_a_box_that_cannot_be_is_refused(
    format_: Format, numbers: list[Any], message: str, tmp_path: Path
) -> None:
    """The message names the entry, the clip, and what is wrong with its box."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    place(format_, regions(format_, project)[1], numbers)
    with pytest.raises(Refused, match=f"1.*{make_item().clip_id}: .*{message}"):
        read_json(format_, project, [make_item()], path)


def say_decision(format_: Format, project: Any, value: Any) -> None:
    """Press a radio button of the first clip."""
    if format_.name == "via2":
        image = next(iter(project["_via_img_metadata"].values()))
        image["file_attributes"]["decision"] = value
    else:
        entry = next(m for m in project["metadata"].values() if not m["z"])
        entry["av"]["2"] = value


@both
@pytest.mark.parametrize(
    ("value", "decision"),
    [
        ("yes", Decision.YES),
        ("no", Decision.NO),
        ("not_sure", Decision.NOT_SURE),
        ("Not sure", Decision.NOT_SURE),
        ("", None),
        (None, None),
        ("unseen", None),
    ],
)
def test_a_radio_button_is_an_answer(
    format_: Format, value: Any, decision: Decision | None, tmp_path: Path
) -> None:
    """An option or its caption is the decision; a button that nobody pressed says nothing."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    say_decision(format_, project, value)
    (answer,) = read_json(format_, project, [make_item()], path)
    assert answer.decision is decision


@both
def test_an_unknown_answer_is_refused(format_: Format, tmp_path: Path) -> None:
    """An option that nobody offered refuses the file."""
    path = tmp_path / "project.json"
    project = written(format_, [make_item()], path)
    say_decision(format_, project, "maybe")
    with pytest.raises(Refused, match="decision 'maybe' is not one of yes, no, not_sure"):
        read_json(format_, project, [make_item()], path)


@both
def test_markup_in_a_class_is_text(format_: Format, tmp_path: Path) -> None:
    """VIA shows text as markup, so a class is written such that it shows as itself."""
    item = make_item(label='<img src=x onerror=alert(1)> & "dogs"')
    path = tmp_path / "project.json"
    project = written(format_, [item], path)
    assert "<img" not in path.read_text()
    (answer,) = read_json(format_, project, [item], path)
    assert answer.label == item.label


@both
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clips=items(most=2))
def test_a_frame_of_another_clip_twice_is_refused(
    format_: Format, clips: list[Item], tmp_path: Path
) -> None:
    """A clip that stands in a project twice is refused, as nobody could say which counts."""
    path = tmp_path / "project.json"
    project = written(format_, clips, path)
    if format_.name == "via2":
        images = project["_via_img_metadata"]
        images["again"] = next(iter(images.values()))
    else:
        project["view"]["again"] = project["view"]["1"]
    with pytest.raises(Refused, match=f"{clips[0].clip_id}: stands there already, as .* 1"):
        read_json(format_, project, clips, path)


@both
def test_mutated_files_are_read_or_refused(format_: Format, tmp_path: Path) -> None:
    """Whatever is changed in a file, it is taken or refused; there is no third way."""
    clips = [make_item(number, decision=Decision.YES, event_id="e") for number in range(3)]
    path = tmp_path / "project.json"
    project = written(format_, clips, path)
    n_refused = check_mutations(format_, project, clips, path, range(250))
    assert n_refused > 25


def test_a_bare_map_of_via2_is_read(tmp_path: Path) -> None:
    """VIA 2's own export of annotations is the project's middle part alone."""
    path = tmp_path / "project.json"
    project = written(via2.FORMAT, [make_item()], path)
    (answer,) = read_json(via2.FORMAT, project["_via_img_metadata"], [make_item()], path)
    assert answer.boxes == BOXES


def test_a_polygon_is_refused(tmp_path: Path) -> None:
    """A shape that is no rectangle is refused, with what to do."""
    path = tmp_path / "project.json"
    project = written(via2.FORMAT, [make_item()], path)
    regions(via2.FORMAT, project)[0]["name"] = "polygon"
    with pytest.raises(Refused, match=r"image 1, box 1: .*a 'polygon'; draw it as a rectangle"):
        read_json(via2.FORMAT, project, [make_item()], path)


def test_relative_frames_lie_in_one_folder_that_can_be_corrected(tmp_path: Path) -> None:
    """Names are bare, so that VIA knows files that a person picks; the folder stands apart."""
    project = written(via2.FORMAT, [make_item(0), make_item(1)], tmp_path / "project.json")
    assert project["_via_settings"]["core"]["default_filepath"] == "frames/"
    assert list(project["_via_img_metadata"]) == [
        "clip0000000_000010.jpg-1",
        "clip0000001_000010.jpg-1",
    ]
    videos = written(via3.FORMAT, [make_item(0), make_item(1)], tmp_path / "videos.json")
    assert videos["config"]["file"]["loc_prefix"]["3"] == "clips/"
    assert videos["file"]["2"]["src"] == "clip0000001_000010.mp4"
    assert videos["file"]["2"]["loc"] == 3


def test_times_of_via3_are_those_of_the_file(tmp_path: Path) -> None:
    """The segment and the boxes stand where the clip begins in its file."""
    project = written(via3.FORMAT, [make_item(offset=31.5)], tmp_path / "project.json")
    times = [m["z"] for m in project["metadata"].values()]
    assert times == [[], [33.96, 38.96], [36.46], [36.46]]


def test_a_box_at_another_moment_is_refused(tmp_path: Path) -> None:
    """A box that was drawn elsewhere in the video is none of the frame's."""
    path = tmp_path / "project.json"
    project = written(via3.FORMAT, [make_item()], path)
    regions(via3.FORMAT, project)[0]["z"] = [3.2]
    with pytest.raises(Refused, match=r"box at 3\.2 s, and the frame is at 4\.96 s; draw it there"):
        read_json(via3.FORMAT, project, [make_item()], path)


def test_a_box_dragged_past_its_other_side_is_turned(tmp_path: Path) -> None:
    """VIA 3 gives such a box a negative width."""
    path = tmp_path / "project.json"
    project = written(via3.FORMAT, [make_item()], path)
    regions(via3.FORMAT, project)[0]["xy"] = [2, 64, 48, -32, 24]
    (answer,) = read_json(via3.FORMAT, project, [make_item()], path)
    assert answer.boxes is not None
    assert answer.boxes[0].box == Box(0.1, 0.2, 0.2, 0.3)


def test_wide_pixels_count_as_a_browser_shows_them(tmp_path: Path) -> None:
    """A clip whose pixels are twice as wide as high has its boxes in doubled pixels, and back."""
    clip = make_clip(tmp_path / "wide.mp4", seconds=1, options=("-vf", "setsar=2/1"))
    item = make_item(clip=clip, width=96, height=64)
    assert displayed_size(item) == (192, 64)
    path = tmp_path / "project.json"
    project = written(via3.FORMAT, [item], path)
    assert regions(via3.FORMAT, project)[0]["xy"][1:] == pytest.approx([19.2, 12.8, 57.6, 32.0])
    regions(via3.FORMAT, project)[0]["xy"] = [2, 96, 16, 48, 16]
    (answer,) = read_json(via3.FORMAT, project, [item], path)
    assert answer.boxes is not None
    assert answer.boxes[0].box == Box(0.5, 0.25, 0.75, 0.5)


def test_attributes_that_were_numbered_anew_are_found_by_name(tmp_path: Path) -> None:
    """A person may have made the attributes again in VIA 3; their names count."""
    path = tmp_path / "project.json"
    project = written(via3.FORMAT, [make_item(decision=Decision.NO)], path)
    text = (
        json.dumps(project)
        .replace('"2": {"aname"', '"7": {"aname"')
        .replace('"2": "no"', '"7": "no"')
    )
    (answer,) = read_json(via3.FORMAT, json.loads(text), [make_item()], path)
    assert answer.decision is Decision.NO
