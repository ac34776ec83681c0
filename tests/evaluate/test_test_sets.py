"""Test sets: every published annotation file is recognised, and its truth is the field's."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.classes import UnknownClass
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.evaluate.flickr_soundnet import BOXES_KEY
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.metrics import evaluate
from vggss_tools.evaluate.sample_ids import is_sample_id, stem_of
from vggss_tools.evaluate.test_set_files import read_test_set
from vggss_tools.evaluate.test_sets import Sample, TestSet, canonical_id

CLIP = {"file": "abc_000010", "class": "dog barking", "bbox": [[0.1, 0.2, 0.5, 0.9]]}
PHOTO = {"id": "10000130166", BOXES_KEY: [[69, 1, 216, 256], [85, 1, 186, 203]]}
SCENE = {"image": "/x/frames/owl_dog_1_owl.jpg", "audio": "/x/wav/owl_dog_1_owl.wav",
         "gt_box": [10.0, 20.0, 110.0, 220.0]}  # fmt: skip


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def xml(*annotators: Sequence[Sequence[int]]) -> str:
    """Return the official form: below the root one element an annotator, in it its boxes."""
    inner = "".join(
        f"<annotator{i}>"
        + "".join(
            "<bbox><name>object</name>"
            + "".join(f"<c{j}>{value}</c{j}>" for j, value in enumerate(box))
            + "</bbox>"
            for box in boxes
        )
        + f"</annotator{i}>"
        for i, boxes in enumerate(annotators)
    )
    return f'<?xml version="1.0"?>\n<annotation>{inner}</annotation>\n'


def pairs(path: Path, *rows: str, header: str = "video,audio,label") -> Path:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def refused(path: Path, **options: Any) -> str:
    """Read a test set that is to be refused, and return the one line that says why."""
    with pytest.raises(InvalidInput) as caught:
        read_test_set(path, **options)
    message = caught.value.message
    assert caught.value.exit_code == 6
    assert "\n" not in message
    assert len(message) < len(str(path)) + 330
    return message


# ---------------------------------------------------------------------------------- VGG-SS form


def test_a_release_is_read_from_its_file_or_its_folder(tmp_path: Path) -> None:
    """Both name the release, and picture, sound and sample are one clip."""
    path = written(tmp_path / "vggss.json", [CLIP])
    (tmp_path / "release.json").write_text("{}")
    test_set = read_test_set(path)
    assert read_test_set(tmp_path).sha256 == test_set.sha256
    assert (test_set.name, test_set.consensus, test_set.notes) == (tmp_path.name, 1, ())
    assert test_set.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert test_set.sources == (test_set.sha256,)
    (sample,) = test_set.samples
    assert sample.name == sample.image_id == sample.audio_id == "abc_000010"
    assert sample.edges.tolist() == [[22, 44, 112, 201]]
    assert not test_set.published


def test_classes_are_checked_unless_they_are_ones_own(tmp_path: Path) -> None:
    """A misspelt class is refused; with other classes on purpose it is kept."""
    path = written(tmp_path / "vggss.json", [{**CLIP, "class": "dog barkin"}])
    with pytest.raises(UnknownClass, match="dog barking"):
        read_test_set(path)
    assert read_test_set(path, check_classes=False).samples[0].label == "dog barkin"


def test_what_is_no_annotation_file_is_refused(tmp_path: Path) -> None:
    """Missing files, folders without annotations, other JSON and no JSON each have their line."""
    with pytest.raises(VggssError, match="no such file") as caught:
        read_test_set(tmp_path / "nothing.json")
    assert caught.value.exit_code == 1
    assert "a folder without annotations" in refused(tmp_path)
    path = tmp_path / "some.json"
    assert "no annotated clips" in refused(written(path, []))
    assert "holds no list" in refused(written(path, {"a": 1}))
    assert "entry 0 has" in refused(written(path, [{"video": "a", "boxes": []}]))
    for data in (b"", b"\x00\xff", b"[" * 200_000, b'[{"id": "a", "id": "b"}]'):
        path.write_bytes(data)
        assert "not JSON" in refused(path)


# ------------------------------------------------------------------------------ Flickr-SoundNet


def test_two_boxes_make_a_pixel_certain_and_one_counts_half(tmp_path: Path) -> None:
    """The truth is the number of boxes over a pixel, halved, at most 1."""
    test_set = read_test_set(written(tmp_path / "photos.json", [PHOTO]))
    assert (test_set.name, test_set.consensus) == ("photos", 2)
    assert test_set.samples[0].edges.tolist() == [[60, 0, 189, 224], [74, 0, 162, 177]]
    truth = test_set.truth(0)
    assert truth.shape == (GRID, GRID)
    assert [truth[0, 60], truth[0, 74], truth[200, 74], truth[0, 0]] == [0.5, 1, 0.5, 0]


box = st.tuples(*[st.integers(1, 256)] * 4).map(list)


@given(st.lists(st.lists(box, min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_xml_folder_and_the_json_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, annotators: list[list[list[int]]]
) -> None:
    """The two forms of the same boxes give the same truth, which is the released arithmetic."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "1234.xml").write_text(xml(*annotators), encoding="utf-8")
    boxes = [one for annotator in annotators for one in annotator]
    path = written(folder / "photos.json", [{"id": "1234", BOXES_KEY: boxes}])
    votes = np.zeros((GRID, GRID))
    for one in boxes:
        xmin, ymin, xmax, ymax = (int(224 * value / 256) for value in one)
        votes[ymin:ymax, xmin:xmax] += 1
    if not votes.any():
        assert "no box covers a pixel" in refused(folder)
        return
    from_xml, from_json = read_test_set(folder), read_test_set(path)
    assert np.array_equal(from_xml.truth(0), np.minimum(votes / 2, 1))
    assert np.array_equal(from_json.truth(0), from_xml.truth(0))
    assert from_xml.notes == from_json.notes


