from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from vggss_tools.cli import COMMANDS, group

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def command(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    """The line in the list is the command's own first line; an example block follows."""
    found = command(name)
    assert found.name == name
    assert found.help
    assert found.help.strip().splitlines()[0] == COMMANDS[name][1]
    assert "\b" in found.help
    assert f"vggss {name}" in found.help
    assert all(p.help for p in found.params if isinstance(p, click.Option))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help(name: str, invoke: Invoke) -> None:
    """-h works everywhere."""
    result = invoke(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: vggss {name}")


def test_help_imports_nothing_heavy() -> None:
    """`vggss --help` is a reading, not an import of the world."""
    code = (
        "import sys; from vggss_tools.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'pandas', 'numpy', 'pyarrow', 'yt_dlp', 'fiftyone', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "[]"


def test_an_unknown_command_is_a_usage_error(vggss: Run) -> None:
    """Exit code 2 and one line that says where to look."""
    done = vggss("localise")
    assert done.returncode == 2
    assert done.stderr == "Error: No such command 'localise'. See `vggss --help`.\n"


def test_errors_are_one_line_with_their_code(vggss: Run, tmp_path: Path) -> None:
    """A user's error names thing, cause and remedy on one line of stderr."""
    done = vggss("--data", tmp_path / "nothing", "extract")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "vggss sample" in done.stderr


def test_data_is_accepted_before_and_after_the_command(invoke: Invoke, tmp_path: Path) -> None:
    """Both places, and the environment, name the data directory; the nearest wins."""
    for arguments in (["--data", tmp_path, "status"], ["status", "--data", tmp_path]):
        assert str(tmp_path) in str(invoke(*arguments, "--json").stdout)
    both = invoke("--data", "elsewhere", "status", "--data", tmp_path, "--json")
    assert str(tmp_path) in both.stdout


def test_settings_come_from_the_data_directory(invoke: Invoke, tmp_path: Path) -> None:
    """vggss.toml gives defaults to a command; a flag overrides them."""
    (tmp_path / "vggss.toml").write_text('[status]\njson = "-"\n')
    assert invoke("status", "--data", tmp_path).stdout.startswith("{")
    target = tmp_path / "out.json"
    assert not invoke("status", "--data", tmp_path, "--json", target).stdout.startswith("{")
    assert target.is_file()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"[status]\nwings = 2\n", "no option 'wings'"),
        (b"[status\n", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"[extrakt]\nworkers = 2\n", "'extrakt' is not a table"),
        (b"extract = 3\n", "'extract' is not a table"),
    ],
)
def test_bad_settings_are_refused(invoke: Invoke, tmp_path: Path, text: bytes, cause: str) -> None:
    """A misspelt command or option in vggss.toml is not ignored."""
    (tmp_path / "vggss.toml").write_bytes(text)
    result = invoke("status", "--data", tmp_path)
    assert result.exit_code == 6
    assert cause in result.stderr


def test_the_environment_gives_options(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VGGSS_<COMMAND>_<OPTION> stands between the flag and the files."""
    monkeypatch.setenv("VGGSS_DATA", str(tmp_path))
    assert str(tmp_path) in invoke("status", "--json").stdout
    (tmp_path / "vggss.toml").write_text('[run]\nout = "from-file"\n')
    monkeypatch.setenv("VGGSS_QUICKSTART_SEED", "7")
    assert "--seed 7" in invoke("quickstart", "--dry-run").stdout


def test_an_interruption_has_its_exit_code(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130 and says that nothing is lost."""
    from vggss_tools.cli import main

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "main", interrupt)
    with pytest.raises(SystemExit) as stop:
        main(["status"])
    assert stop.value.code == 130
    assert "what was done is kept" in capsys.readouterr().err


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk in any command names path, cause and remedy."""
    from vggss_tools.cli import main

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/data/x.json")

    monkeypatch.setattr(group, "main", full)
    with pytest.raises(SystemExit) as stop:
        main(["status"])
    assert stop.value.code == 1
    assert capsys.readouterr().err == (
        "Error: /data/x.json: No space left on device; "
        "free some space and run the same command again\n"
    )


@pytest.mark.parametrize("name", ["annotations.jsonl", "clips.parquet", "ledger.sqlite"])
@pytest.mark.parametrize("arguments", [["status"], ["agreement"], ["check"], ["release", "r1"]])
def test_no_result_replaces_what_the_data_directory_keeps(
    invoke: Invoke, tmp_path: Path, name: str, arguments: list[str]
) -> None:
    """The work of people least of all, whichever command is told to write there."""
    own = tmp_path / name
    own.write_text("kept", encoding="ascii")
    result = invoke(*arguments, "--data", tmp_path, "--json", own)
    assert result.exit_code == 6
    assert name in result.stderr
    assert own.read_text(encoding="ascii") == "kept"
