"""Leakage: what training lists share with test sets, and `vggss audit-training`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.vggss_json import Entry, write_vggss_json
from vggss_tools.cli import group
from vggss_tools.clip_lists import ClipList, read_clip_list
from vggss_tools.evaluate.leakage import format_leakage, leakage, same_video

TRAIN = "zpWuikVorYg_000032\nzpWuikVorYg_000100\n-UuUoXQUoI0_000107\nAAAAAAAAAAA_000000\n"
BOX = ((0.1, 0.1, 0.5, 0.5),)
ENTRIES = [
    Entry("zpWuikVorYg_000032", "elk bugling", BOX),
    Entry("-UuUoXQUoI0_000107", "singing choir", BOX),
    Entry("BBBBBBBBBBB_000000", "singing choir", BOX),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training list, with a header and classes, and the annotations of a test set."""
    (tmp_path / "train.txt").write_text(TRAIN)
    write_vggss_json(tmp_path / "vggss.json", ENTRIES)
    return tmp_path


def audit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["audit-training", *map(str, arguments)], prog_name="vggss")


def list_of(ids: list[str]) -> ClipList:
    return ClipList("t", "", "text", tuple(dict.fromkeys(ids)), (), {}, {}, (), len(ids), (), b"")


def test_leaks_are_counted_by_clip_and_by_video(folder: Path) -> None:
    """The same clip leaks; another clip of its video is counted apart."""
    found = leakage(read_clip_list(folder / "train.txt"), [e.file for e in ENTRIES], "vggss.json")
    assert found == {
        "schema": "vggss-leakage/1",
        "list": "train.txt",
        "n_list": 4,
        "test_set": "vggss.json",
        "n_test": 3,
        "n_leaked": 2,
        "n_same_video": 1,
        "leaked": ["-UuUoXQUoI0_000107", "zpWuikVorYg_000032"],
    }


ids = st.lists(
    st.builds(
        "{}{:010d}_{:06d}".format, st.sampled_from("ab-_"), st.integers(0, 3), st.integers(0, 3)
    )
)


@given(ids, ids)
def test_counts_are_those_of_sets(train: list[str], test: list[str]) -> None:
    """Repetitions and order change nothing, and no clip is counted twice."""
    found = leakage(list_of(train), test, "test")
    assert found["leaked"] == sorted(set(train) & set(test))
    assert found["n_leaked"] + found["n_same_video"] <= found["n_list"]
    videos = {clip[:-7] for clip in test}
    assert found["n_same_video"] == sum(clip[:-7] in videos for clip in set(train) - set(test))
    assert leakage(list_of(train[::-1]), test[::-1], "test") == found


def test_photos_leak_by_id_only() -> None:
    """Flickr ids have no video; a bare YouTube id is its own."""
    assert same_video(["10000130166", "10007936344"], ["10000130166"]) == []
    assert same_video(["zpWuikVorYg", "AAAAAAAAAAA"], ["zpWuikVorYg_000032"]) == ["zpWuikVorYg"]


def test_the_table_says_the_share(folder: Path) -> None:
    """One row a list, with the share of the test set that is in it."""
    text = format_leakage([leakage(list_of(["a_000001"]), ["a_000001", "b_000001"], "test.csv")])
    assert "Test set test.csv: 2 clips" in text
    assert text.splitlines()[-1].split() == ["t", "1", "1", "50.0%", "0"]


# ------------------------------------------------------------------------------------ the command


def test_json_has_the_contract(folder: Path) -> None:
    """With one list stdout is exactly the object of `leakage`."""
    result = audit(folder / "train.txt", "--test-set", folder / "vggss.json", "--json", "-")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert list(value) == [
        "schema", "list", "n_list", "test_set", "n_test", "n_leaked", "n_same_video", "leaked",
    ]  # fmt: skip
    assert (value["n_leaked"], value["n_same_video"]) == (2, 1)


def test_several_lists_are_one_object(folder: Path) -> None:
    """With several lists the same objects stand under `lists`, in their order."""
    (folder / "clean.txt").write_text("CCCCCCCCCCC_000000\n")
    lists = [folder / "train.txt", folder / "clean.txt"]
    result = audit(*lists, "--test-set", folder / "vggss.json", "--json", folder / "out.json")
    value = json.loads((folder / "out.json").read_text())
    assert value["schema"] == "vggss-leakage/1"
    assert [one["list"] for one in value["lists"]] == ["train.txt", "clean.txt"]
    assert [one["n_leaked"] for one in value["lists"]] == [2, 0]
    assert "train.txt" in result.stdout


def test_the_test_set_is_found_in_the_data_directory(folder: Path) -> None:
    """vggss.json at its root comes before a release; without either the remedy is said."""
    data = folder / "data"
    result = audit(folder / "train.txt", "--data", data)
    assert result.exit_code == 1
    assert "--test-set FILE" in result.stderr
    write_vggss_json(data / "releases/mine/vggss.json", ENTRIES[:1])
    assert "vggss.json: 1 clips" in audit(folder / "train.txt", "--data", data).stdout
    write_vggss_json(data / "vggss.json", ENTRIES)
    assert "vggss.json: 3 clips" in audit(folder / "train.txt", "--data", data).stdout


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], "AAAAAAAAAAA_000000\n"),
        (["--keep-same-video"], "zpWuikVorYg_000100\nAAAAAAAAAAA_000000\n"),
    ],
)
def test_the_clean_list_is_written(folder: Path, options: list[str], kept: str) -> None:
    """Leaked clips and their videos are left out, the other lines stay, and no leak is left."""
    out = folder / "clean.txt"
    arguments: list[str | Path] = ["--test-set", folder / "vggss.json", "--out", out, *options]
    result = audit(folder / "train.txt", *arguments)
    assert result.exit_code == 0, result.output
    assert out.read_text() == kept
    again = audit(out, "--test-set", folder / "vggss.json", "--fail-if-leaked")
    assert again.exit_code == 0


