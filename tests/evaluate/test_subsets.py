"""Subsets: every name, every list, and what is refused."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.classes import vggss_classes
from vggss_tools.clip_lists import read_clip_list
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.evaluate.subsets import SUBSETS, choose_subset, choose_subsets
from vggss_tools.evaluate.test_set_files import read_test_set
from vggss_tools.evaluate.test_sets import Sample, TestSet
from vggss_tools.resources import resource

PUBLISHED = {
    "ssltie": "ssltie_test_vggss_4911.txt",
    "sspl": "sspl_vggss_test_4692.csv",
    "sslalign": "sslalign_ours_vggss_4655.txt",
    "htf": "htf_vggss_test_trimmed.csv",
    "ezvsl-heard": "ezvsl_vggss_heard_test.csv",
    "ezvsl-unheard": "ezvsl_vggss_unheard_test.csv",
    "ssltie-heard": "ssltie_openset_test_110_heard_2425.txt",
    "ssltie-unheard": "ssltie_openset_test_110_unheard_2463.txt",
}
SIZES = {
    "ssltie": 4911,
    "sspl": 4692,
    "sslalign": 4655,
    "htf": 4670,
    "ezvsl-heard": 2564,
    "ezvsl-unheard": 2575,
    "ssltie-heard": 2425,
    "ssltie-unheard": 2463,
}


def sample(
    name: str, label: str = "", *boxes: tuple[int, int, int, int], negative: bool = False
) -> Sample:
    edges = np.array(boxes, dtype=np.int64).reshape(-1, 4)
    image, _, audio = name.partition("+")
    return Sample(name, image, audio or image, label, edges, negative)


SMALL, MEDIUM, LARGE, HUGE = (0, 0, 9, 9), (0, 0, 32, 32), (0, 0, 96, 96), (0, 0, 144, 144)
OWN = TestSet(
    "own",
    "0",
    (
        sample("a_000000", "playing congas", SMALL),
        sample("b_000000", "playing djembe", MEDIUM, SMALL),
        sample("c_000000", "singing choir", LARGE, SMALL, SMALL),
        sample("d_000000", "playing congas", HUGE),
        sample("a_000000+b_000000", negative=True),
        sample("x_000000", negative=True),
    ),
)


def chosen(test_set: TestSet, *specs: str) -> str:
    """Return the first letters of the samples in all subsets; a negative pair is two letters."""
    mask = choose_subsets(test_set, specs).mask
    return " ".join(s.name.replace("_000000", "") for s in test_set.only(mask).samples)


# ------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("class:playing congas", "a d"),
        ("not:class:playing congas", "b c"),
        ("boxes:1", "a d"),
        ("boxes:2", "b"),
        ("boxes:2+", "b c"),
        ("not:boxes:2+", "a d"),
        ("area:small", "a"),
        ("area:medium", "b"),
        ("area:large", "c"),
        ("area:huge", "d"),
        ("not:area:small", "b c d"),
        ("ezvsl-heard", "a d"),
        ("ezvsl-unheard", "b"),
        ("not:ezvsl-heard", "b"),
        ("ssltie-unheard", "a b d"),
        ("ssltie-heard", "c"),
    ],
)
def test_a_name_chooses_by_what_sounds_in_the_picture(spec: str, expected: str) -> None:
    """Negatives, and classes of neither half of a split, are on neither side."""
    assert chosen(OWN, spec) == expected


def test_several_subsets_are_what_they_share() -> None:
    """Samples that are in all; the name says all; no subset means everything."""
    assert chosen(OWN, "boxes:1", "area:huge") == "d"
    both = choose_subsets(OWN, ["boxes:1", "area:huge", "boxes:1"])
    assert both.names == ("boxes:1", "area:huge")
    assert both.name == "boxes:1 & area:huge"
    assert choose_subsets(OWN, []).mask.all()
    with pytest.raises(InvalidInput, match=r"in all of them \('boxes:1' has 2, 'boxes:2' has 1\)"):
        choose_subsets(OWN, ["boxes:1", "boxes:2"])


@given(st.lists(st.tuples(*[st.integers(0, 224)] * 4), min_size=1, max_size=4))
def test_every_sample_has_one_area(boxes: list[tuple[int, int, int, int]]) -> None:
    """The buckets touch and do not overlap, and the lower edge belongs to a bucket."""
    one = TestSet("own", "0", (sample("a_000000", "", *boxes),))
    area = np.count_nonzero(one.truth(0))
    edges = {"small": (0, 32), "medium": (32, 96), "large": (96, 144), "huge": (144, 225)}
    expected = next(name for name, (low, high) in edges.items() if low**2 <= area < high**2)
    for name in edges:
        if name == expected:
            assert chosen(one, f"area:{name}") == "a"
        else:
            with pytest.raises(InvalidInput, match="no truth is of that area"):
                choose_subset(one, f"area:{name}")


def test_area_counts_the_pixels_of_any_box() -> None:
    """A pixel of a consensus counts whole, however few have drawn a box over it."""
    photos = TestSet("own", "0", (sample("a_000000", "", MEDIUM, (0, 0, 9, 9)),), consensus=2)
    assert chosen(photos, "area:medium") == "a"


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ("comon", "did you mean common? names are common, ssltie"),
        ("", "neither a file nor a name"),
        ("not:", "neither a file nor a name"),
        ("area:tiny", "area:small, area:medium"),
        ("boxes:some", "boxes:N, boxes:N+"),
        ("vggsounder:loud", "vggsounder:covered"),
        ("class:", "class:NAME"),
        ("class:congas", "near are 'playing congas'"),
        ("class:playing djembes", "near are 'playing djembe'"),
        ("class:xyzzy", "no clip of that class"),
        ("boxes:4", "no sample of own is in it (its clips have 1 to 3 boxes)"),
        ("not:boxes:1+", "no sample of own is in it (nothing is left)"),
        ("common", "a list of the published VGG-SS's clips, and this is own"),
        ("sspl", "give the list as a file"),
    ],
)
def test_a_subset_that_cannot_be_is_refused(spec: str, cause: str) -> None:
    """One line that says why, and which names there are."""
    with pytest.raises(InvalidInput) as caught:
        choose_subset(OWN, spec)
    assert caught.value.exit_code == 6
    assert cause in caught.value.message
    assert "\n" not in caught.value.message


def test_a_split_needs_its_classes() -> None:
    """A test set without a class of that half is told so."""
    with pytest.raises(InvalidInput, match="it has no clip of these classes"):
        choose_subset(OWN.only([True, True, False, True, True, True]), "ssltie-heard")


def test_classes_need_a_test_set_that_has_some() -> None:
    """Flickr-SoundNet, IS3 and VPO have none, which is said."""
    photos = TestSet("flickr-soundnet", "0", (sample("1", "", SMALL),))
    with pytest.raises(InvalidInput, match="flickr-soundnet has no classes"):
        choose_subset(photos, "class:owl hooting")


# ------------------------------------------------------------------------------------------ files


def test_a_file_may_be_any_list_of_clips(tmp_path: Path) -> None:
    """Suffixes, folders and milliseconds are read; name and checksum go with the subset."""
    path = tmp_path / "list.txt"
    path.write_text("frames/a_000000.jpg\nd_000000.mp4\n", encoding="utf-8")
    subset = choose_subset(OWN, str(path))
    assert (subset.name, subset.notes) == ("file:list.txt", ())
    assert subset.files == (("list.txt", read_clip_list(path).sha256),)
    assert chosen(OWN, str(path)) == "a d"
    assert chosen(OWN, f"not:{path}") == "b c a+b x"
    assert choose_subset(OWN, f"not:{path}").name == "not:file:list.txt"


def test_a_negative_is_in_a_list_with_its_picture_and_its_sound(tmp_path: Path) -> None:
    """A pair is chosen by both clips, so that a list of clips keeps their pairs."""
    path = tmp_path / "list.txt"
    path.write_text("a_000000\nb_000000\nx_000000\n", encoding="utf-8")
    assert chosen(OWN, str(path)) == "a b a+b x"


def test_ids_of_other_test_sets_are_counted_and_all_of_them_refused(tmp_path: Path) -> None:
    """A list that is partly unknown has a note; one that is wholly unknown is a mistake."""
    path = tmp_path / "list.txt"
    path.write_text("a_000000\ny_000000\nz_000000\n", encoding="utf-8")
    assert choose_subset(OWN, str(path)).notes == (
        "list.txt: 2 of its 3 ids are not in own, such as y_000000",
    )
    path.write_text("y_000000\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="none of its 1 ids is in own, such as y_000000"):
        choose_subset(OWN, str(path))


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    """Empty and binary files, and folders, each have their one line."""
    path = tmp_path / "list.txt"
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match="no clip ids"):
        choose_subset(OWN, str(path))
    with pytest.raises(VggssError, match="a folder"):
        choose_subset(OWN, str(tmp_path))


def test_the_mistyped_photo_is_found_in_a_list(tmp_path: Path) -> None:
    """The official list of 250 has one misprint, and means 250 photos."""
    photos = TestSet("flickr", "0", (sample("3908875350"), sample("10000130166")))
    path = tmp_path / "list.txt"
    path.write_text("3908875357.png\n", encoding="utf-8")
    subset = choose_subset(photos, str(path))
    assert subset.mask.tolist() == [True, False]
    assert subset.notes == ("list.txt: 3908875357 was read as 3908875350",)


def test_a_name_is_not_taken_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file called like a subset is reached with its folder."""
    monkeypatch.chdir(tmp_path)
    Path("boxes:1").write_text("b_000000\n", encoding="utf-8")
    assert chosen(OWN, "boxes:1") == "a d"
    assert chosen(OWN, "./boxes:1") == "b"


