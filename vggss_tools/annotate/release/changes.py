"""What changed since an earlier release, or since a file of the published format."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.annotate.release.folder import MANIFEST_FILE
from vggss_tools.annotate.vggss_json import Entry, read_vggss_json
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.workspace import RELEASE_FILE, Workspace

SCHEMA = "vggss-changes/1"
DECISIONS_FILE = "decisions.csv"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a release is compared with.

    Attributes
    ----------
    name : str
    sha256 : str
        Of its ``vggss.json``.
    entries : tuple of Entry
    outcomes : mapping of clip id to str, or None
        Where each clip of its split stood; None where that is not known.
    """

    name: str
    sha256: str
    entries: tuple[Entry, ...]
    outcomes: Mapping[str, str] | None


def find_earlier(workspace: Workspace, against: str) -> Earlier:
    """Read the release of a name, or the release or file at a path.

    Raises
    ------
    VggssError
        If there is none.
    InvalidInput
        If its files cannot be read as such.
    """
    named = workspace.release_dir(against)
    path = named if _is_plain(against) and named.is_dir() else Path(against)
    if path.is_dir():
        path = path / RELEASE_FILE
    if not path.is_file():
        raise VggssError(
            f"--against {against}: no such release or file; releases are in "
            f"{workspace.root / 'releases'}, or give the path of a vggss.json"
        )
    return read_earlier(path)


def newest_earlier(
    workspace: Workspace, split: str, newest_event: str, *, but: str
) -> Earlier | None:
    """Read the newest release of the split that has no event newer than ``newest_event``, if any.

    Not the time at which it was written, which copies lose, says which is newer, but its newest
    event, then its name.

    Parameters
    ----------
    but : str
        The name of the release that is being made.

    Raises
    ------
    InvalidInput
        If it is there and cannot be read.
    """
    found: list[tuple[str, str, Path]] = []
    for manifest in sorted((workspace.root / "releases").glob(f"*/{MANIFEST_FILE}")):
        try:
            value = json.loads(manifest.read_text(encoding="utf-8"))
            time, of_split = value["sources"]["newest_event"], value["split"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no release of ours: it cannot be placed in time
        folder = manifest.parent
        if of_split == split and isinstance(time, str) and folder.name != but:
            found.append((time, folder.name, folder / RELEASE_FILE))
    earlier = [entry for entry in found if entry[0] <= newest_event and entry[2].is_file()]
    if not earlier:
        return None
    try:
        return read_earlier(max(earlier)[2])
    except InvalidInput as error:
        raise InvalidInput(f"{error.message}; or compare with another by --against") from None


def read_earlier(path: Path) -> Earlier:
    """Read a ``vggss.json`` and, where they are beside it, the decisions."""
    annotations = read_vggss_json(path)
    decisions = path.with_name(DECISIONS_FILE)
    outcomes = None
    if decisions.is_file() and path.with_name(MANIFEST_FILE).is_file():
        try:
            with decisions.open(encoding="utf-8", newline="") as handle:
                rows = list(csv.DictReader(handle))
            outcomes = {row["clip_id"]: row["outcome"] for row in rows}
        except OSError as error:
            raise not_readable(decisions, error) from None
        except (KeyError, ValueError, csv.Error) as error:
            raise InvalidInput(
                f"{decisions}: not the decisions of a release ({error!r}); restore a copy, "
                "or give --against another one"
            ) from None
    return Earlier(annotations.name, annotations.sha256, annotations.entries, outcomes)


def changes_since(
    earlier: Earlier, sounding: Iterable[Entry], outcomes: Mapping[str, str]
) -> dict[str, Any]:
    """Compare what is released now with an earlier release (``vggss-changes/1``).

    Boxes are compared exactly, whatever their order.

    Returns
    -------
    dict
        ``against``; ``clips_added`` and ``clips_removed``: ids; ``classes_changed`` and
        ``boxes_changed``: ids of clips in both; ``decisions_changed``: clips in both splits as
        ``{"clip_id", "from", "to"}``, None where the earlier decisions are not known.
    """
    now = {entry.file: entry for entry in sounding}
    then = {entry.file: entry for entry in earlier.entries}
    both = sorted(now.keys() & then.keys())
    changed = None
    if earlier.outcomes is not None:
        known = earlier.outcomes
        changed = [
            {"clip_id": clip_id, "from": known[clip_id], "to": outcomes[clip_id]}
            for clip_id in sorted(outcomes.keys() & known.keys())
            if outcomes[clip_id] != known[clip_id]
        ]
    return {
        "schema": SCHEMA,
        "against": {"name": earlier.name, "sha256": earlier.sha256},
        "clips_added": sorted(now.keys() - then.keys()),
        "clips_removed": sorted(then.keys() - now.keys()),
        "classes_changed": [c for c in both if now[c].label != then[c].label],
        "boxes_changed": [c for c in both if sorted(now[c].boxes) != sorted(then[c].boxes)],
        "decisions_changed": changed,
    }


def count_changes(changes: Mapping[str, Any]) -> dict[str, int | None]:
    """Return how many there are of each kind; None where it is not known."""
    return {
        key: None if value is None else len(value)
        for key, value in changes.items()
        if key not in ("schema", "against")
    }


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name not in ("", ".", "..")
