"""The published format: read whole or refused whole, written the same whatever the order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.vggss_json import (
    PUBLISHED_NAME,
    PUBLISHED_SHA256,
    Entry,
    box_defect,
    format_vggss_json,
    read_vggss_json,
    write_vggss_json,
)
from vggss_tools.boxes import Box, iou, union_area
from vggss_tools.classes import vggsound_classes, vggss_classes
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.resources import resource

ENTRY = {"file": "abc_000010", "class": "dog barking", "bbox": [[0.1, 0.2, 0.5, 0.9]]}


def written(path: Path, value: Any) -> Path:
    """Write JSON, NaN and all, as a careless program would."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


coordinates = st.floats(allow_nan=False, allow_infinity=False)
entries = st.builds(
    Entry,
    file=st.from_regex(r"[A-Za-z0-9_-]{11}_[0-9]{6}", fullmatch=True),
    label=st.sampled_from(sorted(vggsound_classes())),
    boxes=st.lists(
        st.tuples(coordinates, coordinates, coordinates, coordinates), min_size=1, max_size=3
    ).map(tuple),
)


@given(st.lists(entries, unique_by=lambda entry: entry.file, max_size=5), st.randoms())
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, some: list[Entry], random: Any
) -> None:
    """Any entries come back, sorted by clip, and their order does not change the bytes."""
    path = tmp_path_factory.mktemp("round") / "vggss.json"
    write_vggss_json(path, some)
    assert list(read_vggss_json(path, check_classes=True).entries) == sorted(
        some, key=lambda entry: entry.file
    )
    shuffled = list(some)
    random.shuffle(shuffled)
    assert format_vggss_json(shuffled) == path.read_text(encoding="utf-8")


def test_a_written_file_has_one_entry_a_line(tmp_path: Path) -> None:
    """A file diffs entry by entry, and the empty list is a file too."""
    path = tmp_path / "vggss.json"
    later = Entry("b_000000", "airplane", ((0, 0, 1, 1),))
    earlier = Entry("a_000000", "airplane", ((0.5, 0, 1, 1),))
    write_vggss_json(path, [later, earlier])
    assert path.read_text(encoding="utf-8") == (
        "[\n"
        '{"file": "a_000000", "class": "airplane", "bbox": [[0.5, 0.0, 1.0, 1.0]]},\n'
        '{"file": "b_000000", "class": "airplane", "bbox": [[0.0, 0.0, 1.0, 1.0]]}\n'
        "]\n"
    )
    write_vggss_json(path, [])
    assert read_vggss_json(path).entries == ()


def test_a_box_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    """A NaN never reaches a file; what was there stays."""
    path = written(tmp_path / "vggss.json", [ENTRY])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_vggss_json(path, [Entry("a_000000", "airplane", ((float("nan"), 0, 1, 1),))])
    assert path.read_bytes() == before


