"""Checking every recorded file: there, as it was recorded, and readable. Nothing is changed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vggss_tools.checksums import sha256_of
from vggss_tools.engines.threads import map_unordered
from vggss_tools.errors import ClipFailure, InvalidInput
from vggss_tools.ledger import Ledger
from vggss_tools.media.probe import audio_stream, open_media, video_stream
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-validate/1"

Kind = Literal["missing", "changed", "unreadable", "unrecorded"]

# Stage → the command that makes its files.
COMMANDS = {"propose": "propose-boxes"}
# Folders in which nothing but recorded files is expected → what makes them.
FOLDERS = {"clips": "fetch", "frames": "extract", "audio": "extract", "proposals": "propose-boxes"}
PICTURES = (".mp4", ".jpg")
SOUNDS = (".wav",)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one file.

    Attributes
    ----------
    path : str
        Relative to the data directory.
    """

    clip_id: str
    path: str
    kind: Kind
    message: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file as the ledger knows it."""

    clip_id: str
    path: str
    sha256: str
    stage: str

    @property
    def command(self) -> str:
        """The command that makes it."""
        name = "predict" if self.stage.startswith("predict") else self.stage
        return f"`vggss {COMMANDS.get(name, name)}`"


@dataclass
class Validation:
    """What came of it.

    Attributes
    ----------
    files : int
        Recorded files that were looked for.
    """

    files: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """Findings by kind."""
        return Counter(finding.kind for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "files": self.files,
            "findings": [asdict(finding) for finding in self.findings],
            "counts": dict(sorted(self.counts.items())),
        }


def validate(
    workspace: Workspace, split: str | None = None, *, workers: int | None = None
) -> Validation:
    """Open, probe and check every recorded file against its sha256, and look for others.

    Parameters
    ----------
    split : str, optional
        Only the files of this split's clips.
    workers : int, optional
        Threads; default: one a core.

    Raises
    ------
    InvalidInput
        If the ledger cannot be read.
    """
    chosen = None if split is None else {clip.clip_id for clip in workspace.clips(split)}
    recorded = _recorded(workspace, chosen)
    check = partial(_check, workspace.root)
    found = map_unordered(check, recorded, setup=lambda: None, workers=workers)
    findings = [finding for finding in found if finding is not None]
    findings += _unrecorded(workspace, {one.path for one in recorded}, chosen)
    findings.sort(key=lambda finding: (finding.path, finding.clip_id))
    return Validation(len(recorded), findings)


def _recorded(workspace: Workspace, chosen: set[str] | None) -> list[Recorded]:
    """Return the files of all outcomes; of two outcomes with the same file, the newer one."""
    if not workspace.ledger_path.is_file():
        return []
    newest: dict[str, tuple[str, Recorded]] = {}
    with Ledger(workspace.ledger_path, for_reading=True) as ledger:
        ledger.check()
        for row in ledger.rows():
            if row.status != "done" or (chosen is not None and row.clip_id not in chosen):
                continue
            for path, sha256 in json.loads(row.checksums).items():
                if path not in newest or row.time >= newest[path][0]:
                    newest[path] = (row.time, Recorded(row.clip_id, path, sha256, row.stage))
    return [recorded for _, (_, recorded) in sorted(newest.items())]


def _check(root: Path, recorded: Recorded) -> Finding | None:
    """Return what is wrong with a file."""

    def finding(kind: Kind, cause: str, remedy: str) -> Finding:
        message = f"{recorded.path}: {cause}; {remedy}"
        return Finding(recorded.clip_id, recorded.path, kind, message)

    path = root / recorded.path
    again = f"move it away and run {recorded.command} again, or restore a copy"
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        return finding("missing", "is not there", f"run {recorded.command} again")
    except OSError as error:
        cause = f"cannot be read ({error.strerror or error})"
        return finding("unreadable", cause, "check its rights and its disk")
    if found != recorded.sha256:
        return finding("changed", f"is not what {recorded.command} recorded", again)
    try:
        _open(path)
    except (ClipFailure, ValueError, OSError) as error:
        cause = error.message if isinstance(error, ClipFailure) else str(error)
        cause = " ".join(cause.removeprefix(f"{path}: ").split())
        return finding("unreadable", f"cannot be opened ({cause})", again)
    return None


def _open(path: Path) -> None:
    """Open a file as what its name says that it is."""
    if path.suffix in PICTURES + SOUNDS:
        with open_media(path) as container:
            if path.suffix in PICTURES:
                video_stream(container)
            else:
                audio_stream(container)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".npy":
        np.load(path, mmap_mode="r", allow_pickle=False)


def _unrecorded(
    workspace: Workspace, recorded: set[str], chosen: set[str] | None
) -> Iterator[Finding]:
    """Yield the files that no outcome knows; hidden ones, such as temporary ones, do not count."""
    # A clip's own folder, such as that of its numbered frames.
    own = {path.rpartition("/")[0] for path in recorded if path.count("/") > 1}
    for folder, command in FOLDERS.items():
        try:
            names = sorted(os.listdir(workspace.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in own & {f"{folder}/{name}" for name in names}:
            inside = sorted(os.listdir(workspace.root / name))
            names += [f"{name.removeprefix(f'{folder}/')}/{one}" for one in inside]
        for name in names:
            if f"{folder}/{name}" in own:
                continue
            path, clip_id = f"{folder}/{name}", (name.rpartition(".")[0] or name).partition("/")[0]
            if name.rpartition("/")[2].startswith(".") or path in recorded:
                continue
            if chosen is None or clip_id in chosen:
                message = (
                    f"{path}: no outcome in the ledger has made it; keep it if you know where it "
                    f"is from, or move it away and run `vggss {command}`"
                )
                yield Finding(clip_id, path, "unrecorded", message)


def raise_for_findings(root: Path, findings: Sequence[Finding]) -> None:
    """End the command with exit code 6 if something is wrong.

    Raises
    ------
    InvalidInput
        Naming the first.
    """
    if findings:
        kinds = ", ".join(
            f"{count} {kind}" for kind, count in Counter(f.kind for f in findings).most_common()
        )
        raise InvalidInput(
            f"{root}: {len(findings)} file(s) are not as recorded ({kinds}); "
            f"first: {findings[0].message}"
        )
