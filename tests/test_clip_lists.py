"""Lists of clips, in every form in which the field publishes them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.clip_lists import ClipList, clip_id_of, read_clip_list, video_of
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import InvalidInput, VggssError

youtube_ids = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=11, max_size=11
)
clip_ids = st.builds("{}_{:06d}".format, youtube_ids, st.integers(0, 999_999))


def read(tmp_path: Path, content: str | bytes, name: str = "list.txt") -> ClipList:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_clip_list(path)


# ------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize(
    ("text", "clip"),
    [
        ("zpWuikVorYg_000032", "zpWuikVorYg_000032"),
        ("-0BIyqJj9ZU_000030.jpg", "-0BIyqJj9ZU_000030"),
        ("a_b-c_d_e_f_000030.MP4", "a_b-c_d_e_f_000030"),
        ("/data/train/a_b-c_d_e_f_000030.wav", "a_b-c_d_e_f_000030"),
        ("C:\\frames\\zpWuikVorYg_000032.png", "zpWuikVorYg_000032"),
        ("gklbB7TYoK4_30000_40000", "gklbB7TYoK4_000030"),
        ("videos/0/0/0/2615133000.mp4", "2615133000"),
        ("HnUOaSfTA6c_000_00000", "HnUOaSfTA6c_000_00000"),
        ("0WxgIKuetYI_0_1", "0WxgIKuetYI_0_1"),
        ("rq5RDUm2Hnk_1.mp4_1.png", "rq5RDUm2Hnk_1.mp4_1"),
        ("sample0000", "sample0000"),
    ],
)
def test_folders_suffixes_and_milliseconds_are_no_part_of_an_id(text: str, clip: str) -> None:
    """Whatever a list writes round a clip, the id is the same."""
    assert clip_id_of(text) == clip


@given(clip_ids, st.sampled_from(["", ".jpg", ".mp4", ".wav", ".png"]), st.sampled_from(["", "a/"]))
def test_clip_ids_survive(clip: str, suffix: str, folder: str) -> None:
    """An id stays itself, whatever hyphens and underscores it holds."""
    assert clip_id_of(folder + clip + suffix) == clip


@pytest.mark.parametrize("text", ["", "-", "hello", "a b_000030", "..", "été_000030", "x" * 300])
def test_what_is_no_id_is_refused(text: str) -> None:
    """A word, a gap or a foreign letter is not an id."""
    with pytest.raises(ValueError, match="not a clip id"):
        clip_id_of(text)


@pytest.mark.parametrize(
    ("clip", "video"),
    [
        ("-a_b_000070", "-a_b"),
        ("zpWuikVorYg_000032", "zpWuikVorYg"),
        ("zpWuikVorYg", "zpWuikVorYg"),
        ("HnUOaSfTA6c_000_00000", "HnUOaSfTA6c"),
        ("10000130166", None),
        ("accordion_female_10438", None),
    ],
)
def test_the_video_of_an_id(clip: str, video: str | None) -> None:
    """Clip ids and bare YouTube ids have a video, photo ids and other names none."""
    assert video_of(clip) == video


# ---------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize(
    "content",
    [
        "zpWuikVorYg_000032\n-UuUoXQUoI0_000107\n",
        "zpWuikVorYg_000032\r\n-UuUoXQUoI0_000107",
        "\ufeffzpWuikVorYg_000032.jpg\n\n# the second\n-UuUoXQUoI0_000107.jpg\n",
        'zpWuikVorYg_000032,"bee, wasp, etc. buzzing"\n-UuUoXQUoI0_000107,singing choir\n',
        "zpWuikVorYg,32,elk bugling,test\n-UuUoXQUoI0,107,singing choir,train\n",
        "zpWuikVorYg,32\n-UuUoXQUoI0,107\n",
        '# YTID, start_seconds\nzpWuikVorYg, 32.000, 42.000, "/m/1,/m/2"\n'
        '-UuUoXQUoI0, 107.000, 117.000, "/m/1"\n',
        "ytid,start,label\nzpWuikVorYg,32,elk\n-UuUoXQUoI0,107,choir\n",
        "label,file\nelk,zpWuikVorYg_000032\nchoir,-UuUoXQUoI0_000107\n",
        "video,start\nzpWuikVorYg,32\n-UuUoXQUoI0,107\n",
        "zpWuikVorYg_000032\telk\n-UuUoXQUoI0_000107\tchoir\n",
        '"zpWuikVorYg_000032"\n"-UuUoXQUoI0_000107"\n',
        "zpWuikVorYg_32000_42000\n-UuUoXQUoI0_107000_117000\n",
        '["zpWuikVorYg_000032", "-UuUoXQUoI0_000107"]',
        '[{"file": "zpWuikVorYg_000032", "class": "elk", "bbox": [[0, 0, 1, 1]]},'
        ' {"file": "-UuUoXQUoI0_000107", "class": "choir", "bbox": [[0, 0, 1, 1]]}]',
    ],
)
def test_every_form_says_the_same(tmp_path: Path, content: str) -> None:
    """The same two clips are read from lists, tables and JSON, in their order."""
    assert read(tmp_path, content).ids == ("zpWuikVorYg_000032", "-UuUoXQUoI0_000107")


def test_a_clip_table_is_a_list(tmp_path: Path) -> None:
    """A data directory's clips.parquet is read with classes and splits."""
    write_clips(tmp_path / "clips.parquet", [Clip("b_000001", "x, y", "test")])
    found = read_clip_list(tmp_path / "clips.parquet")
    assert (found.form, found.ids) == ("parquet", ("b_000001",))
    assert (found.labels, found.splits) == ({"b_000001": "x, y"}, {"b_000001": "test"})