def test_a_folder_of_xml_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Other files are not looked at; the checksum depends on what the XML files say."""
    for name, edge in (("20.xml", 100), ("10.xml", 200), ("._10.xml", 7)):
        (tmp_path / name).write_text(xml([[1, 1, edge, edge]]), encoding="utf-8")
    (tmp_path / "list.txt").write_text("10\n")
    test_set = read_test_set(tmp_path)
    assert [sample.name for sample in test_set.samples] == ["10", "20"]
    assert test_set.name == tmp_path.name
    (tmp_path / "20.xml").write_text(xml([[1, 1, 101, 101]]), encoding="utf-8")
    assert read_test_set(tmp_path).sha256 != test_set.sha256


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("<a>", "not XML"),
        ("", "not XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a document type or entities"),
        ("<a><b><bbox><c>1</c></bbox></b></a>", "bbox 0 has 1 children, not five"),
        (xml([[1, 2, 3, 4]]).replace(">3<", ">three<"), "'three' where a whole number"),
        (xml([[1, 2, 3, 4]]).replace(">3<", ">1_0<"), "where a whole number"),
        (xml([[1, 2, 3, 4]]).replace(">3<", ">" + "9" * 5000 + "<"), "no pixel of 1..256"),
        ("<a><object><bndbox><xmin>1</xmin></bndbox></object></a>", "another form"),
        ("<a>" + " " * (1 << 20) + "</a>", "larger than"),
    ],
)
def test_a_broken_xml_is_refused_by_name(tmp_path: Path, text: str, cause: str) -> None:
    """The line names the file among the others and what is wrong with it."""
    (tmp_path / "1.xml").write_text(xml([[1, 1, 100, 100]]), encoding="utf-8")
    (tmp_path / "2.xml").write_text(text, encoding="utf-8")
    message = refused(tmp_path)
    assert message.startswith(f"{tmp_path / '2.xml'}: ")
    assert cause in message


def test_utf16_cannot_hide_a_document_type(tmp_path: Path) -> None:
    """Only encodings in which the check works are read."""
    (tmp_path / "1.xml").write_bytes(xml([[1, 1, 9, 9]]).encode("utf-16"))
    assert "zero bytes" in refused(tmp_path)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ([PHOTO, 7], "entry 1: 7 has no id"),
        ([PHOTO, {BOXES_KEY: [[1, 2, 3, 4]]}], "entry 1: "),
        ([{**PHOTO, "id": 10000130166}], "has no id"),
        ([{**PHOTO, "id": "../x"}], "entry 0: '../x' is not a photo id"),
        ([{**PHOTO, BOXES_KEY: []}], "not a list of at least one box"),
        ([{**PHOTO, BOXES_KEY: [[1, 2, 3]]}], "box 0 is [1, 2, 3], not four"),
        ([{**PHOTO, BOXES_KEY: [[1, 2, 3, float("nan")]]}], "not four finite numbers"),
        ([PHOTO, PHOTO], "entry 1: 10000130166 stands there twice"),
        ([{**PHOTO, BOXES_KEY: [[9, 9, 9, 9]]}], "no box covers a pixel"),
    ],
)
def test_a_malformed_photo_is_refused(tmp_path: Path, value: Any, cause: str) -> None:
    """The line names the entry, the photo and the cause."""
    assert cause in refused(written(tmp_path / "photos.json", value))


def test_boxes_that_leave_the_frame_or_are_empty_are_counted(tmp_path: Path) -> None:
    """They are cut to the frame or kept without a pixel, and the notes say how many."""
    other = {"id": "2", BOXES_KEY: [[-9, 1, 300, 256], [5, 9, 5, 10]]}
    test_set = read_test_set(written(tmp_path / "photos.json", [PHOTO, other]))
    assert test_set.samples[1].edges.tolist() == [[0, 0, 224, 224], [4, 7, 4, 8]]
    assert test_set.notes == (
        "1 box(es) left the frame and were cut to it",
        "1 box(es) without an area give no pixel of the truth",
    )


def test_the_mistyped_photo_is_known_by_both_ids(tmp_path: Path) -> None:
    """A file or a prediction with the misprint means the photo that exists."""
    assert canonical_id("3908875357") == "3908875350"
    assert canonical_id("10000130166") == "10000130166"
    path = written(tmp_path / "photos.json", [PHOTO, {**PHOTO, "id": "3908875357"}])
    test_set = read_test_set(path)
    assert test_set.samples[1].name == "3908875350"
    assert "misprint" in test_set.notes[0]
    for name in ("3908875357", "3908875350"):
        assert test_set.positions[name, name] == 1
    assert "twice" in refused(
        written(path, [{**PHOTO, "id": "3908875350"}, {**PHOTO, "id": "3908875357"}])
    )


def test_a_folder_with_the_test_photos_is_named_and_compared(
    tmp_path: Path, reference_data: Path
) -> None:
    """The 250 photos as XML are Flickr-SoundNet; other boxes are said."""
    published = reference_data / "flickr/flickr_soundnet_test250_annotations.json"
    for photo in json.loads(published.read_bytes()):
        text = xml(*[[one] for one in photo[BOXES_KEY]])
        (tmp_path / f"{photo['id']}.xml").write_text(text, encoding="utf-8")
    from_xml, from_json = read_test_set(tmp_path), read_test_set(published)
    assert from_xml.name == from_json.name == "flickr-soundnet"
    assert from_xml.notes == from_json.notes
    assert len(from_xml) == 250
    (tmp_path / "10000130166.xml").write_text(xml([[1, 1, 9, 9]]), encoding="utf-8")
    other = read_test_set(tmp_path)
    assert (other.name, other.notes[0]) == (
        "flickr-soundnet",
        "some boxes are not those of the published copy",
    )


def test_the_whole_frame_scores_on_flickr_what_the_field_reports(reference_data: Path) -> None:
    """All-ones scores 48.0 / 48.92 on the 250 photos: the consensus truth is the field's."""
    test_set = read_test_set(reference_data / "flickr/flickr_soundnet_test250_annotations.json")
    truth = np.stack([test_set.truth(i) for i in range(len(test_set))])
    scores = evaluate(truth, np.ones_like(truth, dtype=np.bool_), strict=False)
    assert round(100 * scores["ciou"], 2) == 48.0
    assert round(100 * scores["auc"], 2) == 48.92


