"""What is known of the clips before a fetch: which are there, and which source has refused which.

A clip's outcome says what the last source said. What other sources have said for good before it
stands in its facts as ``earlier_sources``, a list of ``source``, ``kind`` and ``message``.
"""

from __future__ import annotations

import json
import os
from typing import Any

from vggss_tools.errors import FailureKind
from vggss_tools.ledger import Ledger, settings_text
from vggss_tools.many_objects import no_search_for_circles
from vggss_tools.workspace import Workspace

# The source of files that nobody has fetched.
FOUND = "found"
_PERMANENT = {str(kind) for kind in FailureKind if kind.permanent}

Refusal = dict[str, Any]


def identity(source: dict[str, Any]) -> str:
    """Return what makes a source the same one, though its content has changed."""
    return settings_text({key: value for key, value in source.items() if key != "names"})


class History:
    """What the ledger and ``clips/`` say when it is made; later changes are not seen.

    Parameters
    ----------
    source : dict
        Settings of the source that is asked now.
    """

    def __init__(self, workspace: Workspace, source: dict[str, Any]) -> None:
        self.source = source
        self._sources: dict[str, dict[str, Any]] = {}  # clip -> where its outcome is from
        self._refusals: dict[str, list[Refusal]] = {}
        self._refused: set[str] = set()  # by the source that is asked now
        files = _files(workspace)
        if workspace.ledger_path.is_file():
            self._read(workspace, files)
        for clip_id in files:
            self._sources[clip_id] = _found(workspace, clip_id)

    def source_of(self, clip_id: str) -> dict[str, Any]:
        """Return the source that an outcome must be from to be up to date."""
        return self._sources.get(clip_id, self.source)

    def has_refused(self, clip_id: str) -> bool:
        """Whether the source that is asked now has refused a clip for good before another one."""
        return clip_id in self._refused

    def refusals(self, clip_id: str, *, other_than: dict[str, Any]) -> list[Refusal]:
        """Return what other sources have said for good."""
        own = identity(other_than)
        return [r for r in self._refusals.get(clip_id, []) if identity(r["source"]) != own]

    @no_search_for_circles()
    def _read(self, workspace: Workspace, files: set[str]) -> None:
        """Go through the outcomes once; of clips that are done, forget the file in ``files``."""
        parsed: dict[str, dict[str, Any]] = {}  # there are many clips and few sources
        own = settings_text({"source": self.source})[1:-1]  # as it stands among other settings
        with Ledger(workspace.ledger_path, for_reading=True) as ledger:
            for clip_id, status, kind, message, settings, earlier in ledger.sources():
                elsewhere = own not in settings
                if status == "done":
                    files.discard(clip_id)
                if not elsewhere and earlier is None and status == "done":
                    continue
                if not elsewhere:
                    source = self.source
                else:
                    if settings not in parsed:
                        parsed[settings] = json.loads(settings).get("source") or {}
                    source = parsed[settings]
                refusals: list[Refusal] = [] if earlier is None else json.loads(earlier)
                if status == "done":
                    if elsewhere:
                        self._sources[clip_id] = source or self.source
                elif clip_id not in files and any(r["source"] == self.source for r in refusals):
                    self._refused.add(clip_id)
                if kind in _PERMANENT and source and source.get("name") != FOUND:
                    same = identity(source)
                    refusals = [r for r in refusals if identity(r["source"]) != same]
                    refusals.append({"source": source, "kind": kind, "message": message})
                if refusals:
                    self._refusals[clip_id] = refusals


def _files(workspace: Workspace) -> set[str]:
    """Return the clips that have a file; a broken link is none."""
    found: set[str] = set()
    try:
        with os.scandir(workspace.clip_path("x").parent) as entries:
            for entry in entries:
                if entry.name.endswith(".mp4") and not entry.name.startswith("."):
                    try:
                        if entry.is_file():
                            found.add(entry.name[:-4])
                    except OSError:  # a loop of links
                        continue
    except (FileNotFoundError, NotADirectoryError):
        pass
    return found


def _found(workspace: Workspace, clip_id: str) -> dict[str, Any]:
    """Return a file as the source of a clip: another file there is looked at anew."""
    stat = os.stat(workspace.clip_path(clip_id))
    return {"name": FOUND, "file": [stat.st_size, stat.st_mtime_ns]}
