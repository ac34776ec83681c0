"""The command: lists in, clips out, and what is said about them."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from clip_maker import make_clip
from fetch.fault_server import Fault, FaultServer
from fetch.videos import make_video

from vggss_tools.clips import Clip, read_clips
from vggss_tools.errors import FailureKind
from vggss_tools.ledger import Ledger
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]

ROWS = 'zpWuikVorYg,32,"bird chirping, tweeting",test\n-b_c_d_e_f_,7,dog barking,train\n'
NOWHERE = "mirror:http://127.0.0.1:9/{clip_id}.mp4"  # where nothing answers
FIRST, SECOND = "zpWuikVorYg_000032", "-b_c_d_e_f__000007"


@pytest.fixture(scope="session")
def ten_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 10 s."""
    return make_clip(tmp_path_factory.mktemp("ten") / "ten.mp4", fps="10")


@pytest.fixture
def mine(tmp_path: Path, ten_seconds: Path) -> Path:
    """A folder with both clips, under names of their owner's."""
    folder = tmp_path / "mine"
    (folder / "train").mkdir(parents=True)
    shutil.copyfile(ten_seconds, folder / "zpWuikVorYg_32000_42000.mp4")
    shutil.copyfile(ten_seconds, folder / "train" / "-b_c_d_e_f__7.mp4")
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "data")


@pytest.fixture
def fetch(invoke: Invoke, workspace: Workspace) -> Invoke:
    """Run ``vggss fetch`` on the data directory."""
    return lambda *arguments: invoke("fetch", "--data", workspace.root, *arguments)


