from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from vggss_tools import ledger as ledger_module
from vggss_tools.errors import FailureKind, InvalidInput, VggssError
from vggss_tools.ledger import LEDGER_VERSION, Ledger, Outcome
from vggss_tools.workspace import Workspace

DONE = Outcome("a_000001", "extract", "done", checksums={"frames/a.jpg": "00"})
FAILED = Outcome("b_000001", "extract", "failed", FailureKind.NO_AUDIO, "no sound", attempts=2)

VERSION_1 = """
CREATE TABLE outcomes (
    clip_id   TEXT NOT NULL,
    stage     TEXT NOT NULL,
    status    TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    kind      TEXT,
    message   TEXT,
    attempts  INTEGER NOT NULL,
    time      TEXT NOT NULL,
    settings  TEXT NOT NULL,
    versions  TEXT NOT NULL,
    checksums TEXT NOT NULL,
    PRIMARY KEY (stage, clip_id)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def write_version_1(path: Path, *outcomes: Outcome) -> Path:
    """Make a ledger as version 0.1 of the tools wrote it."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(VERSION_1)
    for o in outcomes:
        texts = (json.dumps(value) for value in (o.settings, o.versions, o.checksums))
        row = (o.clip_id, o.stage, o.status, o.kind, o.message, o.attempts, o.time, *texts)
        db.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.commit()
    db.close()
    return path


def version_of(path: Path) -> int:
    db = sqlite3.connect(path)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return int(version)


def test_outcomes_round_trip(tmp_path: Path) -> None:
    """Everything about an outcome is kept, by stage and clip."""
    done = replace(DONE, facts={"offset": 1.5, "source": "mirror"})
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([FAILED, done])
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.outcomes("extract") == [done, FAILED]
        assert ledger.outcomes("propose") == []


def test_a_newer_outcome_replaces_the_older(tmp_path: Path) -> None:
    """There is one outcome a clip and stage: the last."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([Outcome("a_000001", "extract", "failed", FailureKind.CORRUPT, "bad")])
        ledger.record([Outcome("a_000001", "extract", "done")])
        assert [outcome.status for outcome in ledger.outcomes()] == ["done"]


def test_a_clock_that_jumps_back_does_not_bring_old_outcomes_back(tmp_path: Path) -> None:
    """What is written last stands, and its time is not before that of what it replaced."""
    before = replace(FAILED, time="2026-05-01T12:00:00+00:00")
    after = replace(DONE, clip_id=FAILED.clip_id, time="1999-01-01T00:00:00+00:00")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([before])
        ledger.record([after])
        (outcome,) = ledger.outcomes()
    assert outcome == replace(after, time=before.time)


def test_an_older_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    """Opening a ledger of version 1 keeps all of it, and lets it take facts."""
    path = write_version_1(tmp_path / "ledger.sqlite", DONE, FAILED)
    with Ledger(path) as ledger:
        assert ledger.outcomes() == [DONE, FAILED]
        ledger.record([replace(DONE, facts={"offset": 2.0})])
    assert version_of(path) == LEDGER_VERSION
    with Ledger(path) as ledger:
        assert [outcome.facts for outcome in ledger.outcomes()] == [{"offset": 2.0}, {}]


def test_reading_an_older_ledger_changes_nothing(tmp_path: Path) -> None:
    """Looking at version 1 leaves it version 1."""
    path = write_version_1(tmp_path / "ledger.sqlite", DONE)
    with Ledger(path, for_reading=True) as ledger:
        assert ledger.outcomes() == [DONE]
        assert ledger.offsets() == {}
    assert version_of(path) == 1


def test_an_upgrade_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """Where the upgrade cannot be finished, the ledger stays as it was."""
    path = write_version_1(tmp_path / "ledger.sqlite", DONE)
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE outcomes ADD COLUMN facts TEXT")  # in the way of the upgrade's own
    db.close()
    with pytest.raises(VggssError, match="duplicate column"):
        Ledger(path)
    assert version_of(path) == 1


def test_an_upgrade_waits_for_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that another program holds is one line, and the upgrade works later."""
    monkeypatch.setattr(ledger_module, "BUSY_S", 0.0)
    path = write_version_1(tmp_path / "ledger.sqlite", DONE)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(VggssError, match="another program holds the ledger"):
        Ledger(path)
    db.execute("ROLLBACK")
    db.close()
    with Ledger(path) as ledger:
        assert ledger.outcomes() == [DONE]