def test_labels_and_splits_are_kept(tmp_path: Path) -> None:
    """VGG-Sound's own table gives each clip its class and split."""
    found = read(tmp_path, 'zpWuikVorYg,32,"bird chirping, tweeting",train\n', "vggsound.csv")
    assert found.labels == {"zpWuikVorYg_000032": "bird chirping, tweeting"}
    assert found.splits == {"zpWuikVorYg_000032": "train"}
    assert found.name == "vggsound.csv"


def test_a_number_beside_a_photo_is_no_class(tmp_path: Path) -> None:
    """The second column of the Flickr lists, which no code reads, is not read here either."""
    found = read(tmp_path, "10000130166,202\n10007936344,0\n")
    assert found.ids == ("10000130166", "10007936344")
    assert not found.labels


def test_a_row_may_name_two_clips(tmp_path: Path) -> None:
    """Where picture and sound, or two sources, are different clips, both count."""
    swapped = "video,audio,label\nzpWuikVorYg_000032,-UuUoXQUoI0_000107,non-sounding\n"
    duet = "zpWuikVorYg_000032,elk,-UuUoXQUoI0_000107,choir\n"
    for content in (swapped, duet):
        found = read(tmp_path, content)
        assert found.ids == ("zpWuikVorYg_000032", "-UuUoXQUoI0_000107")
        assert found.n_rows == 1
    assert set(read(tmp_path, duet).labels) == {"zpWuikVorYg_000032"}


def test_repetitions_and_contradictions_are_listed(tmp_path: Path) -> None:
    """A clip counts once; that it stands twice, or with two classes, is said."""
    found = read(tmp_path, "a_000001,x\nb_000002,y\na_000001,z\nb_000002,y\n")
    assert found.ids == ("a_000001", "b_000002")
    assert found.duplicates == ("a_000001", "b_000002")
    assert found.conflicts == ("a_000001",)
    assert found.labels["a_000001"] == "x"


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    """Header, comments, blank lines and a few damaged rows stand in the notes."""
    rows = "".join(f"{i:011d}_{i:06d},x\n" for i in range(200))
    found = read(tmp_path, f"clip_id,label\n# made by hand\n\n{rows}-,cello\n")
    assert len(found.ids) == 200
    notes = " ".join(found.notes)
    for said in ("1 header", "1 comment", "1 blank", "1 row(s) that are no id; line 204: '-'"):
        assert said in notes