# ------------------------------------------------------------------------------- boxes in pixels


def test_a_scene_is_named_after_its_files(tmp_path: Path) -> None:
    """Folders and the last suffix go; what stands before the last `_` is the group."""
    video = {"image": "C:\\v\\rq5_1.mp4_2.png", "audio": "/a/rq5_1.wav", "gt_box": [0, 0, 0, 0]}
    test_set = read_test_set(written(tmp_path / "scenes.json", [SCENE, video]))
    assert [(s.name, s.image_id, s.audio_id, s.group) for s in test_set.samples] == [
        ("owl_dog_1_owl", "owl_dog_1_owl", "owl_dog_1_owl", "owl_dog_1"),
        ("rq5_1.mp4_2", "rq5_1.mp4_2", "rq5_1", "rq5_1.mp4"),
    ]
    assert test_set.name == "scenes"
    assert np.count_nonzero(test_set.truth(0)) == 100 * 200
    assert not test_set.truth(1).any()
    assert test_set.notes[0].startswith("1 of 2 samples have a box without an area")
    # A file of predictions finds a sample by its name alone, or by picture and sound.
    assert test_set.positions["rq5_1.mp4_2", "rq5_1.mp4_2"] == 1
    assert test_set.positions["rq5_1.mp4_2", "rq5_1"] == 1


