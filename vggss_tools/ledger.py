"""The ledger: what happened to each clip at each stage (SQLite, WAL; only the driver writes)."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, NamedTuple

from vggss_tools.errors import FailureKind, InvalidInput, VggssError

# Raised when the table changes shape. An older ledger is brought up to date when it is opened for
# writing; one that a later tool wrote is refused.
LEDGER_VERSION = 2
BUSY_S = 60.0  # how long another process' transaction is waited for; each takes milliseconds
WAL_PAUSE_S = 0.02

_SCHEMA = """
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
    facts     TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (stage, clip_id)
) WITHOUT ROWID
"""
_COLUMNS_1 = "clip_id, stage, status, kind, message, attempts, time, settings, versions, checksums"
_COLUMNS = f"{_COLUMNS_1}, facts"
_as_text = json.JSONEncoder(sort_keys=True).encode  # made once: json.dumps makes one each time
# Version → what makes the next one of it.
_UPGRADES = {1: "ALTER TABLE outcomes ADD COLUMN facts TEXT NOT NULL DEFAULT '{}'"}
# The last to be written wins, whatever its clock says; and where that clock has jumped back, its
# time is that of the outcome it replaces, so that it also wins over copies of that one elsewhere.
_RECORD = f"""
INSERT INTO outcomes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stage, clip_id) DO UPDATE SET
    status = excluded.status, kind = excluded.kind, message = excluded.message,
    attempts = excluded.attempts, time = max(excluded.time, outcomes.time),
    settings = excluded.settings, versions = excluded.versions,
    checksums = excluded.checksums, facts = excluded.facts
"""


def now() -> str:
    """Return the present time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one clip at one stage.

    Attributes
    ----------
    status : 'done' or 'failed'
    kind : FailureKind or None
        Why it failed; None where it is done.
    message : str or None
        The failure in its own words.
    attempts : int
        How often it was tried, this time included.
    time : str
        UTC, ISO 8601.
    settings : dict
        The stage's settings and the inputs' signatures; a difference makes the outcome stale.
    versions : dict
        Versions of the tools that took part.
    checksums : dict
        Output path relative to the data directory → sha256.
    facts : dict
        What the stage found out, as JSON; of ``fetch``, see :meth:`Ledger.offsets`.
    """

    clip_id: str
    stage: str
    status: Literal["done", "failed"]
    kind: FailureKind | None = None
    message: str | None = None
    attempts: int = 1
    time: str = field(default_factory=now)
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the stage's outputs for this clip are whole."""
        return self.status == "done"

    @property
    def waits_for_input(self) -> bool:
        """Whether it failed only because a file was not there yet; no fault of the clip's."""
        return self.kind is FailureKind.NOT_FOUND and None in self.settings.get("inputs", ())

    @property
    def final(self) -> bool:
        """Whether it failed in a way that trying again cannot cure."""
        return self.kind is not None and self.kind.permanent and not self.waits_for_input


class Row(NamedTuple):
    """An outcome as it is stored: what is JSON is still text. Quick to read by the 100,000."""

    clip_id: str
    stage: str
    status: str
    kind: str | None
    message: str | None
    attempts: int
    time: str
    settings: str
    versions: str
    checksums: str
    facts: str


def settings_text(settings: dict[str, Any]) -> str:
    """Return settings as the ledger stores them, so that they can be compared as text."""
    return _as_text(settings)


