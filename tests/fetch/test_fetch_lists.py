"""The official lists: fetched, checked, recorded; and what they say about clips."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import Result

from vggss_tools.checksums import sha256_of
from vggss_tools.classes import vggsound_classes
from vggss_tools.clips import Clip, read_clips, write_clips
from vggss_tools.errors import Incomplete, InvalidInput, VggssError
from vggss_tools.fetch.lists import LISTS, fetch_lists
from vggss_tools.fetch.vggsound_csv import VGGSOUND_ROWS, check_vggsound
from vggss_tools.fetch.wanted import UNKNOWN, merge_clips, wanted_clips
from vggss_tools.workspace import Workspace

ORIGINS = {
    "test.csv": "vggsound/test.csv",
    "vggss.json": "vggss/vggss.json",
    "vggss_test.csv": "vggss/vggss_test.csv",
}


def table(rows: int = VGGSOUND_ROWS.start) -> str:
    """A table in the form of vggsound.csv, with all classes."""
    labels = [f'"{name}"' if "," in name else name for name in vggsound_classes()]
    return "".join(
        f"v{number:010d},{number % 600},{labels[number % len(labels)]},"
        f"{'test' if number % 13 == 0 else 'train'}\n"
        for number in range(rows)
    )


@pytest.fixture(scope="session")
def published(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all lists, as their authors publish them; vggsound.csv in form alone."""
    folder = tmp_path_factory.mktemp("published")
    for name, origin in ORIGINS.items():
        shutil.copyfile(reference_data / origin, folder / name)
    (folder / "vggsound.csv").write_text(table())
    return folder


@pytest.fixture(scope="session")
def fetched(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory with all lists, for reading."""
    workspace = Workspace.create(tmp_path_factory.mktemp("fetched"))
    fetch_lists(workspace, str(published))
    return workspace


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on the loopback; yields its address and the paths that are asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "data")


# --------------------------------------------------------------------------------------- fetching


def test_lists_are_fetched_once(published: Path, workspace: Workspace) -> None:
    """All lists come, checked and recorded; a second run asks for nothing."""
    with serving(published) as (url, asked):
        first = fetch_lists(workspace, url)
        assert [found["fetched"] for found in first] == [True] * len(LISTS)
        assert len(asked) == len(LISTS)
        again = fetch_lists(workspace, url)
        assert [found["fetched"] for found in again] == [False] * len(LISTS)
        assert len(asked) == len(LISTS)
    rows = {found["name"]: found["rows"] for found in again}
    assert rows == {
        "vggsound.csv": VGGSOUND_ROWS.start,
        "test.csv": 15_446,
        "vggss.json": 5_158,
        "vggss_test.csv": 5_158,
    }
    record = json.loads((workspace.root / "lists" / "lists.json").read_text())["files"]
    for name, entry in record.items():
        assert entry["sha256"] == sha256_of(workspace.root / "lists" / name)


def test_pinned_checksums_are_those_of_the_published_files(reference_data: Path) -> None:
    """Each checksum in the code is that of the file that the field has."""
    for wanted in LISTS:
        if wanted.sha256 is not None:
            assert wanted.sha256 == sha256_of(reference_data / ORIGINS[wanted.name])


def test_addresses_are_the_authors_own() -> None:
    """Lists come from their authors' repositories, at a commit, over an encrypted line."""
    for wanted in LISTS:
        assert wanted.url.startswith("https://raw.githubusercontent.com/hche11/")
        assert wanted.url.endswith(f"/{wanted.name}")


def test_a_folder_may_hold_them_anywhere(
    fetched: Workspace, workspace: Workspace, reference_data: Path
) -> None:
    """In a folder, the list of the right name and bytes is found below it."""
    assert len(list((fetched.root / "lists").iterdir())) == len(LISTS) + 2  # record and lock
    with pytest.raises(Incomplete, match=r"vggsound\.csv: not in"):
        fetch_lists(workspace, str(reference_data))
    assert (workspace.root / "lists" / "vggss.json").is_file()


def test_another_file_under_the_name_is_refused(published: Path, workspace: Workspace) -> None:
    """A list whose bytes are not the published ones is not kept."""
    with serving(workspace.root.parent) as (url, _):
        mirror = workspace.root.parent / "mirror"
        shutil.copytree(published, mirror)
        (mirror / "test.csv").write_text("zpWuikVorYg_000032.mp4,elk bugling\n")
        with pytest.raises(InvalidInput, match=r"is not the published test\.csv"):
            fetch_lists(workspace, f"{url}/mirror")
    assert not (workspace.root / "lists" / "test.csv").exists()


def test_a_changed_table_is_noticed(published: Path, workspace: Workspace) -> None:
    """vggsound.csv is recorded when it first comes; another one later is refused."""
    fetch_lists(workspace, str(published))
    path = workspace.root / "lists" / "vggsound.csv"
    path.unlink()
    mirror = workspace.root.parent / "mirror"
    shutil.copytree(published, mirror)
    (mirror / "vggsound.csv").write_text(table(VGGSOUND_ROWS.start + 1))
    with pytest.raises(InvalidInput, match=r"differs from the vggsound\.csv that was recorded"):
        fetch_lists(workspace, str(mirror))
    assert not path.exists()
    fetch_lists(workspace, str(published))
    assert path.is_file()


def test_what_cannot_be_had_is_one_line(published: Path, workspace: Workspace) -> None:
    """A server without one of the lists: the others are kept, and running again helps."""
    mirror = workspace.root.parent / "mirror"
    shutil.copytree(published, mirror)
    (mirror / "vggsound.csv").unlink()
    with serving(mirror) as (url, _), pytest.raises(Incomplete) as caught:
        fetch_lists(workspace, url)
    assert f"{url}/vggsound.csv: the server answers 404" in caught.value.message
    assert "--lists-from" in caught.value.message
    assert (workspace.root / "lists" / "vggss.json").is_file()
    with pytest.raises(Incomplete, match="cannot be reached"):
        fetch_lists(workspace, url)
    with pytest.raises(VggssError, match="not an http or https address"):
        fetch_lists(workspace, "ftp://127.0.0.1/lists")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda text: text.replace("v0000000007,7,", "v0000000007,soon,", 1), "line 8 is not"),
        (lambda text: text.replace(",train\n", ",dev\n", 1), "has the split 'dev'"),
        (lambda text: text.replace("people crowd", "peeple crowd", 1), "has the class 'peeple"),
        (lambda text: text[: len(text) // 2].rpartition("\n")[0], "has about 200,000"),
        (lambda text: "<html>Not found</html>\n", "line 1 is not"),
        (lambda text: "", "0 rows"),
    ],
)
def test_what_is_not_vggsound_is_refused(change: object, cause: str) -> None:
    """A row of another form, an unknown class or split, and a part of the table are told."""
    text = change(table())  # type: ignore[operator]
    with pytest.raises(InvalidInput, match="here") as caught:
        check_vggsound(text.encode(), "here")
    assert cause in caught.value.message