def test_one_picture_with_two_sounds_has_two_names(tmp_path: Path) -> None:
    """Names stay unique where two entries share an image."""
    other = {**SCENE, "audio": "/x/wav/dog.wav"}
    test_set = read_test_set(written(tmp_path / "scenes.json", [SCENE, other]))
    assert [s.name for s in test_set.samples] == [
        "owl_dog_1_owl+owl_dog_1_owl",
        "owl_dog_1_owl+dog",
    ]


def test_pixels_are_cut_to_the_frame_and_fractions_dropped(tmp_path: Path) -> None:
    """As `int()` does it; what leaves the frame is cut and counted."""
    value = [{**SCENE, "gt_box": [-3.5, 10.9, 300, 223.99]}]
    test_set = read_test_set(written(tmp_path / "scenes.json", value))
    assert test_set.samples[0].edges.tolist() == [[0, 10, 224, 223]]
    assert test_set.notes == ("1 box(es) left the frame and were cut to it",)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ([SCENE, []], "entry 1: not an object with image, audio and gt_box"),
        ([{"image": "a.jpg", "gt_box": [1, 2, 3, 4]}], "entry 0: no audio"),
        ([{**SCENE, "image": 5}], "image 5 is not the path of a file"),
        ([{**SCENE, "audio": "/x/"}], None),
        ([{**SCENE, "audio": ""}], "audio '' is not the path"),
        ([{**SCENE, "gt_box": "/x/masks/owl.jpg"}], "gt_box is the path of a mask"),
        ([{**SCENE, "gt_box": [1, 2, 3]}], "gt_box is [1, 2, 3], not four"),
        ([{**SCENE, "gt_box": [1, 2, 3, float("inf")]}], "not four finite"),
        ([SCENE, SCENE], "entry 1: owl_dog_1_owl with owl_dog_1_owl stands there already"),
        ([{**SCENE, "gt_box": [0.1, 0.2, 0.5, 0.9]}], "no box covers a pixel"),
    ],
)
def test_a_malformed_scene_is_refused(tmp_path: Path, value: Any, cause: str | None) -> None:
    """The line names the entry, the picture and the cause."""
    path = written(tmp_path / "scenes.json", value)
    if cause is None:  # a folder's name is a name
        assert read_test_set(path).samples[0].audio_id == "x"
    else:
        assert cause in refused(path)


