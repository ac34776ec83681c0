"""What YouTube needs beside yt-dlp itself, and whether it is there.

Each function returns whether it is in order, what was found, and what to do (empty where nothing).
"""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

State = tuple[bool, str, str]

OLD_DAYS = 90  # yt-dlp promises a release at least so often, and YouTube changes as often


def yt_dlp_state() -> State:
    """Return the version of yt-dlp and its age."""
    found = installed_version("yt-dlp")
    update = "pip install --upgrade yt-dlp"
    if found is None:
        return False, "not installed", update
    numbers = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", found)
    if numbers is None:
        return True, found, ""
    age = (datetime.now(UTC).date() - date(*map(int, numbers.groups()))).days
    # Not wrong by itself, but the first suspect once YouTube's clips fail.
    old = f"older than {OLD_DAYS} days, so newer ones are out: {update}" if age > OLD_DAYS else ""
    return True, f"{found}, {age} days old", old


def javascript_state() -> State:
    """Ask yt-dlp's own classes, which know the runtimes and versions that it works with."""
    try:
        import yt_dlp  # noqa: F401 - fills the table of runtimes
        from yt_dlp.globals import supported_js_runtimes
    except ImportError:
        remedy = "pip install --upgrade yt-dlp, and then pip install deno"
        return False, "a yt-dlp that knows none", remedy
    good: list[str] = []
    bad: list[str] = []
    for key, runtime in supported_js_runtimes.value.items():
        info = runtime().info
        if info is None:
            continue
        if info.supported:
            good.append(f"{info.name} {info.version}")
        else:
            least = ".".join(map(str, runtime.MIN_SUPPORTED_VERSION))
            bad.append(f"{info.name} {info.version}, but {key} {least} is needed")
    if good:
        return True, ", ".join(good), ""
    remedy = "YouTube needs one: pip install deno, or install node 22, bun or quickjs"
    return False, "; ".join(bad) or "none", remedy


def ejs_state() -> State:
    """Return the version of yt-dlp's scripts for YouTube, which a plain yt-dlp does not bring."""
    found = installed_version("yt-dlp-ejs")
    wanted = _wanted_ejs()
    remedy = f"pip install 'yt-dlp-ejs=={wanted}'" if wanted else "pip install yt-dlp-ejs"
    if found is None:
        return False, "not installed, and YouTube needs it", remedy
    if wanted and found.split(".")[:2] != wanted.split(".")[:2]:
        return False, f"{found}, but this yt-dlp works with {wanted}", remedy
    return True, found, ""


def _wanted_ejs() -> str | None:
    """Return the version that yt-dlp was made for, which a file of its own says."""
    spec = importlib.util.find_spec("yt_dlp")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "extractor", "youtube", "jsc", "_builtin", "vendor", "_info.py")
        if path.is_file():
            said = re.search(r"^VERSION = '([0-9.]+)'", path.read_text(encoding="utf-8"), re.M)
            return said[1] if said else None
    return None


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