def test_broken_boxes_are_kept_as_they_are(tmp_path: Path) -> None:
    """The reader mends nothing: an overflowed or an empty box comes out as it went in."""
    boxes: list[list[float]] = [
        [0.5, 0.3, -2.8823037615171176e16, 0.9],
        [0, 0.5, 0, 0.9],
        [0, 0, 1, 1],
    ]
    path = written(tmp_path / "vggss.json", [{**ENTRY, "bbox": boxes}])
    (entry,) = read_vggss_json(path).entries
    assert entry.boxes == tuple(tuple(box) for box in boxes)
    assert [box_defect(box) for box in entry.boxes] == ["sentinel", "empty_box", None]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"file": "a"}, "no list of entries"),
        ([7], "entry 0: not an object"),
        ([ENTRY, {"file": "b_000000", "class": "airplane"}], "entry 1: no bbox"),
        ([{**ENTRY, "file": 5}], "entry 0: file 5 is not a clip id"),
        ([{**ENTRY, "file": "../../etc/passwd"}], "entry 0: file '../../etc/passwd' is not"),
        ([{**ENTRY, "file": ".hidden"}], "entry 0: file '.hidden' is not a clip id"),
        ([{**ENTRY, "class": None}], "class None is not a class name"),
        ([{**ENTRY, "class": "a\nb"}], r"class 'a\nb' is not a class name"),
        ([{**ENTRY, "bbox": []}], "bbox is not a list of at least one box"),
        ([{**ENTRY, "bbox": [0.1, 0.2, 0.5, 0.9]}], "box 0 is 0.1, not four finite numbers"),
        ([{**ENTRY, "bbox": [[0.1, 0.2, 0.5]]}], "box 0 is [0.1, 0.2, 0.5], not four"),
        ([{**ENTRY, "bbox": [[0.1, 0.2, 0.5, float("nan")]]}], "nan], not four finite numbers"),
        ([{**ENTRY, "bbox": [[0.1, 0.2, 0.5, float("inf")]]}], "inf], not four finite numbers"),
        ([{**ENTRY, "bbox": [[0, 0, 1, 10**400]]}], "not four finite numbers"),
        ([{**ENTRY, "bbox": [[0, 0, 1, True]]}], "True], not four finite numbers"),
        ([{**ENTRY, "bbox": [["0", "0", "1", "1"]]}], "not four finite numbers"),
        ([ENTRY, ENTRY], "entry 1: abc_000010 stands there already, as entry 0"),
    ],
)
def test_a_malformed_file_is_refused_with_entry_and_cause(
    tmp_path: Path, value: Any, cause: str
) -> None:
    """The one line of the refusal names the file, the entry and what is wrong with it."""
    path = written(tmp_path / "vggss.json", value)
    with pytest.raises(InvalidInput) as caught:
        read_vggss_json(path)
    message = caught.value.message
    assert caught.value.exit_code == 6
    assert message.startswith(f"{path}: ")
    assert cause in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 200


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00\x01\xff", b"[{", b"[" * 200_000, b'[{"file": "a", "file": "b"}]',
        b"[" + b"9" * 5000 + b"]", b"\xff\xfe[",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(tmp_path: Path, data: bytes) -> None:
    """Broken, hostile and ambiguous JSON gives one line, not a traceback."""
    path = tmp_path / "vggss.json"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=r"not JSON|not an object"):
        read_vggss_json(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A missing file and a folder are each named; nothing was read, so exit code 1."""
    with pytest.raises(VggssError, match="no such file") as missing:
        read_vggss_json(tmp_path / "nothing.json")
    with pytest.raises(VggssError, match="a folder") as folder:
        read_vggss_json(tmp_path)
    assert (missing.value.exit_code, folder.value.exit_code) == (1, 1)


def test_an_unknown_class_is_refused_when_asked_for(tmp_path: Path) -> None:
    """Classes are checked against VGG-Sound's only on request, since others have theirs."""
    path = written(tmp_path / "vggss.json", [{**ENTRY, "class": "dog barkin"}])
    assert read_vggss_json(path).entries[0].label == "dog barkin"
    with pytest.raises(InvalidInput, match=r"entry 0: .*: class 'dog barkin'.*'dog barking'"):
        read_vggss_json(path, check_classes=True)


def test_a_clip_may_have_one_entry_a_class_where_that_is_allowed(tmp_path: Path) -> None:
    """A list of silent objects holds a clip once for each of their classes, not twice for one."""
    other = {**ENTRY, "class": "airplane"}
    path = written(tmp_path / "silent.json", [ENTRY, other])
    assert len(read_vggss_json(path, repeated_files=True).entries) == 2
    written(path, [ENTRY, other, ENTRY])
    with pytest.raises(InvalidInput, match="entry 2"):
        read_vggss_json(path, repeated_files=True)


def test_a_release_is_named_after_its_folder(tmp_path: Path) -> None:
    """Annotations carry the release's name where there is one, else the file's."""
    path = written(tmp_path / "vggss.json", [ENTRY])
    assert read_vggss_json(path).name == "vggss.json"
    (tmp_path / "release.json").write_text("{}")
    assert read_vggss_json(path).name == tmp_path.name


def test_the_schema_and_the_reader_agree_on_what_an_entry_has() -> None:
    """The JSON Schema asks for the keys that the reader asks for."""
    schema = json.loads(resource("vggss_json.schema.json").read_text(encoding="utf-8"))
    assert set(schema["items"]["required"]) == set(ENTRY)
    assert set(schema["items"]["properties"]) == set(ENTRY)


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """Return what is recorded about the published file."""
    facts: dict[str, Any] = yaml.safe_load(resource("vggss_json.yaml").read_text(encoding="utf-8"))
    return facts


def test_the_recorded_facts_add_up(known: dict[str, Any]) -> None:
    """Counts, checksum and defects agree with each other and with the class list."""
    counts = known["counts"]
    tally = counts["boxes_per_clip"]
    assert sum(tally.values()) == counts["clips"] == sum(vggss_classes().values())
    assert sum(n * clips for n, clips in tally.items()) == counts["boxes"]
    assert counts["classes"] == len(vggss_classes())
    assert (known["name"], known["file"]["sha256"]) == (PUBLISHED_NAME, PUBLISHED_SHA256)
    kinds = Counter(item["kind"] for item in known["broken_boxes"])
    assert kinds == {"sentinel": 12, "empty_box": 6}
    assert set(known["empty_masks"]) <= {item["clip"] for item in known["broken_boxes"]}


def test_the_recorded_facts_are_those_of_the_published_file(
    known: dict[str, Any], reference_data: Path
) -> None:
    """Every recorded fact is counted again from a copy of the published file."""
    path = reference_data / "vggss" / "vggss.json"
    annotations = read_vggss_json(path, check_classes=True)
    assert (annotations.name, annotations.sha256) == (PUBLISHED_NAME, PUBLISHED_SHA256)
    assert path.stat().st_size == known["file"]["bytes"]
    assert annotations.class_counts() == vggss_classes()

    entries = annotations.entries
    assert known["counts"] == {
        "clips": len(entries),
        "videos": len({entry.file.rpartition("_")[0] for entry in entries}),
        "classes": len(annotations.class_counts()),
        "boxes": annotations.n_boxes,
        "boxes_per_clip": dict(sorted(Counter(len(entry.boxes) for entry in entries).items())),
    }
    broken = [
        {"clip": entry.file, "box": index, "kind": box_defect(box)}
        for entry in entries
        for index, box in enumerate(entry.boxes)
        if box_defect(box)
    ]
    assert known["broken_boxes"] == broken

    sound = {
        entry.file: {i: Box(*box) for i, box in enumerate(entry.boxes) if not box_defect(box)}
        for entry in entries
    }
    assert known["empty_masks"] == [file for file, boxes in sound.items() if not boxes]
    assert known["full_frame_boxes"] == [
        {"clip": file, "box": index}
        for file, boxes in sound.items()
        for index, box in boxes.items()
        if box.area == 1
    ]
    assert known["near_duplicates"] == [
        {"clip": file, "boxes": [i, j], "iou": round(iou(a, b), 3)}
        for file, boxes in sound.items()
        for i, a in boxes.items()
        for j, b in boxes.items()
        if i < j and iou(a, b) > 0.8
    ]
    areas = sorted(union_area(list(boxes.values())) for boxes in sound.values())
    assert round(100 * sum(area < 0.4 for area in areas) / len(areas), 1) == 69.2
    assert round(100 * areas[len(areas) // 2], 1) == 25.3
    grid = known["grid"]
    steps = [
        value * grid for boxes in sound.values() for b in boxes.values() for value in b.as_list()
    ]
    assert all(abs(step - round(step)) < 1e-6 for step in steps)