@given(st.lists(clip_ids, min_size=1, max_size=20), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_list_round_trips(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], end: str
) -> None:
    """What is written one a line is read back, whatever ends the lines."""
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_bytes(end.join(ids).encode())
    found = read_clip_list(path)
    assert found.ids == tuple(dict.fromkeys(ids))
    assert found.n_rows == len(ids)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Anything at all is either a list or one line that refuses it."""
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_bytes(data)
    try:
        refusal = "" if read_clip_list(path).ids else "an empty list"
    except VggssError as error:
        refusal = error.message.replace(str(path), "")
    assert "\n" not in refusal
    assert refusal != "an empty list"


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "no clip ids"),
        ("\n# nothing\n", "no clip ids"),
        ("[]", "no clip ids"),
        ("clip_id,label\n", "no clip ids"),
        ("a_000001\nnot an id\n", "line 2: 'not an id' is not a clip id"),
        ("class,clips\nx,3\n", "no column of clip ids"),
        ("ytid,start\nzpWuikVorYg,soon\n", "line 2: zpWuikVorYg: start 'soon'"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not UTF-8 text"),
        (b"a_000001\0\n", "zero bytes"),
        ("a_000001\n".encode("utf-16"), "not UTF-8 text"),
        ('{"a": 1}', "no list of entries"),
        ("[1, 2", "not JSON"),
        ("[" * 100_000, "list.txt"),
        ('[{"boxes": []}]', "entry 0: no clip id"),
        (b"PAR1 and no more", "not a readable Parquet"),
        ('"' + "x" * 200_000 + ",\n", "list.txt"),
    ],
)
def test_what_is_no_list_is_one_clear_line(
    tmp_path: Path, content: str | bytes, cause: str
) -> None:
    """The error names the file, the line and the cause, and what to give instead."""
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, content)
    message = caught.value.message
    assert cause in message
    assert "list.txt" in message
    assert "give a list of clip ids" in message
    assert len(message) < 500 + len(str(tmp_path))


def test_a_table_without_ids_is_refused(tmp_path: Path) -> None:
    """A Parquet file has to have a column of clip ids."""
    pq.write_table(pa.table({"score": [1.0]}), tmp_path / "list.txt")
    with pytest.raises(InvalidInput, match="no column of clip ids"):
        read_clip_list(tmp_path / "list.txt")


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    """Missing, a folder, or without rights: exit code 1, and which."""
    with pytest.raises(VggssError, match="no such file"):
        read_clip_list(tmp_path / "list.txt")
    with pytest.raises(VggssError, match="a folder"):
        read_clip_list(tmp_path)
    path = tmp_path / "closed.txt"
    path.write_text("a_000001\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(VggssError, match="check its rights"):
        read_clip_list(path)


# -------------------------------------------------------------------------------------- without


def test_text_keeps_its_form_without_some_clips(tmp_path: Path) -> None:
    """Byte order mark, header, comments, quotes and line ends stay as they are."""
    kept = '\ufeffclip_id,label\r\n# ours\r\na_000001.mp4,"x, y"\r\n'
    found = read(tmp_path, kept + "b_000002.mp4,z\r\n\r\nc_000003.mp4,z")
    assert found.without({"b_000002", "c_000003"}) == (kept + "\r\n").encode()


def test_entries_keep_their_form_without_some_clips(tmp_path: Path) -> None:
    """JSON entries keep all their keys, Parquet tables all their columns."""
    items = [{"file": f"{name}_000001", "class": "x", "bbox": [[0, 0, 1, 1]]} for name in "ab"]
    assert json.loads(read(tmp_path, json.dumps(items)).without({"a_000001"})) == items[1:]
    table = pa.table({"clip_id": ["a_000001", "b_000001"], "extra": [1.5, 2.5]})
    pq.write_table(table, tmp_path / "clips.parquet")
    cleaned = read_clip_list(tmp_path / "clips.parquet").without({"a_000001"})
    assert pq.read_table(pa.BufferReader(cleaned)).equals(table.slice(1))


def test_a_row_goes_with_any_of_its_clips(tmp_path: Path) -> None:
    """A pair of picture and sound is left out if either is."""
    text = "video,audio,label\na_000001,b_000002,x\nc_000003,c_000003,x\n"
    found = read(tmp_path, text)
    assert found.without({"b_000002"}) == b"video,audio,label\nc_000003,c_000003,x\n"


def test_nothing_left_is_refused(tmp_path: Path) -> None:
    """An empty list could not be read again."""
    with pytest.raises(InvalidInput, match="no clip would be left"):
        read(tmp_path, "a_000001\n").without({"a_000001", "b_000001"})


# ------------------------------------------------------------------------------ published lists


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("vggss/vggss.json", 5158),
        ("vggss/vggss_test.csv", 5158),
        ("vggss/acl_vggss_test.csv", 5158),
        ("vggss/ssltie_test_vggss_4911.txt", 4911),
        ("vggss/sspl_vggss_test_4692.csv", 4692),
        ("vggss/sslalign_ours_vggss_4655.txt", 4655),
        ("vggss/htf_vggss_test_trimmed.csv", 4670),
        ("vggss/test_list_membership.csv", 5158),
        ("vggsound/test.csv", 15446),
        ("vggsound/AStest.csv", 6927),
        ("flickr/ardasnck_supervised_test_list.txt", 250),
        ("flickr/ardasnck_test_list_250.txt", 250),
        ("flickr/ssltie_train_flickr_10k.txt", 10000),
        ("flickr/acl_flickr_10k.csv", 10000),
        ("flickr/flickr_soundnet_annotations_2786.json", 2786),
        ("is3_vpo_avs/s4_box.json", 3700),
        ("is3_vpo_avs/acl_avs1_ms3_test.csv", 320),
        ("multisource/avgn_music_duet_test.csv", 1020),
        ("multisource/avgn_vggsound_duet_test.csv", 5158),
        ("multisource/cign_avctl_vgginstruments_group_0_test.txt", 849),
    ],
)
def test_published_lists_are_read(reference_data: Path, name: str, n: int) -> None:
    """The field's own files give the number of clips that they hold."""
    assert len(read_clip_list(reference_data / name).ids) == n