# ------------------------------------------------------------------------------------ named sets


def test_named_sets(fetched: Workspace) -> None:
    """Split test has 15,446 clips, vggss is a part of it, train comes from the whole table."""
    test = wanted_clips(fetched, "test").clips
    vggss = wanted_clips(fetched, "vggss").clips
    train = wanted_clips(fetched, "train").clips
    assert (len(test), len(vggss)) == (15_446, 5_158)
    assert set(vggss) < set(test)
    assert {clip.split for clip in (*test, *vggss)} == {"test"}
    assert {clip.split for clip in train} == {"train"}
    assert len(wanted_clips(fetched, "test", limit=7).clips) == 7


def test_a_set_without_its_list_says_how_to_get_it(workspace: Workspace) -> None:
    """Where a list is needed and not there, both ways out are named."""
    for split in ("test", "train", "vggss"):
        with pytest.raises(VggssError, match=r"--lists.*--clips FILE"):
            wanted_clips(workspace, split)  # type: ignore[arg-type]
    with pytest.raises(VggssError, match="--split"):
        wanted_clips(workspace)


def test_a_list_of_ids_takes_its_classes_from_the_official_ones(
    fetched: Workspace, reference_data: Path
) -> None:
    """Plain ids get class and split from the lists that are there."""
    ids = reference_data / "vggss" / "sslalign_ours_vggss_4655.txt"
    clips = wanted_clips(fetched, clips_file=ids).clips
    assert len(clips) == 4_655
    assert set(clips) < set(wanted_clips(fetched, "vggss").clips)


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("vggss/acl_vggss_test.csv", 5_158),
        ("vggss/ssltie_test_vggss_4911.txt", 4_911),
        ("vggss/vggss.json", 5_158),
        ("vggsound/test.csv", 15_446),
        ("multisource/avgn_vggsound_single_test.csv", 5_158),
    ],
)
def test_every_form_of_list_gives_clips(
    reference_data: Path, workspace: Workspace, name: str, n: int
) -> None:
    """The field's lists are clips of the test split, in their own classes' spelling."""
    clips = wanted_clips(workspace, "test", reference_data / name).clips
    assert len(clips) == n
    assert {clip.label for clip in clips} <= {*vggsound_classes(), UNKNOWN}


# ------------------------------------------------------------------------------------ own lists