# -------------------------------------------------------------------------------- published lists


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(resource(name).read_text(encoding="utf-8").splitlines()))


def test_the_table_of_lists_adds_up() -> None:
    """1,016 clips are absent from some list, each from as many as the lists are short of 5,158."""
    rows = rows_of("vggss_subsets.csv")
    assert len({row["clip_id"] for row in rows}) == len(rows) == 1016
    absent = Counter(name for row in rows for name in row["absent_from"].split())
    assert absent == {name: 5158 - SIZES[name] for name in ("ssltie", "sspl", "sslalign", "htf")}


def test_the_table_of_open_sets_adds_up() -> None:
    """Both splits have 110 classes on either side, and leave one class out."""
    rows = rows_of("open_set_classes.csv")
    assert [row["class"] for row in rows] == list(vggss_classes())
    for split, left_out in (("ezvsl", "singing choir"), ("ssltie", "playing trombone")):
        assert Counter(row[split] for row in rows) == {"heard": 110, "unheard": 110, "": 1}
        assert [row["class"] for row in rows if not row[split]] == [left_out]


@pytest.fixture(scope="module")
def vggss(reference_data: Path) -> TestSet:
    """Return the published VGG-SS."""
    return read_test_set(reference_data / "vggss" / "vggss.json")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_list_is_its_file(vggss: TestSet, reference_data: Path, name: str) -> None:
    """The name chooses the clips that the published file holds, neither more nor fewer."""
    subset = choose_subset(vggss, name)
    clips = {s.name for s in vggss.only(subset.mask).samples}
    path = reference_data / "vggss" / PUBLISHED[name]
    assert clips == set(read_clip_list(path).ids)
    assert np.array_equal(choose_subset(vggss, str(path)).mask, subset.mask)
    assert len(clips) == SIZES[name]
    assert f"{SIZES[name]:,}" in SUBSETS[name]


