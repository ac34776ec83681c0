"""Options of the commands that work through many clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from vggss_tools.cli.batch_options import Batch, batch_options


def parsed(*arguments: str) -> Batch:
    """Return what a command gets."""
    seen: list[Batch] = []

    @click.command()
    @batch_options(workers=3)
    def command(batch: Batch) -> None:
        seen.append(batch)

    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code == 0, result.output
    return seen[0]


def test_the_defaults_are_a_plain_run() -> None:
    """Nothing is left out or tried again unless asked."""
    assert parsed() == Batch(workers=3)
    assert parsed().as_arguments() == {
        "workers": 3, "engine": "local", "address": None, "shard": None, "retry": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "retry"),
    [
        (["--retry"], "all"),
        (["--retry", "--workers", "1"], "all"),
        (["--retry", "transient"], "transient"),
        (["--retry=http_5xx"], "http_5xx"),
        (["--retry", "HTTP-5xx"], "http_5xx"),
        (["--retry", "true"], "all"),
        (["--retry", "false"], None),
    ],
)
def test_retry_takes_a_kind_or_stands_alone(given: list[str], retry: str | None) -> None:
    """Bare, as it was before it took a value, it means all."""
    assert parsed(*given).retry == retry


def test_shards_are_counted_from_one() -> None:
    """`i/n` is read as two numbers."""
    assert parsed("--shard", "2/16").shard == (2, 16)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--shard", "0/4"),
        ("--shard", "5/4"),
        ("--shard", "1of4"),
        ("--retry", "sometimes"),
        ("--engine", "spark"),
        ("--address", "auto"),
        ("--workers", "-1"),
    ],
)
@pytest.mark.parametrize("name", ["fetch", "extract", "propose-boxes"])
def test_wrong_values_are_wrong_use(
    tmp_path: Path, invoke: Callable[..., Result], name: str, wrong: tuple[str, str]
) -> None:
    """They are refused before anything is read, in one line."""
    result = invoke(name, "--data", tmp_path, *wrong)
    assert result.exit_code == 2, result.output
    if wrong[1] == "sometimes":
        assert "transient" in result.stderr
        assert "http_5xx" in result.stderr


def test_shards_of_extract_make_up_the_whole(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """Two shards do each clip once, and the whole has nothing left to do."""
    root = tmp_path / "data"
    assert invoke("sample", root, "--train", 4, "--test", 4, "--workers", 0).exit_code == 0
    done = []
    for shard in ("1/2", "2/2"):
        result = invoke("extract", "--data", root, "--workers", 0, "--shard", shard, "--json")
        assert result.exit_code == 0, result.output
        done.append(json.loads(result.stdout)["done"])
    assert sum(done) == 8
    result = invoke("extract", "--data", root, "--workers", 0, "--json")
    assert json.loads(result.stdout)["skipped"] == 8
