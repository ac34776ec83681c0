"""``vggss doctor``: what this machine has and lacks."""

from __future__ import annotations

import json
import os
import resource
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from vggss_tools import doctor
from vggss_tools.fetch import youtube_tools
from vggss_tools.ledger import Ledger
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    # yt-dlp looks beside Python first.
    monkeypatch.setattr("sysconfig.get_path", lambda *_, **__: str(folder))
    return folder


def program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_report_is_one_object(invoke: Invoke, tmp_path: Path) -> None:
    """Each check has a name, whether it is in order, what was found and what to do."""
    done = invoke("doctor", "--data", tmp_path / "data", "--json")
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["schema"] == "vggss-doctor/1"
    for check in said["checks"]:
        assert set(check) == {"name", "ok", "found", "remedy"}
        assert check["ok"] or check["remedy"]
    names = {check["name"] for check in said["checks"]}
    assert {"python", "ffmpeg", "yt-dlp", "javascript runtime", "yt-dlp-ejs", "ledger"} <= names
    assert done.exit_code == (0 if all(check["ok"] for check in said["checks"]) else 1)
    assert not (tmp_path / "data").exists()


def test_people_read_the_same(invoke: Invoke, tmp_path: Path) -> None:
    """The table has a line for each check, and a remedy where there is one."""
    done = invoke("doctor", "--data", tmp_path)
    for name in ("python", "decoder", "data directory", "open files", "fiftyone"):
        assert any(line.startswith(name) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "says", "good"),
    [
        ("deno", "deno 2.9.8 (stable, release, x86_64-unknown-linux-gnu)", True),
        ("deno", "deno 2.2.0", False),
        ("node", "v22.1.0", True),
        ("node", "v20.20.2", False),
        ("bun", "1.2.11", True),
        ("bun", "1.1.0", False),
        ("qjs", "QuickJS version 2025-04-26", True),
        ("qjs", "QuickJS version 2021-03-27", False),
    ],
)
def test_the_javascript_runtime(programs: Path, name: str, says: str, good: bool) -> None:
    """A runtime of a version that yt-dlp works with is enough; an older one is named."""
    ok, found, remedy = youtube_tools.javascript_state()
    assert (ok, found) == (False, "none")
    assert "pip install deno" in remedy
    program(programs, name, says)
    ok, found, remedy = youtube_tools.javascript_state()
    assert ok is good
    assert ("is needed" in found) is not good
    assert bool(remedy) is not good


@pytest.mark.parametrize(
    ("version", "ok", "words"),
    [
        (None, False, "not installed"),
        ("0.1.0", False, "works with"),
        ("wanted", True, ""),
    ],
)
def test_the_scripts_for_youtube(
    monkeypatch: pytest.MonkeyPatch, version: str | None, ok: bool, words: str
) -> None:
    """yt-dlp's scripts have to be there, in the version that yt-dlp was made for."""
    wanted = youtube_tools._wanted_ejs()
    assert wanted is not None
    found = wanted if version == "wanted" else version
    monkeypatch.setattr(youtube_tools, "installed_version", lambda _: found)
    good, said, remedy = youtube_tools.ejs_state()
    assert good is ok
    assert words in said
    assert remedy == ("" if ok else f"pip install 'yt-dlp-ejs=={wanted}'")


def test_an_old_yt_dlp_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old version is no failure, and has a remedy."""
    monkeypatch.setattr(youtube_tools, "installed_version", lambda _: "2020.01.01")
    ok, found, remedy = youtube_tools.yt_dlp_state()
    assert ok
    assert "days old" in found
    assert "--upgrade yt-dlp" in remedy


def test_a_missing_extra_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without torch, FiftyOne and Ray the rest works, so they are only said to be absent."""
    monkeypatch.setattr(doctor, "installed_version", lambda _: None)
    checks = {check.name: check for check in doctor.examine(Workspace(tmp_path))}
    for name, extra in (("torch", "models"), ("fiftyone", "verify"), ("ray", "ray")):
        assert checks[name].ok
        assert checks[name].found == "not installed"
        assert checks[name].remedy == f"pip install 'vggss-tools[{extra}]'"


def test_the_state_of_the_ledger(tmp_path: Path) -> None:
    """None yet, readable, and damaged are told apart; a damaged one is a failure."""
    workspace = Workspace(tmp_path)
    assert doctor._looked("ledger", lambda: doctor._ledger(workspace)).found == "none yet"
    with Ledger(workspace.ledger_path):
        pass
    assert doctor._looked("ledger", lambda: doctor._ledger(workspace)).ok
    workspace.ledger_path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    check = doctor._looked("ledger", lambda: doctor._ledger(workspace))
    assert not check.ok
    assert "not a readable ledger" in check.found
    assert check.remedy


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of the data directory, and a folder without rights, are failures."""
    path = tmp_path / "file"
    path.touch()
    look = doctor._data_directory
    assert not doctor._looked("data directory", lambda: look(Workspace(path))).ok
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    check = doctor._looked("data directory", lambda: look(Workspace(closed)))
    assert not check.ok
    assert check.remedy


def test_few_files_are_a_failure() -> None:
    """A limit of open files that a few workers reach is said, with the command that raises it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        check = doctor._open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not check.ok
    assert "ulimit -n" in check.remedy


def test_a_full_disk_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Too little space is said, of the disk that the data directory would be on."""
    monkeypatch.setattr(doctor, "LEAST_FREE", sys.maxsize)
    check = doctor._disk_space(Workspace(tmp_path / "not" / "there"))
    assert not check.ok
    assert "--data DIR" in check.remedy
