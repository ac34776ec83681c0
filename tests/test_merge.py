"""``vggss merge``: the ledgers of shards become one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from counting_stage import CountingStage

from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import FailureKind, InvalidInput
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.merge import merge_ledgers
from vggss_tools.stages import run_stage
from vggss_tools.workspace import Workspace

CLIPS = [Clip(f"video{i}_000000", f"label {i}", "test") for i in range(12)]
OLD = Outcome("a_000001", "fetch", "done", time="2026-01-01T00:00:00+00:00", facts={"offset": 1.0})
NEW = replace(OLD, time="2026-01-02T00:00:00+00:00", facts={"offset": 2.0})
FAILED = replace(
    NEW, status="failed", kind=FailureKind.TIMEOUT, message="slow", attempts=9, facts={}
)
OTHER = replace(OLD, clip_id="b_000001")


def ledger_with(path: Path, *outcomes: Outcome) -> Path:
    """Make a ledger."""
    path.parent.mkdir(exist_ok=True)
    with Ledger(path) as ledger:
        ledger.record(outcomes)
    return path


def outcomes_of(path: Path) -> list[Outcome]:
    with Ledger(path, for_reading=True) as ledger:
        return ledger.outcomes()


def test_shards_of_two_directories_are_one_run(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """What two machines did is done where their ledgers and files are joined."""
    roots = [tmp_path / "one", tmp_path / "two"]
    for number, root in enumerate(roots, start=1):
        root.mkdir()
        run_stage(CountingStage(root), CLIPS, Workspace(root), workers=0, shard=(number, 2))
    result = invoke("merge", "--data", tmp_path / "all", *roots, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["schema"] == "vggss-merge/1"
    assert (told["added"], told["replaced"], told["kept"]) == (12, 0, 0)
    assert sum(one["taken"] for one in told["ledgers"]) == 12
    (tmp_path / "all" / "counted").mkdir()
    for root in roots:
        for path in (root / "counted").iterdir():
            path.rename(tmp_path / "all" / "counted" / path.name)
    whole = tmp_path / "all"
    assert run_stage(CountingStage(whole), CLIPS, Workspace(whole), workers=0).skipped == 12


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_outcome_stays_whatever_the_order(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """Of equally old ones it is one that is done; and other clips are untouched."""
    given = [
        ledger_with(tmp_path / "1.sqlite", OLD),
        ledger_with(tmp_path / "2.sqlite", FAILED),
        ledger_with(tmp_path / "3.sqlite", NEW, OTHER),
    ]
    target = tmp_path / "ledger.sqlite"
    merge_ledgers(target, [given[place] for place in order])
    assert outcomes_of(target) == [NEW, OTHER]


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    """The second time everything is kept."""
    source = ledger_with(tmp_path / "1.sqlite", OLD, OTHER)
    target = ledger_with(tmp_path / "ledger.sqlite", NEW)
    first = merge_ledgers(target, [source])
    assert (first.added, first.replaced, first.kept) == (1, 0, 1)
    second = merge_ledgers(target, [source, source])
    assert (second.added, second.replaced, second.kept) == (0, 0, 2)
    assert outcomes_of(target) == [NEW, OTHER]


def test_a_clock_that_jumped_back_in_a_shard_does_not_lose_its_newer_outcome(
    tmp_path: Path,
) -> None:
    """A copy of a ledger that went on under a wrong clock still wins over the copy it is from."""
    source = ledger_with(tmp_path / "1.sqlite", FAILED)
    target = ledger_with(tmp_path / "ledger.sqlite", FAILED)
    with Ledger(source) as ledger:
        ledger.record([replace(NEW, attempts=10, time="1999-01-01T00:00:00+00:00")])
    merge_ledgers(target, [source])
    assert [outcome.status for outcome in outcomes_of(target)] == ["done"]


def test_a_dry_run_writes_nothing(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """It says what would be taken, and makes no directory."""
    source = ledger_with(tmp_path / "1.sqlite", OLD, OTHER)
    result = invoke("merge", "--data", tmp_path / "all", source, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["added"] == 2
    assert not (tmp_path / "all").exists()


def damaged(path: Path) -> None:
    content = ledger_with(path, OLD).read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE outcomes (name TEXT)")
    db.close()


def strange_row(path: Path) -> None:
    ledger_with(path, OTHER, OLD)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE outcomes SET time = 'once' WHERE clip_id = 'b_000001'")
    db.close()


@pytest.mark.parametrize(
    "spoil", [damaged, foreign, strange_row, lambda path: path.write_text("no ledger " * 99)]
)
def test_a_damaged_or_foreign_ledger_is_refused_whole(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """Nothing of any ledger is taken, and the target stays as it was."""
    good = ledger_with(tmp_path / "good.sqlite", NEW)
    bad = tmp_path / "bad.sqlite"
    spoil(bad)
    target = ledger_with(tmp_path / "ledger.sqlite", OLD)
    with pytest.raises(InvalidInput, match=r"bad\.sqlite"):
        merge_ledgers(target, [good, bad])
    assert outcomes_of(target) == [OLD]


def test_a_ledger_is_not_merged_into_itself(tmp_path: Path) -> None:
    """A slip with the paths is said."""
    target = ledger_with(tmp_path / "data" / "ledger.sqlite", OLD)
    with pytest.raises(InvalidInput, match="is the ledger that is written"):
        merge_ledgers(target, [tmp_path / "data"])


def test_the_clip_tables_are_joined_as_well(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """Shards with a part of the clips each become one table; a conflict changes nothing."""
    roots = [tmp_path / "one", tmp_path / "two"]
    for root, clips in zip(roots, (CLIPS[:7], CLIPS[5:]), strict=True):
        ledger_with(root / "ledger.sqlite", OLD)
        write_clips(root / "clips.parquet", clips)
    done = invoke("merge", "--data", tmp_path / "all", *roots, "--json")
    assert json.loads(done.stdout)["clips"] == len(CLIPS)
    assert Workspace(tmp_path / "all").clips() == CLIPS
    write_clips(roots[1] / "clips.parquet", [replace(CLIPS[0], label="another")])
    refused = invoke("merge", "--data", tmp_path / "other", *roots)
    assert refused.exit_code == 6
    assert "'another'" in refused.stderr
    assert not (tmp_path / "other").exists()


def test_ledgers_alone_are_said_to_have_no_clips(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Neither merge nor status suggests to make a sample world of them."""
    given = ledger_with(tmp_path / "one" / "ledger.sqlite", OLD)
    done = invoke("merge", "--data", tmp_path / "all", given)
    assert "no clip table was given" in done.stderr
    status = invoke("status", "--data", tmp_path / "all")
    assert "a ledger of 1 outcomes (fetch), but no clip table" in status.stdout
    assert "sample" not in status.stdout
