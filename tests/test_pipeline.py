from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from vggss_tools.pipeline import shipped_pipelines

Invoke = Callable[..., Result]

GOOD = """
schema: vggss-pipeline/1
name: tiny
description: A look at an empty directory.
data: "{out}/data"
vars: {out: here, what: "-"}
steps:
  - status: {json: "{what}"}
"""


def test_a_dry_run_prints_the_commands_and_runs_nothing(tmp_path: Path, invoke: Invoke) -> None:
    """Each step is shown as the command that a person would type, variables filled in."""
    (tmp_path / "p.yaml").write_text(GOOD)
    result = invoke("run", tmp_path / "p.yaml", "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"vggss status --data {tmp_path}/o/data --json -\n"
    assert not (tmp_path / "o").exists()


def test_variables_are_set_from_the_command_line(tmp_path: Path, invoke: Invoke) -> None:
    """--set replaces a default, and only one that the pipeline has."""
    (tmp_path / "p.yaml").write_text(GOOD)
    result = invoke("run", tmp_path / "p.yaml", "--set", "what=x.json", "--dry-run")
    assert result.stdout.endswith("--json x.json\n")
    unknown = invoke("run", tmp_path / "p.yaml", "--set", "wat=1", "--dry-run")
    assert unknown.exit_code == 6
    assert "no variable 'wat'; those there are: out, what" in unknown.stderr
    assert invoke("run", tmp_path / "p.yaml", "--set", "nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("schema: vggss-pipeline/1", "schema: other/1", "`schema` is 'other/1'"),
        ("name: tiny", "nome: tiny", "unknown key `nome`"),
        ('vars: {out: here, what: "-"}', "vars: 3", "`vars` is not"),
        ('  - status: {json: "{what}"}', "  - status", "step 1 is not one"),
        ('  - status: {json: "{what}"}', "  - fly: {}", "no such command"),
        ('  - status: {json: "{what}"}', "  - status: {wings: 2}", "no option 'wings'"),
        ('  - status: {json: "{what}"}', "  - status: 3", "options are not a mapping"),
        ("{what}", "{nope}", "no variable {nope}"),
        ("steps:", "steps: [}", "not valid YAML"),
        ("name: tiny", "name: tiny\n1: 2\nzz: 3", "unknown key `1`"),
        ('data: "{out}/data"', "data: 3", "`data` is not a path"),
        ('json: "{what}"', "json: null", "json is None"),
        ('json: "{what}"', "json: {a: b}", "json is {'a': 'b'}"),
        ('json: "{what}"', "data: true", "data is True"),
        ('status: {json: "{what}"}', "train: {out: x, seed: -4}", "seed"),
    ],
)
def test_a_bad_pipeline_is_refused_before_anything_runs(
    tmp_path: Path, invoke: Invoke, old: str, new: str, cause: str
) -> None:
    """The line names the file or step and the cause; the exit code is 6."""
    assert old in GOOD
    (tmp_path / "p.yaml").write_text(GOOD.replace(old, new))
    result = invoke("run", tmp_path / "p.yaml", "--out", tmp_path / "o")
    assert result.exit_code == 6
    assert cause in result.stderr
    assert not (tmp_path / "o").exists()


def test_a_pipeline_that_is_not_text_is_refused(tmp_path: Path, invoke: Invoke) -> None:
    """Bytes that are not UTF-8 are a validation error, not a traceback."""
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    result = invoke("run", tmp_path / "p.yaml")
    assert result.exit_code == 6
    assert "not valid YAML" in result.stderr


def test_an_option_whose_value_may_be_left_out_takes_true(tmp_path: Path, invoke: Invoke) -> None:
    """`json: true` is a bare --json."""
    (tmp_path / "p.yaml").write_text(GOOD.replace('json: "{what}"', "json: true"))
    result = invoke("run", tmp_path / "p.yaml", "--out", "o", "--dry-run")
    assert result.stdout == "vggss status --data o/data --json\n"


def test_a_pipeline_that_is_not_there_names_those_that_are(invoke: Invoke) -> None:
    """A wrong name is answered with the shipped ones."""
    result = invoke("run", "nothing.yaml")
    assert result.exit_code == 1
    assert "quickstart" in result.stderr


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, invoke: Invoke) -> None:
    """The remedy holds for whichever option the folder came from."""
    (tmp_path / "file").touch()
    result = invoke("quickstart", "--out", tmp_path / "file" / "x")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("choose another directory")


def test_a_failing_step_is_named(tmp_path: Path, invoke: Invoke) -> None:
    """The pipeline says where it stopped, and ends with the step's own exit code."""
    text = GOOD.replace('status: {json: "{what}"}', "extract: {}")
    (tmp_path / "p.yaml").write_text(text)
    result = invoke("run", tmp_path / "p.yaml", "--out", tmp_path)
    assert result.exit_code == 1
    assert "Pipeline tiny stopped at step 1 of 1 (extract)" in result.stderr


@pytest.mark.parametrize("name", shipped_pipelines())
def test_every_shipped_pipeline_is_made_of_real_commands(name: str, invoke: Invoke) -> None:
    """A dry run of each resolves all its commands, options and variables."""
    result = invoke("run", name, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("vggss ")


def test_the_quickstart_is_its_pipeline(tmp_path: Path, invoke: Invoke) -> None:
    """`vggss quickstart` runs what `vggss run quickstart` runs."""
    quickstart = invoke("quickstart", "--out", tmp_path, "--seed", "3", "--dry-run")
    run = invoke("run", "quickstart", "--out", tmp_path, "--set", "seed=3", "--dry-run")
    assert quickstart.exit_code == 0, quickstart.stderr
    assert quickstart.stdout == run.stdout