def test_leaks_fail_only_if_asked(folder: Path) -> None:
    """The audit reports; `--fail-if-leaked` makes it exit code 6, after its report."""
    arguments: list[str | Path] = [folder / "train.txt", "--test-set", folder / "vggss.json"]
    assert audit(*arguments).exit_code == 0
    failed = audit(*arguments, "--fail-if-leaked", "--json", "-")
    assert failed.exit_code == 6
    assert json.loads(failed.stdout)["n_leaked"] == 2
    assert "2 of the 3 clips" in failed.stderr


@pytest.mark.parametrize("name", ["train.txt", "vggss.json", "link.txt", "sub/../train.txt"])
@pytest.mark.parametrize("option", ["--out", "--json"])
def test_an_input_is_never_overwritten(folder: Path, name: str, option: str) -> None:
    """Neither list nor test set, under whatever name, becomes the output."""
    (folder / "sub").mkdir()
    (folder / "link.txt").hardlink_to(folder / "train.txt")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    result = audit(folder / "train.txt", "--test-set", folder / "vggss.json", option, folder / name)
    assert result.exit_code == 6
    assert f"give {option} another name" in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_impossible_options_are_usage_errors(folder: Path) -> None:
    """Several lists cannot become one, and --keep-same-video is about --out."""
    two = [folder / "train.txt"] * 2
    assert audit(*two, "--out", folder / "x", "--test-set", folder / "vggss.json").exit_code == 2
    assert audit(two[0], "--keep-same-video", "--test-set", folder / "vggss.json").exit_code == 2
    assert audit().exit_code == 2


def test_a_bad_list_writes_nothing(folder: Path) -> None:
    """A list that cannot be read is exit code 6 in one line, and no file appears."""
    (folder / "bad.txt").write_text("not an id\n")
    out, json_out = folder / "out.txt", folder / "out.json"
    result = audit(
        folder / "bad.txt", "--test-set", folder / "vggss.json", "--out", out, "--json", json_out
    )
    assert result.exit_code == 6
    assert "line 1" in result.stderr
    assert not out.exists()
    assert not json_out.exists()


def test_what_a_list_hides_is_said(folder: Path) -> None:
    """Repetitions, contradictions and skipped lines go to stderr, not into the result."""
    (folder / "odd.csv").write_text("clip_id,label\na_000001,x\na_000001,y\n")
    result = audit(folder / "odd.csv", "--test-set", folder / "vggss.json", "--json", "-")
    assert json.loads(result.stdout)["n_list"] == 1
    for said in ("1 header", "more than once", "two classes"):
        assert said in result.stderr


# ---------------------------------------------------------------------------- published lists


@pytest.mark.parametrize(
    ("name", "n_list", "n_leaked"),
    [
        ("ezvsl_vggss_144k.txt", 144_000, 3709),
        ("fnac_vggss_144k.txt", 144_000, 3715),
        ("ezvsl_vggss_10k.txt", 10_000, 238),
        ("ezvsl_vggss_heard.txt", 59_468, 0),
        ("ssltie_train_vggss_train_10k.txt", 10_000, 0),
        ("ssltie_train_vggss_train_144k.txt", 144_000, 0),
        ("ssltie_train_seen_144k_list.txt", 144_000, 3565),
        ("ssltie_train_vggss_190228.txt", 190_228, 4916),
        ("ssltie_openset_train_110_70k.txt", 70_000, 2306),
        ("htf_vgg_train_10k.txt", 10_000, 0),
        ("htf_vgg_train_144k.txt", 144_000, 0),
        ("acl_vggss_10k.csv", 10_000, 0),
        ("acl_vggss_heard.csv", 70_000, 0),
    ],
)
def test_leaks_of_the_published_lists(
    reference_data: Path, name: str, n_list: int, n_leaked: int
) -> None:
    """Lists of one name differ: nothing, or 72% of VGG-SS."""
    test = read_clip_list(reference_data / "vggss/vggss.json")
    found = leakage(read_clip_list(reference_data / "vggss" / name), test.ids, test.name)
    assert (found["n_list"], found["n_test"], found["n_leaked"]) == (n_list, 5158, n_leaked)


@pytest.mark.parametrize(
    ("name", "n_leaked"),
    [
        ("ezvsl_flickr_144k.txt", 20),
        ("ezvsl_flickr_10k.txt", 1),
        ("ssltie_train_flickr_10k.txt", 2),
    ],
)
def test_leaks_of_the_flickr_lists(reference_data: Path, name: str, n_leaked: int) -> None:
    """Photos of the 250 are in Flickr training lists as well."""
    test = read_clip_list(reference_data / "flickr/slavc_flickr_test_250.csv")
    found = leakage(read_clip_list(reference_data / "flickr" / name), test.ids, test.name)
    assert (found["n_test"], found["n_leaked"], found["n_same_video"]) == (250, n_leaked, 0)


def test_the_open_set_of_ssltie_leaks_its_heard_clips(reference_data: Path) -> None:
    """2,299 of the 2,425 heard test clips are training clips, and none of the unheard."""
    folder = reference_data / "vggss"
    train = read_clip_list(folder / "ssltie_openset_train_110_70k.txt")
    for name, n in (("heard_2425", 2299), ("unheard_2463", 0)):
        test = read_clip_list(folder / f"ssltie_openset_test_110_{name}.txt")
        assert leakage(train, test.ids, test.name)["n_leaked"] == n
