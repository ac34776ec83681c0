"""Published weights, downloaded once into a folder of the user's and checked by their name.

The name of such a file ends with the first eight digits of its sha256 (``…-e87ab7ce.pth``), which
is how torch.hub and MMDetection publish them. While a download lasts, the file has another name,
from which an interrupted one goes on; the final name is given to what has the right checksum only.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.atomic import PART_PREFIX, publish
from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError
from vggss_tools.locks import only_one
from vggss_tools.progress import progress_bar

CACHE_VARIABLE = "VGGSS_CACHE"
TIMEOUT_S = 30
TRIES = 3  # a connection that breaks is taken up again where it broke
BLOCK = 1 << 18

_CHECKED_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")


class _Broken(Exception):
    """A try that failed in a way that another may not."""


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """A file of weights that somebody publishes.

    Attributes
    ----------
    url : str
        Its last part is the file's name, with the start of the sha256 at its end.
    """

    url: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def sha256_start(self) -> str:
        """First digits of the file's sha256."""
        match = _CHECKED_NAME.search(self.name)
        if match is None:
            raise ValueError(f"{self.name}: no checksum in the name")
        return match[1]

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return weights_folder() / self.name


def weights_folder() -> Path:
    """Return the folder of downloaded weights: in ``VGGSS_CACHE``, or the platform's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute() / "weights"
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "vggss-tools" / "weights"


def get_weights(weights: PublishedWeights, way_out: str = "--weights PATH") -> Path:
    """Return the file's path, after downloading it if it is not there yet.

    Parameters
    ----------
    way_out : str
        Option by which a user gives a file that lies elsewhere; for messages.

    Raises
    ------
    VggssError
        If it cannot be had: in one line, with the address and where the file belongs.
    """
    path = weights.path
    if path.is_file():
        return path
    remedy = f"download it elsewhere and put it at {path}, or give it with {way_out}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{PART_PREFIX}{path.name}.lock")
        with only_one(lock, f"{path}: is being downloaded by another process", wait=True):
            if not path.is_file():  # the other process may have been quick
                _download(weights, path)
    except _Broken as error:
        raise VggssError(f"{weights.url}: cannot be downloaded ({error}); {remedy}") from None
    except OSError as error:
        reason = f"{error.strerror or error}"
        raise VggssError(
            f"{path}: cannot be written ({reason}); free the way, or choose another folder with "
            f"{CACHE_VARIABLE}"
        ) from None
    return path


def _download(weights: PublishedWeights, path: Path) -> None:
    """Fetch the file, in a few tries, and give it its name if it is the right one."""
    part = path.with_name(f"{PART_PREFIX}{path.name}")
    fresh = not part.exists()
    for attempt in range(1, TRIES + 1):
        try:
            _continue(weights.url, part)
        except _Broken:
            if attempt == TRIES:
                raise
            continue
        if sha256_of(part).startswith(weights.sha256_start):
            publish(part, path)
            return
        size = part.stat().st_size
        part.unlink()  # going on from it could not help
        if fresh:
            raise _Broken(
                f"{size:,} bytes came whose sha256 does not start with {weights.sha256_start}"
            )
        fresh = True  # the rest was of another file: once more, from the beginning
    raise _Broken("its sha256 does not agree with its name")


def _continue(url: str, part: Path) -> None:
    """Add to ``part`` what it lacks of the file at ``url``."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "vggss-tools"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        # An opener of its own: urlopen keeps the proxies that it met first.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing is left to send: whole, or of another file
            return
        raise _Broken(f"the server answers {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise _Broken(_reason(error)) from None
    with response:
        kind = response.headers.get_content_type()
        if kind in ("text/html", "application/xhtml+xml"):
            raise _Broken("a web page came in its place; is there a login or a proxy between?")
        if response.status != 206:
            have = 0  # the server begins at the beginning
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        _receive(response, part, have, total)


def _receive(response: Any, part: Path, have: int, total: int | None) -> None:
    """Write what comes behind the first ``have`` bytes."""
    label = part.name.removeprefix(PART_PREFIX)
    with (
        part.open("ab" if have else "wb") as file,
        progress_bar(label=label, total=total, unit="B", initial=have) as bar,
    ):
        bar.unit_scale = True
        while True:
            try:
                block = response.read(BLOCK)
            except (http.client.HTTPException, OSError) as error:
                raise _Broken(f"{_reason(error)} after {have:,} bytes") from None
            if not block:
                break
            file.write(block)
            have += len(block)
            bar.update(len(block))
    if total is not None and have < total:
        raise _Broken(f"the connection ended after {have:,} of {total:,} bytes")


def _reason(error: Exception) -> str:
    """Say in a few words why the network did not do it."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer in {TIMEOUT_S} s"
    if isinstance(cause, ssl.SSLError):
        return f"no trusted connection: {cause.reason or cause}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return " ".join(str(cause).split()) or type(error).__name__