def result(done: Result, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    assert value["schema"] == "vggss-fetch/1"
    return value


def test_a_folder_becomes_clips(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """Clips, table and ledger are there; the owner's files are as they were."""
    before = {path: path.stat().st_mtime_ns for path in mine.rglob("*")}
    said = result(fetch("--clips", listed, "--source", f"dir:{mine}", "--json"))
    assert (said["done"], said["n_clips"], said["failed"]) == (2, 2, {})
    assert said["found"]["clips"] == 2
    assert read_clips(workspace.clips_table) == [
        Clip(FIRST, "bird chirping, tweeting", "test"),
        Clip(SECOND, "dog barking", "train"),
    ]
    for clip_id in (FIRST, SECOND):
        assert workspace.clip_path(clip_id).stat().st_nlink == 2
    assert {path: path.stat().st_mtime_ns for path in mine.rglob("*")} == before
    with Ledger(workspace.ledger_path) as ledger:
        facts = {o.clip_id: o.facts for o in ledger.outcomes("fetch")}
    assert facts[FIRST]["source"] == "dir"
    assert facts[FIRST]["offset"] == 0.0


def test_a_second_run_does_nothing(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """What is there is not fetched again, also from another source and without the list."""
    fetch("--clips", listed, "--source", f"dir:{mine}")
    inode = workspace.clip_path(FIRST).stat().st_ino
    elsewhere = mine.parent / "elsewhere"
    mine.rename(elsewhere)
    for source in (f"dir:{elsewhere}", "mirror:http://127.0.0.1:9/{clip_id}.mp4", "youtube"):
        said = result(fetch("--source", source, "--json"))
        assert (said["done"], said["skipped"], said["received_bytes"]) == (0, 2, 0)
    assert workspace.clip_path(FIRST).stat().st_ino == inode


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_becomes_clips(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path, mode: str
) -> None:
    """Members come out of an archive, and nothing else lies in the data directory."""
    path = mine.parent / "clips.tar"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.add(mine, arcname="../out/of/here")
    said = result(fetch("--clips", listed, "--source", f"archive:{path}", "--json"))
    assert said["done"] == 2
    assert said["received_bytes"] == sum(
        workspace.clip_path(clip_id).stat().st_size for clip_id in (FIRST, SECOND)
    )
    assert sorted(os.listdir(workspace.root / "clips")) == sorted([f"{FIRST}.mp4", f"{SECOND}.mp4"])


def test_what_is_not_there_is_code_3_until_it_is(
    fetch: Invoke, mine: Path, listed: Path, ten_seconds: Path
) -> None:
    """A clip that a folder lacks is gone for good, and found once the folder has changed."""
    (mine / "zpWuikVorYg_32000_42000.mp4").rename(mine / "my film.mp4")
    options = ("--clips", listed, "--source", f"dir:{mine}", "--json")
    said = result(fetch(*options), 3)
    assert said["failed"] == {"not_found": 1}
    assert said["found"]["unrecognised"] == ["my film.mp4"]
    result(fetch(*options), 3)
    (mine / "my film.mp4").rename(mine / "zpWuikVorYg_32.mp4")
    assert result(fetch(*options))["done"] == 1


def test_two_files_for_one_clip_are_code_4(
    fetch: Invoke, mine: Path, listed: Path, ten_seconds: Path
) -> None:
    """Nothing is chosen between two files; once one is gone, the same command goes on."""
    again = mine / "zpWuikVorYg_32.mp4"
    shutil.copyfile(ten_seconds, again)
    done = fetch("--clips", listed, "--source", f"dir:{mine}")
    assert done.exit_code == 4
    assert "2 files claim it" in done.stderr
    again.unlink()
    assert fetch("--clips", listed, "--source", f"dir:{mine}").exit_code == 0


def test_a_dry_run_changes_nothing(
    fetch: Invoke, workspace: Workspace, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips, bytes and hours are said, and where each option is from; nothing is made."""
    monkeypatch.setenv("VGGSS_FETCH_MARGIN", "2.5")
    workspace.root.mkdir()
    (workspace.root / "vggss.toml").write_text("[fetch]\nworkers = 7\n")
    said = result(
        fetch("--clips", listed, "--dry-run", "--proxy", "http://me:secret@host:1", "--json")
    )
    assert said["expected"]["clips"] == 2
    assert said["expected"]["bytes"] == 2 * said["expected"]["bytes_a_clip"]
    assert said["expected"]["bytes_measured_on"] == 0
    assert said["expected"]["hours"] == pytest.approx(2 / 300, abs=1e-3)
    options = said["options"]
    assert options["dry-run"] == {"value": True, "from": "command line"}
    assert options["clips"] == {"value": str(listed), "from": "command line"}
    assert options["margin"] == {"value": 2.5, "from": "environment"}
    assert options["workers"] == {"value": 7, "from": "settings file"}
    assert options["source"] == {"value": "youtube", "from": "default"}
    assert options["proxy"]["value"] == "http://host:1"
    assert os.listdir(workspace.root) == ["vggss.toml"]
    text = fetch("--clips", listed, "-n").stdout
    assert "clips to fetch  2" in text
    assert "\ndry-run " in text
    assert "an assumption" in text


def test_a_dry_run_knows_what_was_measured(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """After some clips, bytes are expected from those that came."""
    fetch("--clips", listed, "--limit", "1", "--source", f"dir:{mine}", "--link", "copy")
    said = result(fetch("--clips", listed, "--source", f"dir:{mine}", "--dry-run", "--json"))
    expected = said["expected"]
    assert (expected["clips"], expected["done"], expected["bytes_measured_on"]) == (1, 1, 1)
    assert expected["bytes"] == workspace.clip_path(FIRST).stat().st_size


def test_shards_share_the_clips(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """Two halves, fetched one after the other, are everything once."""
    counts = [
        result(fetch("--clips", listed, "--source", f"dir:{mine}", "--shard", f"{i}/2", "--json"))[
            "done"
        ]
        for i in (1, 2)
    ]
    assert sum(counts) == 2


@pytest.mark.slow
def test_ray_gives_the_same_clips(
    vggss: Callable[..., Any], workspace: Workspace, mine: Path, listed: Path, tmp_path: Path
) -> None:
    """Two workers of a Ray cluster and two threads leave the same bytes."""
    pytest.importorskip("ray", reason="Ray is not installed")
    options = ("--clips", listed, "--source", f"dir:{mine}", "--workers", "2", "--link", "copy")
    other = Workspace(tmp_path / "other")
    done = vggss("fetch", "--data", workspace.root, *options, "--engine", "ray")
    assert done.returncode == 0, done.stderr
    assert vggss("fetch", "--data", other.root, *options).returncode == 0
    for clip_id in (FIRST, SECOND):
        assert workspace.clip_path(clip_id).read_bytes() == other.clip_path(clip_id).read_bytes()


def test_a_class_that_differs_is_said(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """The table's class stays, and the list's is reported."""
    fetch("--clips", listed, "--source", f"dir:{mine}")
    listed.write_text(f"{FIRST},dog barking\n")
    done = fetch("--clips", listed, "--source", f"dir:{mine}", "--json")
    (line,) = result(done)["list"]["contradictions"]
    assert "'bird chirping, tweeting' in the clip table, 'dog barking' in the list" in line
    assert line in done.stderr
    assert read_clips(workspace.clips_table)[0].label == "bird chirping, tweeting"


def test_lists_and_clips_in_one_command(
    fetch: Invoke, workspace: Workspace, reference_data: Path
) -> None:
    """The official lists can be taken from a folder; those that are not there are named."""
    done = fetch("--lists", "--lists-from", reference_data)
    assert done.exit_code == 4
    assert "vggsound.csv: not in" in done.stderr
    said = result(fetch("--split", "vggss", "--limit", "3", "--dry-run", "--json"))
    assert said["n_clips"] == 3
    assert said["list"]["file"] == str(workspace.root / "lists" / "vggss.json")


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        ((), 1, "no clips yet; say which with --split"),
        (("--split", "test"), 1, "get it with `vggss fetch --lists`"),
        (("--split", "validation"), 2, "--split"),
        (("--clips", "{list}", "--source", "tape:x"), 1, "no such source"),
        (("--clips", "{list}", "--source", "dir:"), 1, "no such source"),
        (("--clips", "{list}", "--source", "dir:/none"), 1, "/none: no such folder"),
        (("--clips", "{list}", "--source", "archive:/none.tar"), 1, "/none.tar: no such file"),
        (("--clips", "{list}", "--source", "archive:{list}"), 6, "no tar, tar.gz or zip"),
        (("--clips", "{list}", "--source", "mirror:http://h/x"), 6, "names neither"),
        (("--clips", "{list}", "--cookies", "/none"), 1, "/none: no such file"),
        (("--clips", "{list}", "--cookies", "{list}"), 6, "not a file of cookies"),
        (("--clips", "{list}", "--margin", "-1"), 2, "--margin"),
        (("--clips", "{list}", "--rate", "nan"), 2, "finite"),
        (("--clips", "{list}", "--retry", "soon"), 2, "--retry"),
        (("--lists", "--dry-run"), 2, "--dry-run asks for nothing"),
        (("--clips", "{list}", "--source", "mirror:http://h:99999/{clip_id}"), 6, "0-65535"),
        (("--clips", "{list}", "--source", "dir:.", "--proxy", "http://h:1"), 2, "--proxy is for"),
        (("--clips", "{list}", "--source", "archive:x", "--cookies", "x"), 2, "--cookies is for"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    fetch: Invoke,
    workspace: Workspace,
    listed: Path,
    arguments: tuple[str, ...],
    code: int,
    cause: str,
) -> None:
    """The error says what, why and what to do; no data directory is made for it."""
    done = fetch(*(argument.replace("{list}", str(listed)) for argument in arguments))
    assert done.exit_code == code, done.output
    assert cause in done.stderr
    assert "Traceback" not in done.stderr
    assert not workspace.root.exists()


def test_cookies_are_never_shown(
    fetch: Invoke, tmp_path: Path, listed: Path, workspace: Workspace, mine: Path
) -> None:
    """A cookie's value stands in no output and in no file of the data directory."""
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tsecret42\n")
    before = jar.stat().st_mtime_ns
    outputs = [
        fetch("--clips", listed, "--cookies", jar, "--dry-run", "--json").output,
        fetch("--clips", listed, "--cookies", jar, "--source", NOWHERE, "--json").output,
    ]
    assert all("secret42" not in output for output in outputs)
    for path in workspace.root.rglob("*"):
        assert path.is_dir() or b"secret42" not in path.read_bytes()
    assert jar.stat().st_mtime_ns == before


def test_the_page_names_every_kind_of_failure() -> None:
    """The table of docs/fetch.md has each kind once, under its own action."""
    page = (Path(__file__).parents[2] / "docs" / "fetch.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip().strip("`") for cell in line.strip("| \n").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    table = {row[0]: row[1] for row in rows if row[0] in set(map(str, FailureKind))}
    assert table == {str(kind): str(kind.action) for kind in FailureKind}


def test_a_sample_world_is_not_asked_for(
    fetch: Invoke, invoke: Invoke, workspace: Workspace
) -> None:
    """Its clips are there already: they are found, and no host is asked for them."""
    made = invoke("sample", workspace.root, "--train", "1", "--test", "1")
    assert made.exit_code == 0, made.output
    said = result(fetch("--source", NOWHERE, "--dry-run", "--json"))
    assert (said["expected"]["clips"], said["expected"]["done"]) == (0, 2)
    said = result(fetch("--source", NOWHERE, "--json"))
    assert (said["done"], said["failed"], said["received_bytes"]) == (2, {}, 0)


def test_a_block_says_in_json_when_to_come_back(
    fetch: Invoke, listed: Path, server: FaultServer
) -> None:
    """The moment is in the future, and clips that were not asked for are left."""
    for clip_id in (FIRST, SECOND):
        server.faults[f"/{clip_id}.mp4"] = Fault(429, headers={"Retry-After": "900"})
    source = f"mirror:{server.url}/{{clip_id}}.mp4"
    done = fetch("--clips", listed, "--source", source, "--workers", "1", "--json")
    said = result(done, 5)
    assert datetime.fromisoformat(said["retry_at"]) > datetime.now(UTC)
    assert said["failed"] == {"rate_limited": 1}
    assert said["left"] == 1


def test_an_interrupted_run_says_what_it_has(
    fetch: Invoke,
    mine: Path,
    listed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After Ctrl-C, --json has the clips that are recorded."""
    recorded = Ledger.record

    def interrupt(self: Ledger, outcomes: Any) -> None:
        recorded(self, outcomes)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "record", interrupt)
    out = tmp_path / "out.json"
    done = fetch("--clips", listed, "--source", f"dir:{mine}", "--workers", "1", "--json", out)
    assert done.exit_code != 0
    said = json.loads(out.read_text())
    assert (said["interrupted"], said["done"], said["left"]) == (True, 1, 1)


def test_a_media_failure_names_the_source(
    fetch: Invoke, listed: Path, server: FaultServer, tmp_path: Path
) -> None:
    """The file is not kept, so the message has its address."""
    mute = make_video(tmp_path / "mute.mp4", sound=False)
    server.files.update({f"/{clip_id}.mp4": mute for clip_id in (FIRST, SECOND)})
    said = result(
        fetch("--clips", listed, "--source", f"mirror:{server.url}/{{clip_id}}.mp4", "--json"), 3
    )
    for failure in said["failures"]:
        assert failure["message"].startswith(f"{server.url}/{failure['clip_id']}.mp4: ")


def test_another_container_is_not_called_linked(
    fetch: Invoke, workspace: Workspace, mine: Path, listed: Path
) -> None:
    """A file that was put into an MP4 is one of its own, with its own bytes."""
    name = mine / "zpWuikVorYg_32000_42000.mp4"
    make_video(name.with_suffix(".mkv"), options=("-c:a", "aac"))
    name.unlink()
    fetch("--clips", listed, "--source", f"dir:{mine}")
    with Ledger(workspace.ledger_path) as ledger:
        facts = {o.clip_id: o.facts for o in ledger.outcomes("fetch")}
    assert facts[SECOND]["mode"] == "linked"
    assert facts[FIRST]["mode"] == "rewrapped"
    assert facts[FIRST]["bytes"] == workspace.clip_path(FIRST).stat().st_size
