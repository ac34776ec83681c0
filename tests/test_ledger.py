from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from vggss_tools.errors import FailureKind, InvalidInput, VggssError
from vggss_tools.ledger import Ledger, Outcome


def test_outcomes_round_trip(tmp_path: Path) -> None:
    """Everything about an outcome is kept, by stage and clip."""
    done = Outcome("a_000001", "extract", "done", checksums={"frames/a.jpg": "00"})
    failed = Outcome("b_000001", "extract", "failed", FailureKind.NO_AUDIO, "no sound", attempts=2)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([failed, done])
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.outcomes("extract") == [done, failed]
        assert ledger.outcomes("propose") == []


def test_a_newer_outcome_replaces_the_older(tmp_path: Path) -> None:
    """There is one outcome a clip and stage: the last."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([Outcome("a_000001", "extract", "failed", FailureKind.CORRUPT, "bad")])
        ledger.record([Outcome("a_000001", "extract", "done")])
        assert [outcome.status for outcome in ledger.outcomes()] == ["done"]


def test_a_corrupt_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    """A damaged file is one clear line, and the file is left as it was."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, " * 100)
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="not a readable ledger"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    """A ledger that a later tool wrote is not touched."""
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(InvalidInput, match="version 99"):
        Ledger(path)


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A ledger cannot be opened where there is no directory."""
    with pytest.raises(VggssError, match="cannot use the ledger"):
        Ledger(tmp_path / "no" / "ledger.sqlite")