@pytest.mark.parametrize(
    ("file", "name", "samples", "groups", "empty"),
    [
        ("synthetic3240_bbox.json", "is3", 6480, 3240, 0),
        ("vpo_ss_bbox.json", "vpo-ss", 890, 890, 0),
        ("vpo_ms_bbox.json", "vpo-ms", 2157, 1432, 2),
        ("s4_box.json", "avs-s4", 3700, 740, 6),
        ("ms3_box.json", "avs-ms3", 320, 64, 29),
    ],
)
def test_published_boxes_are_recognised(
    tmp_path: Path,
    reference_data: Path,
    file: str,
    name: str,
    samples: int,
    groups: int,
    empty: int,
) -> None:
    """Names, sizes, groups and empty truths; other folders and another order change nothing."""
    path = reference_data / "is3_vpo_avs" / file
    test_set = read_test_set(path)
    assert (test_set.name, len(test_set)) == (name, samples)
    assert len({s.group for s in test_set.samples}) == groups
    assert len({s.name for s in test_set.samples}) == samples
    items = json.loads(path.read_bytes())
    areas = [max(0, int(b[2]) - int(b[0])) * max(0, int(b[3]) - int(b[1]))
             for b in (item["gt_box"] for item in items)]  # fmt: skip
    assert areas.count(0) == empty
    some = range(0, samples, 97)
    assert [np.count_nonzero(test_set.truth(i)) for i in some] == [areas[i] for i in some]
    moved = [{**item, "image": f"D:\\data\\{stem_of(item['image'])}.png"} for item in items[::-1]]
    again = read_test_set(written(tmp_path / "copy.json", moved))
    assert again.name == name
    assert again.sha256 != test_set.sha256
    edited = [{**items[0], "gt_box": [0, 0, 224, 224]}, *items[1:]]
    assert read_test_set(written(tmp_path / "copy.json", edited)).name == "copy"


# ------------------------------------------------------------------------------------ negatives


def three_clips(path: Path) -> Path:
    clips = [{**CLIP, "file": f"{letter}_000000"} for letter in "ab"]
    return written(path, [*clips, {**CLIP, "file": "c_000000", "class": "owl hooting"}])


def test_negatives_stand_after_the_clips(tmp_path: Path) -> None:
    """They have no boxes, own names, and a flag where picture and sound are of one class."""
    clips = three_clips(tmp_path / "own.json")
    csv_file = pairs(
        tmp_path / "negatives.csv",
        "a_000000,b_000000,non-sounding",
        "a_000000,c_000000,non-sounding",
        "x_000000,x_000000,non-sounding",
    )
    plain, test_set = read_test_set(clips), read_test_set(clips, negatives=csv_file)
    assert (test_set.name, len(test_set)) == ("own.json-extended", 6)
    assert [s.name for s in test_set.samples[:3]] == [s.name for s in plain.samples]
    assert [(s.name, s.negative, s.same_class) for s in test_set.samples[3:]] == [
        ("a_000000+b_000000", True, True),
        ("a_000000+c_000000", True, False),
        ("x_000000", True, False),
    ]
    assert not test_set.truth(3).any()
    of_csv = hashlib.sha256(csv_file.read_bytes()).hexdigest()
    assert test_set.sources == (plain.sha256, of_csv)
    assert test_set.sha256 == hashlib.sha256((plain.sha256 + of_csv).encode()).hexdigest()
    assert test_set.positions["a_000000", "c_000000"] == 4
    assert test_set.notes == (
        "3 negatives: 1 clips with their own sound, 2 pictures with another clip's, "
        "1 of these of the same class",
    )


@pytest.mark.parametrize(
    ("rows", "header", "cause"),
    [
        (["a_000000,b_000000"], "video,audio", "no column label"),
        (["a_000000,b_000000,sounding"], None, "line 2: label 'sounding'"),
        (["a_000000,b_000000"], None, "line 2: 2 cells under 3 columns"),
        (["a_000000,../x,non-sounding"], None, "line 2: '../x' is not a clip id"),
        (["a_000000,b_000000,non-sounding"] * 2, None, "line 3: a_000000 with b_000000 stands"),
        (["a_000000,a_000000,non-sounding"], None, "a_000000 with a_000000 sounds in own.json"),
        (["x_000000,y_000000,non-sounding"], None, "none of its pictures and sounds"),
        ([], None, "none of its pictures and sounds"),
        (['a_000000,"b'], None, "not a csv"),
    ],
)
def test_malformed_negatives_are_refused(
    tmp_path: Path, rows: list[str], header: str | None, cause: str
) -> None:
    """The line names the file, its line and the cause."""
    clips = three_clips(tmp_path / "own.json")
    path = pairs(tmp_path / "n.csv", *rows, header=header or "video,audio,label")
    message = refused(clips, negatives=path)
    assert message.startswith(f"{path}: ")
    assert cause in message