def test_a_list_may_say_the_splits(workspace: Workspace, tmp_path: Path) -> None:
    """Of a table with splits, --split takes its own; a list without is of the split given."""
    path = tmp_path / "list.csv"
    path.write_text("zpWuikVorYg,32,elk bugling,test\n-b_c_d_e_f_,7,dog barking,train\n")
    assert [c.clip_id for c in wanted_clips(workspace, "train", path).clips] == [
        "-b_c_d_e_f__000007"
    ]
    assert len(wanted_clips(workspace, None, path).clips) == 2
    path.write_text("zpWuikVorYg_000032\n")
    assert wanted_clips(workspace, "train", path).clips == [
        Clip("zpWuikVorYg_000032", UNKNOWN, "train")
    ]
    assert wanted_clips(workspace, None, path).clips[0].split == UNKNOWN


def test_repetitions_contradictions_and_other_ids_are_said(
    workspace: Workspace, tmp_path: Path
) -> None:
    """What a list repeats, contradicts or cannot mean stands in notes and report."""
    path = tmp_path / "list.csv"
    path.write_text(
        "zpWuikVorYg_000032,elk bugling\nzpWuikVorYg_000032,dog barking\n10000130166,x\n"
    )
    wanted = wanted_clips(workspace, "test", path)
    assert wanted.clips == [Clip("zpWuikVorYg_000032", "elk bugling", "test")]
    assert wanted.report["duplicates"] == wanted.report["conflicts"] == ["zpWuikVorYg_000032"]
    assert wanted.report["left_out"] == ["10000130166"]
    assert len(wanted.notes) == 3
    path.write_text("10000130166\n")
    with pytest.raises(InvalidInput, match="no clip of test"):
        wanted_clips(workspace, "test", path)


def test_new_clips_are_added_to_the_table(workspace: Workspace) -> None:
    """Rows that are there stay first and as they are; unknown classes are filled in."""
    old = [Clip("a_000001", "dog barking", "test"), Clip("b_000001", UNKNOWN, UNKNOWN)]
    write_clips(workspace.clips_table, old)
    asked = [
        Clip("c_000001", "dog barking", "train"),
        Clip("b_000001", "cat meowing", "test"),
        Clip("a_000001", "cat meowing", "test"),
    ]
    merged, contradictions = merge_clips(workspace, asked)
    assert merged == [asked[0], asked[1], old[0]]
    assert read_clips(workspace.clips_table) == [old[0], asked[1], asked[0]]
    assert contradictions == [
        "a_000001: 'dog barking' in the clip table, 'cat meowing' in the list"
    ]


def test_nothing_new_changes_nothing(workspace: Workspace) -> None:
    """A table that has all clips is not written again."""
    clips = [Clip("a_000001", "dog barking", "test")]
    write_clips(workspace.clips_table, clips)
    before = workspace.clips_table.stat().st_ino
    assert merge_clips(workspace, [Clip("a_000001", UNKNOWN, UNKNOWN)]) == (clips, [])
    assert workspace.clips_table.stat().st_ino == before


def test_a_split_needs_its_own_list_only(
    invoke: Callable[..., Result], published: Path, tmp_path: Path
) -> None:
    """With --split vggss, what is wrong with other lists is said and does no harm."""
    folder = tmp_path / "some"
    folder.mkdir()
    shutil.copyfile(published / "vggss.json", folder / "vggss.json")
    (folder / "test.csv").write_text("no such list\n")
    root = tmp_path / "data"
    options = ("--data", root, "--lists-from", folder, "--limit", "1", "--retry", "timeout")
    source = ("--source", "mirror:http://127.0.0.1:9/{clip_id}")
    done = invoke("fetch", *options, *source, "--split", "vggss")
    assert done.exit_code == 0, done.output
    assert "vggsound.csv: not in" in done.stderr
    assert "not the published test.csv" in done.stderr
    needed = invoke("fetch", *options, *source, "--split", "train")
    assert needed.exit_code == 4
    every = invoke("fetch", "--data", root, "--lists-from", folder)
    assert every.exit_code == 6
    assert "vggsound.csv: not in" in every.stderr
    assert "not the published test.csv" in every.stderr


def test_the_word_non_sounding_is_no_class(workspace: Workspace, tmp_path: Path) -> None:
    """A list of pairs without a sound source gives its clips no class, and says so."""
    path = tmp_path / "pairs.csv"
    path.write_text("video,audio,label\na_000000,b_000000,non-sounding\n")
    wanted = wanted_clips(workspace, clips_file=path)
    assert {clip.label for clip in wanted.clips} == {UNKNOWN}
    assert any("'non-sounding'" in note for note in wanted.notes)