def test_the_common_clips_are_in_every_list(vggss: TestSet) -> None:
    """4,142 clips, the intersection of the four lists that are shorter than the published one."""
    common = choose_subset(vggss, "common").mask
    lists = choose_subsets(vggss, ["ssltie", "sspl", "sslalign", "htf"]).mask
    assert np.array_equal(common, lists)
    assert np.count_nonzero(common) == 4142
    assert np.count_nonzero(choose_subset(vggss, "not:common").mask) == 1016
    assert np.count_nonzero(choose_subset(vggss, "not:ssltie-heard").mask) == 2463


def test_areas_and_boxes_of_the_published_clips(vggss: TestSet) -> None:
    """134 / 1,796 / 1,726 / 1,502 clips by area; 4,619 with one box and 539 with more."""
    specs = ["area:small", "area:medium", "area:large", "area:huge", "boxes:1", "boxes:2+"]
    assert [np.count_nonzero(choose_subset(vggss, spec).mask) for spec in specs] == [
        134, 1796, 1726, 1502, 4619, 539,
    ]  # fmt: skip


def test_lists_of_the_extended_set_keep_their_pairs(reference_data: Path) -> None:
    """Pairs of two common clips stay; clips from outside of VGG-SS are in no list."""
    folder = reference_data / "vggss"
    extended = read_test_set(
        folder / "vggss.json", negatives=folder / "slavc_vggss_test_plus_silent.csv"
    )
    kept = extended.only(choose_subset(extended, "common").mask).samples
    positives = {s.name for s in kept if not s.negative}
    negatives = [s for s in kept if s.negative]
    assert (len(positives), len(negatives)) == (4142, 3050)
    assert all({s.image_id, s.audio_id} <= positives for s in negatives)
    assert np.count_nonzero(choose_subset(extended, "ezvsl-heard").mask) == 2564


@pytest.mark.parametrize(
    ("file", "photos"),
    [
        ("flickr_test_249_lvs.csv", 249),
        ("ardasnck_test_list_250.txt", 250),
        ("slavc_flickr_test_250.csv", 250),
        ("ssltie_test_flickr_250.txt", 249),
        ("htf_flickr_test_trimmed.csv", 178),
    ],
)
def test_flickr_lists_are_files(reference_data: Path, file: str, photos: int) -> None:
    """The lists of 249 and of 250, the one with the misprint included."""
    folder = reference_data / "flickr"
    test_set = read_test_set(folder / "flickr_soundnet_test250_annotations.json")
    assert np.count_nonzero(choose_subset(test_set, str(folder / file)).mask) == photos


def test_a_copy_of_the_boxes_is_asked_for_the_list_itself(
    tmp_path: Path, reference_data: Path
) -> None:
    """The table lists what is absent, so it cannot tell a clip of VGG-SS from any other."""
    items = json.loads((reference_data / "vggss" / "vggss.json").read_bytes())
    path = tmp_path / "copy.json"
    path.write_text(json.dumps(items[:100]), encoding="utf-8")
    copy = read_test_set(path)
    with pytest.raises(InvalidInput, match="give the list as a file"):
        choose_subset(copy, "common")
    listed = choose_subset(copy, str(reference_data / "vggss" / PUBLISHED["sspl"]))
    assert 0 < np.count_nonzero(listed.mask) < 100