def test_published_lists_of_one_set_agree(reference_data: Path) -> None:
    """Suffixes, milliseconds and classes hide no difference: each list is part of VGG-SS."""
    folder = reference_data / "vggss"
    whole = set(read_clip_list(folder / "vggss.json").ids)
    assert set(read_clip_list(folder / "vggss_test.csv").ids) == whole
    for name in (
        "ssltie_test_vggss_4911.txt",
        "sspl_vggss_test_4692.csv",
        "sslalign_ours_vggss_4655.txt",
        "htf_vggss_test_trimmed.csv",
    ):
        assert set(read_clip_list(folder / name).ids) < whole


def test_the_negatives_name_pictures_and_sounds(reference_data: Path) -> None:
    """SLAVC's extended list has 5,158 rows, over the test set's clips and 379 others."""
    folder = reference_data / "vggss"
    found = read_clip_list(folder / "slavc_vggss_test_plus_silent.csv")
    whole = set(read_clip_list(folder / "vggss.json").ids)
    assert found.n_rows == 5158
    assert len(set(found.ids) - whole) == 379


@pytest.mark.parametrize("name", ["vggsound/stat.csv", "vggsound/Common.txt", "README.md"])
def test_other_files_are_no_lists(reference_data: Path, name: str) -> None:
    """Tables of classes and prose are refused."""
    with pytest.raises(InvalidInput, match="is not a clip id"):
        read_clip_list(reference_data / name)
