"""Joining the ledgers of shards: of each clip and stage, the newest outcome stays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vggss_tools.clips import Clip, read_clips, write_clips
from vggss_tools.errors import InvalidInput
from vggss_tools.ledger import Ledger, Row
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-merge/1"

# What decides between two outcomes of one clip at one stage: the time; then done goes before
# failed, the later attempt before the earlier; then the bytes, so that the order of the ledgers
# makes no difference.
Rank = tuple[datetime, bool, int, bytes]


@dataclass
class MergeCounts:
    """What was taken from where.

    Attributes
    ----------
    taken : dict
        Ledger → its outcomes, and how many of them went into the result.
    added, replaced, kept : int
        Outcomes that are new, that took the place of another, and that stayed as they were.
    """

    taken: dict[str, tuple[int, int]] = field(default_factory=dict)
    added: int = 0
    replaced: int = 0
    kept: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "ledgers": [
                {"ledger": name, "outcomes": outcomes, "taken": taken}
                for name, (outcomes, taken) in self.taken.items()
            ],
            "added": self.added,
            "replaced": self.replaced,
            "kept": self.kept,
            "outcomes": self.added + self.replaced + self.kept,
        }


def ledger_of(source: Path) -> Path:
    """Return the ledger that is meant by a file, or by a data directory."""
    return Workspace(source).ledger_path if source.is_dir() else source


def merge_clip_tables(target: Workspace, sources: Sequence[Path], *, dry_run: bool = False) -> int:
    """Join the clip tables of data directories into that of another one; its rows come first.

    Ledgers that are given without a directory have none.

    Returns
    -------
    Clips of the joined table; 0 where there is no table.

    Raises
    ------
    InvalidInput
        If a clip has two classes or splits; nothing is changed then.
    """
    clips: dict[str, tuple[Clip, Path]] = {}
    before = 0
    for path in (target.clips_table, *(Workspace(s).clips_table for s in sources if s.is_dir())):
        if not path.is_file():
            continue
        for clip in read_clips(path):
            known, where = clips.setdefault(clip.clip_id, (clip, path))
            if known != clip:
                raise InvalidInput(
                    f"{path}: {clip.clip_id} is {clip.label!r} ({clip.split}) there, but "
                    f"{known.label!r} ({known.split}) in {where}; correct one of them"
                )
        if path == target.clips_table:
            before = len(clips)
    if len(clips) > before and not dry_run:
        write_clips(target.clips_table, [clip for clip, _ in clips.values()])
    return len(clips)


def merge_ledgers(target: Path, sources: Sequence[Path], *, dry_run: bool = False) -> MergeCounts:
    """Join ledgers into one, which is made if it is not there.

    Merging the same ledgers again changes nothing, and neither does their order.

    Raises
    ------
    InvalidInput
        If one of them is damaged, or no ledger; nothing is changed then.
    """
    given = list(dict.fromkeys(ledger_of(source) for source in sources))
    for path in given:
        if target.exists() and path.exists() and path.samefile(target):
            raise InvalidInput(f"{path}: is the ledger that is written; name the others alone")
        with Ledger(path, for_reading=True) as ledger:
            ledger.check()
    if dry_run:
        if not target.exists():
            return _choose({}, given)[1]
        with Ledger(target, for_reading=True) as ledger:
            return _choose({_key(row): _rank(row) for row in ledger.rows()}, given)[1]
    with Ledger(target) as ledger, ledger.transaction():
        chosen, counts = _choose({_key(row): _rank(row) for row in ledger.rows()}, given)
        ledger.put(chosen)
    return counts


def _choose(
    ranks: dict[tuple[str, str], Rank], sources: Sequence[Path]
) -> tuple[list[Row], MergeCounts]:
    """Return the rows that have to be written, beside rows of these ranks."""
    there = set(ranks)
    counts = MergeCounts()
    chosen: dict[tuple[str, str], tuple[Row, str]] = {}
    for path in sources:
        with Ledger(path, for_reading=True) as ledger:
            outcomes = 0
            for row in ledger.rows():
                outcomes += 1
                rank = _rank(row)
                if _key(row) not in ranks or rank > ranks[_key(row)]:
                    ranks[_key(row)] = rank
                    chosen[_key(row)] = (row, str(path))
        counts.taken[str(path)] = (outcomes, 0)
    for _, path_name in chosen.values():
        outcomes, taken = counts.taken[path_name]
        counts.taken[path_name] = (outcomes, taken + 1)
    counts.replaced = sum(key in there for key in chosen)
    counts.added = len(chosen) - counts.replaced
    counts.kept = len(there) - counts.replaced
    return [row for row, _ in chosen.values()], counts


def _key(row: Row) -> tuple[str, str]:
    return row.stage, row.clip_id


def _rank(row: Row) -> Rank:
    digest = hashlib.sha256(repr(tuple(row)).encode()).digest()
    return datetime.fromisoformat(row.time), row.status == "done", row.attempts, digest