@pytest.mark.parametrize("old", [True, False])
def test_many_may_open_a_ledger_at_once(tmp_path: Path, old: bool) -> None:
    """One of them makes it or brings it up to date, and all of them can write."""
    path = tmp_path / "ledger.sqlite"
    if old:
        write_version_1(path)

    def record(number: int) -> None:
        with Ledger(path) as ledger:
            for place in range(10):
                ledger.record([Outcome(f"a{number}_{place:06d}", "extract", "done")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(8)))
    with Ledger(path) as ledger:
        assert len(ledger.outcomes("extract")) == 80


def test_offsets_are_those_of_fetched_clips(tmp_path: Path) -> None:
    """A clip of which nothing is recorded begins where its file does."""
    workspace = Workspace(tmp_path)
    assert workspace.clip_offsets()["a_000001"] == 0.0
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record(
            [
                Outcome("a_000001", "fetch", "done", facts={"offset": 2.5}),
                Outcome("b_000001", "fetch", "done", facts={"source": "dir"}),
                Outcome("c_000001", "extract", "done", facts={"offset": 9.0}),
                Outcome("d_000001", "fetch", "failed", FailureKind.TIMEOUT, "x", facts={}),
            ]
        )
    offsets = workspace.clip_offsets()
    assert offsets == {"a_000001": 2.5}
    assert offsets["b_000001"] == offsets["d_000001"] == 0.0


def test_a_corrupt_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    """A damaged file is one clear line, and the file is left as it was."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, " * 100)
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="not a readable ledger"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """A ledger that a later tool wrote is not touched."""
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(InvalidInput, match="version 99"):
        Ledger(path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """An SQLite file with other tables is no ledger, and gets no table of ours."""
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE songs (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="not a ledger"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    """A ledger cannot be opened where there is no directory."""
    with pytest.raises(VggssError, match="cannot use the ledger"):
        Ledger(tmp_path / "no" / "ledger.sqlite")


def test_reading_makes_no_ledger(tmp_path: Path) -> None:
    """Who only wants to read is told that there is none."""
    with pytest.raises(VggssError, match="no such ledger"):
        Ledger(tmp_path / "ledger.sqlite", for_reading=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda db: db.execute("UPDATE outcomes SET kind = 'nonsense'"),
        lambda db: db.execute("UPDATE outcomes SET time = 'yesterday'"),
        lambda db: db.execute("UPDATE outcomes SET settings = '{'"),
        lambda db: db.execute("UPDATE outcomes SET facts = '[]'"),
        lambda db: db.execute("""UPDATE outcomes SET checksums = '{"../../etc/passwd": "0"}'"""),
    ],
)
def test_checking_finds_rows_that_cannot_be_meant(
    tmp_path: Path, spoil: Callable[[sqlite3.Connection], object]
) -> None:
    """A check reads every row to its end, and takes no path outside of the directory."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.record([FAILED])
        ledger.check()
    with sqlite3.connect(path) as db:
        spoil(db)
    db.close()
    with Ledger(path) as ledger, pytest.raises(InvalidInput, match=r"ledger\.sqlite.*b_000001"):
        ledger.check()


def test_a_new_ledger_waits_for_the_process_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself refuses the write-ahead log at once while another process writes."""
    path = tmp_path / "ledger.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []

    def other_ends(seconds: float) -> None:
        pauses.append(seconds)
        other.execute("COMMIT")

    monkeypatch.setattr("vggss_tools.ledger.time.sleep", other_ends)
    with Ledger(path) as ledger:
        assert ledger.outcomes() == []
    assert len(pauses) == 1
    other.close()
