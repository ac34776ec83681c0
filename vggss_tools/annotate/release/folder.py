"""The folder of a release: written whole under its name, and never changed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from vggss_tools.atomic import atomic_path, sync_folder
from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError

MANIFEST_FILE = "release.json"
CHECKSUMS_FILE = "SHA256SUMS"

# Folders beside the releases: what is being made, and what a forced release replaced.
_MAKING = ".making"
_REPLACED = ".replaced"

# Of a manifest, what may differ between two tellings of the same annotations: the version of the
# tool, files that are drawn from the same data, and the earlier release they are compared with.
_NOT_CONTENTS = {"tool", "files", "left_out", "changes"}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Action = Literal["made", "unchanged", "replaced"]


@dataclass(frozen=True, slots=True)
class Release:
    """A release on disk.

    Attributes
    ----------
    folder : Path
    manifest : dict
        What ``release.json`` holds.
    action : str
        ``made``, ``unchanged`` (it was there with the same contents) or ``replaced``.
    kept : Path or None
        Where the replaced one lies now.
    """

    folder: Path
    manifest: dict[str, Any]
    action: Action
    kept: Path | None = None


def check_name(name: str) -> None:
    """Refuse a name that is no plain folder name (``VggssError``)."""
    if not _NAME.fullmatch(name):
        raise VggssError(
            f"release name {name!r}: must be letters, digits, '.', '_' or '-', such as 2026-03-v1"
        )


def file_facts(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return sha256 and size of each file, as they stand in the manifest."""
    return {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }


def format_checksums(files: Mapping[str, bytes]) -> str:
    """Return a file for ``sha256sum --check``, sorted by name."""
    return "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())
    )


def publish(
    folder: Path,
    manifest: dict[str, Any],
    data: Mapping[str, bytes],
    make_files: Callable[[], tuple[dict[str, Any], dict[str, bytes]]],
    *,
    force: bool,
    another: str = "name",
) -> Release:
    """Write the folder whole under its name, or find that it stands there already.

    Parameters
    ----------
    manifest : dict
        What the release says.
    data : mapping
        The files that the contents are, by name.
    make_files : callable
        Makes the manifest and all files, the manifest included, where they are needed.
    another : str
        What to choose another of where the place is taken.
    """
    place = folder.absolute()  # `--out .` and the like have no parent's name otherwise
    releases = place.parent
    releases.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(releases / _MAKING, ignore_errors=True)  # of a run that was killed
    there = _same_release(place, manifest, data)
    if there is not None:
        return Release(folder, there, "unchanged")
    is_taken = place.exists() and not _is_empty(place)
    if is_taken and not (place / MANIFEST_FILE).is_file():
        raise VggssError(f"{folder}: holds other files and is no release; choose another {another}")
    if is_taken and not force:
        raise VggssError(
            f"{folder}: a release of that name has other contents; choose another {another}, "
            f"or --force (the old one is then kept in {releases.name}/{_REPLACED})"
        )
    whole, files = make_files()
    making = releases / _MAKING / place.name
    try:
        for name, content in files.items():
            with atomic_path(making / name) as part:
                part.write_bytes(content)
        kept = _set_aside(place) if is_taken else None
        making.rename(place)
    finally:
        shutil.rmtree(releases / _MAKING, ignore_errors=True)
    sync_folder(releases)
    return Release(folder, whole, "replaced" if is_taken else "made", kept)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _same_release(
    folder: Path, manifest: Mapping[str, Any], data: Mapping[str, bytes]
) -> dict[str, Any] | None:
    """Return the manifest of a release on disk that says the same and is whole, else None."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        files = {name: facts["sha256"] for name, facts in found["files"].items()}
        whole = all(sha256_of(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # A release of an earlier version may say less; what it says has to be the same.
    said = [key for key in manifest if key in found and key not in _NOT_CONTENTS]
    same = all(found[key] == manifest[key] for key in said)
    expected = file_facts(data)
    same_data = all(
        files[name] == facts["sha256"] for name, facts in expected.items() if name in files
    )
    return found if whole and same and same_data and files.keys() & expected.keys() else None


def _set_aside(folder: Path) -> Path:
    """Move a release out of the way, to a name that is free."""
    shelf = folder.parent / _REPLACED
    shelf.mkdir(exist_ok=True)
    for number in count(1):
        kept = shelf / f"{folder.name}-{number}"
        if not kept.exists():
            break
    folder.rename(kept)
    sync_folder(shelf)
    return kept
