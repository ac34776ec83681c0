"""The ledger: what happened to each clip at each stage (SQLite, WAL; only the driver writes)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from vggss_tools.errors import FailureKind, InvalidInput, VggssError

# Raised when the table changes shape; a ledger of another number is refused, never migrated
# in silence.
LEDGER_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
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

    @property
    def done(self) -> bool:
        """Whether the stage's outputs for this clip are whole."""
        return self.status == "done"


class Ledger:
    """The ledger of one data directory; use it as a context manager.

    Raises
    ------
    InvalidInput
        If the file is not a ledger, is damaged, or is of another version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with self._explained():
            self._db = sqlite3.connect(self.path, timeout=30)
            try:
                self._open()
            except BaseException:  # whatever it is, it goes on; the file does not stay open
                self._db.close()
                raise

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # FULL: an outcome that was reported as done survives a power cut, as its files do.
        self._db.execute("PRAGMA synchronous = FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, LEDGER_VERSION):
            raise InvalidInput(
                f"{self.path}: a ledger of version {version}, but this tool writes version "
                f"{LEDGER_VERSION}; use the vggss-tools that wrote it, or move the file away to "
                "have the stages run again"
            )
        if version == 0:
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
            self._db.commit()
        self._db.execute("SELECT clip_id, settings FROM outcomes LIMIT 1").fetchone()

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
            if "locked" in text:
                raise VggssError(
                    f"{self.path}: another program holds the ledger; wait until it has ended"
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
        """Write outcomes in one transaction; each replaces what its clip and stage had."""
        rows = [
            (
                o.clip_id,
                o.stage,
                o.status,
                o.kind,
                o.message,
                o.attempts,
                o.time,
                json.dumps(o.settings, sort_keys=True),
                json.dumps(o.versions, sort_keys=True),
                json.dumps(o.checksums, sort_keys=True),
            )
            for o in outcomes
        ]
        with self._explained(), self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def outcomes(self, stage: str | None = None) -> list[Outcome]:
        """Return the outcomes of one stage, or of all, by stage and clip."""
        query = "SELECT * FROM outcomes"
        values: tuple[str, ...] = ()
        if stage is not None:
            query += " WHERE stage = ?"
            values = (stage,)
        with self._explained():
            rows = self._db.execute(query + " ORDER BY stage, clip_id", values).fetchall()
        return [self._outcome(row) for row in rows]

    def _outcome(self, row: tuple[Any, ...]) -> Outcome:
        clip_id, stage, status, kind, message, attempts, time, settings, versions, checksums = row
        try:
            return Outcome(
                clip_id=clip_id,
                stage=stage,
                status=status,
                kind=None if kind is None else FailureKind(kind),
                message=message,
                attempts=attempts,
                time=time,
                settings=json.loads(settings),
                versions=json.loads(versions),
                checksums=json.loads(checksums),
            )
        except (ValueError, TypeError) as error:
            raise InvalidInput(
                f"{self.path}: the row of {clip_id} at {stage} cannot be read ({error}); "
                "restore a copy, or move the file away to have the stages check every clip again"
            ) from None