def test_negatives_that_are_not_there_or_no_text_are_refused(tmp_path: Path) -> None:
    """A missing file is exit code 1, binary and empty ones are refused."""
    clips = three_clips(tmp_path / "own.json")
    path = tmp_path / "n.csv"
    with pytest.raises(VggssError, match="no such file"):
        read_test_set(clips, negatives=path)
    for data in (b"", b"\xff\xfe\x00", b"video,audio,label\n\0,\0,\0\n"):
        path.write_bytes(data)
        assert str(path) in refused(clips, negatives=path)


def test_extended_vggss_has_its_known_negatives(reference_data: Path) -> None:
    """5,158 of them: 379 other clips, 4,779 mismatched, of which 1,185 of the same class."""
    folder = reference_data / "vggss"
    test_set = read_test_set(
        folder / "vggss.json", negatives=folder / "slavc_vggss_test_plus_silent.csv"
    )
    negatives = [sample for sample in test_set.samples if sample.negative]
    own = [sample for sample in negatives if sample.image_id == sample.audio_id]
    clips = {sample.name for sample in test_set.samples if not sample.negative}
    assert test_set.name == "vgg-ss-extended"
    assert (len(clips), len(negatives), len(own)) == (5158, 5158, 379)
    assert clips.isdisjoint(sample.image_id for sample in own)
    assert sum(sample.same_class for sample in negatives) == 1185
    assert len({sample.name for sample in test_set.samples}) == len(test_set) == 10316


def test_extended_flickr_has_its_known_negatives(reference_data: Path) -> None:
    """250 photos with another's sound, the photo of the misprint by its right id."""
    folder = reference_data / "flickr"
    test_set = read_test_set(
        folder / "flickr_soundnet_test250_annotations.json",
        negatives=folder / "slavc_flickr_test_plus_silent.csv",
    )
    negatives = [sample for sample in test_set.samples if sample.negative]
    assert (test_set.name, len(test_set), len(negatives)) == ("flickr-soundnet-extended", 500, 250)
    assert not any(s.same_class or s.image_id == s.audio_id for s in negatives)
    assert test_set.positions["3908875357", "2897653916"] >= 250
    with (folder / "slavc_flickr_test_plus_silent.csv").open(encoding="utf-8") as handle:
        assert {(s.image_id, s.audio_id) for s in negatives} == {
            (row["video"], row["audio"]) for row in csv.DictReader(handle)
        }


# ------------------------------------------------------------------------------------- the value


def test_samples_can_be_left_out() -> None:
    """What is left keeps order, name and checksum."""
    edges = np.zeros((1, 4), dtype=np.int64)
    samples = tuple(Sample(name, name, name, "", edges) for name in "abc")
    test_set = TestSet("own", "0", samples)
    assert [s.name for s in test_set.only([True, False, True]).samples] == ["a", "c"]
    assert test_set.only(np.array([False, True, False])).positions == {("b", "b"): 0}
    with pytest.raises(ValueError, match="shorter"):
        test_set.only([True])


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\\b", "a\n", " a", "a ", "é", "a" * 300])
def test_names_that_could_not_be_files_are_no_ids(name: str) -> None:
    """An id becomes a file's name, so no folders, no hidden files, no line ends."""
    assert not is_sample_id(name)


@pytest.mark.parametrize("name", ["-0BIyqJj9ZU_000030", "10000130166", "a b_1", "x.mp4_1", "_"])
def test_the_fields_own_names_are_ids(name: str) -> None:
    """Clip ids, photo ids, and what IS3 and AVSBench call their frames."""
    assert is_sample_id(name)
