"""Who looks at which clips: balanced, the same on every run, and with overlap for agreement."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from vggss_tools.annotate.reviewers import reviewer_name
from vggss_tools.errors import WrongUsage

# A reviewer's name becomes part of a file's name. No `--` in it: that parts name and number.
_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9._]){0,60}")
_PART = "part-"
# `via2--ada.json`, `via2--ada--02.json`, and what a browser makes of a second download.
_FILE = re.compile(r"[a-z0-9-]+?--(?P<reviewer>[^ ]+?)(?:--\d+)?(?: ?\(\d+\))?")


def assign(
    clip_ids: Iterable[str], reviewers: Sequence[str], overlap: int = 1
) -> dict[str, list[str]]:
    """Give each clip to ``overlap`` of the reviewers.

    Clips are taken in the order of a hash of their ids, so that neighbours, which are often of one
    class, spread over the reviewers. Each goes to those who have the fewest clips so far; among
    them to those who share the fewest clips with the ones already chosen; then in the given order.
    So loads differ by one clip at most, and all pairs of reviewers share about as many clips.

    Returns
    -------
    dict of reviewer to clip ids, sorted.

    Raises
    ------
    WrongUsage
        At a name that cannot stand in a file's name, a repeated one, or more overlap than
        reviewers.
    """
    check_reviewers(reviewers, overlap)
    loads: Counter[str] = Counter()
    shared: Counter[frozenset[str]] = Counter()
    given: dict[str, list[str]] = {name: [] for name in reviewers}
    for clip_id in sorted(clip_ids, key=_mixed):
        chosen: list[str] = []
        for _ in range(overlap):
            free = [name for name in reviewers if name not in chosen]
            best = min(
                free,
                key=lambda name: (
                    loads[name],
                    sum(shared[frozenset((name, other))] for other in chosen),
                ),
            )
            for other in chosen:
                shared[frozenset((best, other))] += 1
            loads[best] += 1
            chosen.append(best)
        for name in chosen:
            given[name].append(clip_id)
    return {name: sorted(clips) for name, clips in given.items()}


def check_reviewers(reviewers: Sequence[str], overlap: int = 1) -> None:
    """Refuse names that cannot stand in a file's name, repeated ones, and too much overlap."""
    for name in reviewers:
        if not _NAME.fullmatch(name) or name.startswith(_PART):
            raise WrongUsage(
                f"--assign: {name!r} cannot stand in a file's name; letters, digits, dots, "
                "underscores and single hyphens can"
            )
        reviewer_name(name)
    if len({name.casefold() for name in reviewers}) != len(reviewers):
        raise WrongUsage("--assign: a reviewer is named twice")
    if not 1 <= overlap <= len(reviewers):
        raise WrongUsage(f"--overlap {overlap}: there are {len(reviewers)} reviewers to share")


def project_name(format_name: str, reviewer: str | None, number: int | None) -> str:
    """Return the file name, without suffix, of one project of several."""
    if reviewer is None:
        return f"{format_name}--{_PART}{number or 1:03d}"
    return f"{format_name}--{reviewer}" + (f"--{number:03d}" if number else "")


def reviewer_in_name(path: PurePath) -> str | None:
    """Return the reviewer whom ``--assign`` put into a file's name; None where there is none."""
    stem = path.name[: -len(path.suffix)] if path.suffix else path.name
    found = _FILE.fullmatch(stem)
    if found is None or found["reviewer"].startswith(_PART):
        return None
    return found["reviewer"] if _NAME.fullmatch(found["reviewer"]) else None


def _mixed(clip_id: str) -> tuple[bytes, str]:
    return hashlib.sha256(clip_id.encode()).digest(), clip_id