class Ledger:
    """The ledger of one data directory; use it as a context manager.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    for_reading : bool
        Change nothing, not even an older version into the present one; the file has to be there,
        and may lie where nothing can be written.

    Raises
    ------
    InvalidInput
        If the file is not a ledger, is damaged, or is of a later version.
    """

    def __init__(self, path: Path | str, *, for_reading: bool = False) -> None:
        self.path = Path(path)
        with self._explained():
            self._db = self._connect(for_reading)
            try:
                self._open(for_reading)
            except BaseException:  # whatever it is, it goes on; the file does not stay open
                self._db.close()
                raise

    def _connect(self, for_reading: bool) -> sqlite3.Connection:
        # Transactions are begun by hand: Python would begin none before ALTER TABLE.
        if not for_reading:
            return sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        if not self.path.is_file():
            raise VggssError(f"{self.path}: no such ledger; check the path")
        mode = "rw"
        if not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)):
            # Reading, too, needs a file beside it for readers and writers to agree by, unless it
            # is known that nobody writes: then there is no -wal.
            wal = self.path.with_name(f"{self.path.name}-wal")
            mode = "ro" if wal.exists() else "ro&immutable=1"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, uri=True)

    def _open(self, for_reading: bool) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if version > LEDGER_VERSION:
            raise InvalidInput(
                f"{self.path}: a ledger of version {version}, but this tool writes version "
                f"{LEDGER_VERSION}; use the vggss-tools that wrote it, or move the file away to "
                "have the stages run again"
            )
        if "outcomes" not in tables and (tables or version or for_reading):
            raise InvalidInput(
                f"{self.path}: an SQLite file, but not a ledger (it has no table of outcomes); "
                "check the path, or move the file away"
            )
        if "outcomes" in tables:
            self._db.execute(f"SELECT {_COLUMNS_1} FROM outcomes LIMIT 1").fetchone()
        self._facts_column = "'{}'" if for_reading and version < 2 else "facts"
        self._facts = f"{self._facts_column} AS facts"
        if for_reading:
            return
        self._use_wal()
        # FULL: an outcome that was reported as done survives a power cut, as its files do.
        self._db.execute("PRAGMA synchronous = FULL")
        if version < LEDGER_VERSION:
            self._upgrade()

    def _use_wal(self) -> None:
        """Turn the write-ahead log on; of two processes that open a new file one has to wait.

        SQLite's own waiting leaves this change out.
        """
        end = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(WAL_PAUSE_S)
            else:
                return

    def _upgrade(self) -> None:
        """Bring the table up to date, whole or not at all, and by one process alone."""
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            there = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'outcomes'")
            if there.fetchone() is None:
                self._db.execute(_SCHEMA)
                version = LEDGER_VERSION
            for step in range(max(version, 1), LEDGER_VERSION):
                self._db.execute(_UPGRADES[step])
            self._db.execute(f"PRAGMA user_version = {LEDGER_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let nobody else write for the length of the block; all of it is kept, or nothing."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into one line with a remedy."""
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "full" in text:
                raise VggssError(
                    f"{self.path}: the disk is full; free some space and run the same command again"
                ) from None
            if "readonly" in text or "read-only" in text:
                raise VggssError(
                    f"{self.path}: the ledger cannot be written (read-only); check the rights of "
                    "the file and of its directory"
                ) from None
            if "no such column" in text or "no such table" in text:
                raise InvalidInput(
                    f"{self.path}: an SQLite file, but not a ledger ({text}); check the path, or "
                    "move the file away"
                ) from None
            if "locked" in text:
                raise VggssError(
                    f"{self.path}: another program holds the ledger; wait until it has ended"
                ) from None
            if "disk I/O error" in text:
                raise VggssError(
                    f"{self.path}: cannot be written ({text}); free some space, or check the disk, "
                    "and run the same command again"
                ) from None
            raise VggssError(
                f"{self.path}: cannot use the ledger ({text}); "
                "check that the directory exists and that you may write there"
            ) from None
        except sqlite3.DatabaseError as error:
            raise InvalidInput(
                f"{self.path}: not a readable ledger ({error}); restore a copy, or move the file "
                "away to have the stages check every clip again"
            ) from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Write outcomes in one transaction; each replaces what its clip and stage had.

        The time of an outcome never goes back, also where the machine's clock does.
        """
        rows = [
            (
                o.clip_id,
                o.stage,
                o.status,
                o.kind,
                o.message,
                o.attempts,
                o.time,
                _as_text(o.settings),
                _as_text(o.versions),
                _as_text(o.checksums),
                _as_text(o.facts),
            )
            for o in outcomes
        ]
        with self.transaction():
            self._db.executemany(_RECORD, rows)

    def put(self, rows: Iterable[Row]) -> None:
        """Write rows as another ledger holds them, inside of :meth:`transaction`."""
        marks = ", ".join("?" * len(Row._fields))
        self._db.executemany(f"INSERT OR REPLACE INTO outcomes ({_COLUMNS}) VALUES ({marks})", rows)

    def rows(self, stage: str | None = None) -> Iterator[Row]:
        """Yield the outcomes of one stage, or of all, as they are stored, by stage and clip.

        Nothing may be recorded in between.
        """
        query = f"SELECT {_COLUMNS_1}, {self._facts} FROM outcomes"
        values: tuple[str, ...] = ()
        if stage is not None:
            query += " WHERE stage = ?"
            values = (stage,)
        with self._explained():
            found = self._db.execute(query + " ORDER BY stage, clip_id", values)
            while some := found.fetchmany(1000):
                yield from map(Row._make, some)

    def standings(self) -> Iterator[tuple[str, str, str, str | None, str, str | None]]:
        """Yield of each outcome: stage, clip, status, kind, checksums, ``earlier_sources``.

        The last two are JSON, the last None for most. Quicker than all of a row.
        """
        query = (
            "SELECT stage, clip_id, status, kind, checksums, "
            f"CASE WHEN instr({self._facts_column}, 'earlier_sources') "
            f"THEN json_extract({self._facts_column}, '$.earlier_sources') END "
            "FROM outcomes ORDER BY stage, clip_id"
        )
        with self._explained():
            found = self._db.execute(query)
            while some := found.fetchmany(1000):
                yield from some

    def sources(self) -> list[tuple[str, str, str | None, str | None, str, str | None]]:
        """Return of each fetched clip: id, status, kind, message, settings, ``earlier_sources``.

        The last is JSON, or None for most; the message is None for those that are done.
        """
        query = (
            "SELECT clip_id, status, kind, message, settings, "
            f"CASE WHEN instr({self._facts_column}, 'earlier_sources') "
            f"THEN json_extract({self._facts_column}, '$.earlier_sources') END "
            "FROM outcomes WHERE stage = 'fetch'"
        )
        with self._explained():
            return self._db.execute(query).fetchall()

    def outcomes(self, stage: str | None = None) -> list[Outcome]:
        """Return the outcomes of one stage, or of all, by stage and clip."""
        return [self.outcome(row) for row in self.rows(stage)]

    def offsets(self) -> dict[str, float]:
        """Return where in its file each fetched clip starts, in seconds; 0.0 for all others.

        A download may hold more than the clip's ten seconds: `fetch` records the place as the
        fact ``offset``.
        """
        offsets: dict[str, float] = defaultdict(float)
        for row in self.rows("fetch"):
            if row.status == "done" and '"offset"' in row.facts:
                offsets[row.clip_id] = float(self.outcome(row).facts.get("offset") or 0.0)
        return offsets

    def check(self) -> None:
        """Read everything there is.

        Raises
        ------
        InvalidInput
            If the file is damaged anywhere, or a row cannot be read.
        """
        with self._explained():
            (verdict,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise InvalidInput(
                f"{self.path}: a damaged ledger ({' '.join(str(verdict).split())}); restore a copy"
            )
        for row in self.rows():
            outcome = self.outcome(row)
            try:
                if datetime.fromisoformat(row.time).tzinfo is None:
                    raise ValueError(f"time {row.time!r} without a zone")
                for path in outcome.checksums:
                    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                        raise ValueError(f"{path!r} lies outside of the data directory")
            except (ValueError, TypeError) as error:
                raise self._unreadable(row.clip_id, row.stage, error) from None

    def outcome(self, row: Row) -> Outcome:
        """Return a stored row as what it means.

        Raises
        ------
        InvalidInput
            If it cannot be read.
        """
        try:
            values = [json.loads(text) for text in row[7:]]
            if not all(isinstance(value, dict) for value in values):
                raise ValueError("settings, versions, checksums or facts are no JSON objects")
            settings, versions, checksums, facts = values
            if row.status not in ("done", "failed"):
                raise ValueError(f"status {row.status!r}")
            if (row.status == "failed") != (row.kind is not None):
                raise ValueError(f"status {row.status!r} with kind {row.kind!r}")
            return Outcome(
                clip_id=row.clip_id,
                stage=row.stage,
                status="done" if row.status == "done" else "failed",
                kind=None if row.kind is None else FailureKind(row.kind),
                message=row.message,
                attempts=row.attempts,
                time=row.time,
                settings=settings,
                versions=versions,
                checksums=checksums,
                facts=facts,
            )
        except (ValueError, TypeError) as error:
            raise self._unreadable(row.clip_id, row.stage, error) from None

    def kind_of(self, clip_id: str, stage: str, kind: str | None) -> FailureKind:
        """Return the kind of failure of an outcome that failed.

        Raises
        ------
        InvalidInput
            If there is no such kind.
        """
        try:
            return FailureKind(str(kind))
        except ValueError as error:
            raise self._unreadable(clip_id, stage, error) from None

    def _unreadable(self, clip_id: str, stage: str, error: Exception) -> InvalidInput:
        return InvalidInput(
            f"{self.path}: the row of {clip_id} at {stage} cannot be read ({error}); "
            "restore a copy, or move the file away to have the stages check every clip again"
        )
