"""The official lists of VGG-Sound and VGG-SS, kept in ``lists/`` of a data directory.

Three are known to the last byte, so their checksums are pinned. ``vggsound.csv`` is not: it is
looked at (four columns, 309 classes, about 200,000 rows), and its checksum is recorded when it
first comes, so that a later one that differs is noticed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.atomic import atomic_path, write_json_atomic
from vggss_tools.checksums import sha256_of
from vggss_tools.errors import Incomplete, InvalidInput, VggssError, not_readable
from vggss_tools.fetch.vggsound_csv import check_vggsound
from vggss_tools.ledger import now
from vggss_tools.locks import only_one
from vggss_tools.workspace import Workspace

RECORD_SCHEMA = "vggss-lists/1"
TIMEOUT_S = 60
MAX_BYTES = 1 << 27  # the largest, vggsound.csv, has about 8 MB

# Commits of the authors' repositories, so that the addresses go on meaning the same bytes.
_VGGSOUND = "https://raw.githubusercontent.com/hche11/VGGSound/9bbc7491c054a203e53584c0065df336e1322bb7/data"
_VGGSS = (
    "https://raw.githubusercontent.com/hche11/Localizing-Visual-Sounds-the-Hard-Way/"
    "8fe8cbbf810e804cf8cc9b244bb5d77ec8aa8315/metadata"
)


@dataclass(frozen=True, slots=True)
class OfficialList:
    """One list.

    Attributes
    ----------
    name : str
        Of the file.
    folder : str
        Address of the folder that it is published in.
    sha256 : str or None
        Of the published bytes; None where they are not known beforehand.
    rows : int or None
        Clips in it.
    """

    name: str
    folder: str
    sha256: str | None
    rows: int | None

    @property
    def url(self) -> str:
        """Where the authors publish it."""
        return f"{self.folder}/{self.name}"


LISTS = (
    OfficialList("vggsound.csv", _VGGSOUND, None, None),
    OfficialList(
        "test.csv",
        _VGGSOUND,
        "0b2215dc3786fbb223aa06a2162491099d89cf080ac31b16bb3a72368fbaa24d",
        15_446,
    ),
    OfficialList(
        "vggss.json",
        _VGGSS,
        "ae300b4a259267e6fe839970d495862edd70bfe3da63d925bcdb34054ed3b15e",
        5_158,
    ),
    OfficialList(
        "vggss_test.csv",
        _VGGSS,
        "971081929d45caf21a148a6ca968822d96e8316331d0cc0bafb1783acb4d2c35",
        5_158,
    ),
)


def lists_folder(workspace: Workspace) -> Path:
    """Return where the lists of a data directory lie."""
    return workspace.root / "lists"


def list_path(workspace: Workspace, name: str) -> Path | None:
    """Return the path of a list, or None where it was not fetched."""
    path = lists_folder(workspace) / name
    return path if path.is_file() else None


def fetch_lists(
    workspace: Workspace,
    source: str | None = None,
    proxy: str | None = None,
    *,
    needed: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Get the lists that are not there yet, check them, and record what came.

    Parameters
    ----------
    source : str, optional
        A folder, or the address of one, in which files of these names lie; default: where their
        authors publish them.
    proxy : str, optional
        Address of a proxy; default: as the environment says.
    needed : str, optional
        The list that is needed now; what is wrong with the others is said, and no error.
    say : callable
        Told what is wrong with lists that are not needed, one line each.

    Returns
    -------
    One object a list that is there: name, path, rows, bytes, sha256, pinned, and whether it was
    ``fetched`` now.

    Raises
    ------
    Incomplete
        If one that is needed cannot be had; the others are kept.
    InvalidInput
        If one that is needed is not what it should be; it is not kept, and the others are.
    """
    folder = lists_folder(workspace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VggssError(f"{folder}: cannot be made ({error.strerror}); check its rights") from None
    missing: list[str] = []
    wrong: list[str] = []
    results = []
    with only_one(folder / ".lock", f"{folder}: another process fetches them", wait=True):
        record = _read_record(folder / "lists.json")
        for wanted in LISTS:
            known = record.get(wanted.name)
            path = folder / wanted.name
            expected = wanted.sha256 or (known or {}).get("sha256")
            if path.is_file() and expected == sha256_of(path):
                results.append(_result(wanted, path, known or {}, fetched=False))
                continue
            by_hand = path.is_file() and wanted.sha256 is None and known is None
            try:
                if by_hand:
                    data, where = path.read_bytes(), str(path)
                else:
                    data, where = _get(wanted, source, proxy)
                rows = _check(wanted, data, where, known)
            except (_Missing, InvalidInput) as error:
                refused = isinstance(error, InvalidInput)
                text = error.message if isinstance(error, InvalidInput) else str(error)
                if needed in (None, wanted.name):
                    (wrong if refused else missing).append(text)
                else:
                    say(f"{text}; not needed now")
                continue
            if not by_hand:
                with atomic_path(path) as part:
                    part.write_bytes(data)
            record[wanted.name] = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "rows": rows,
                "from": where,
                "time": now(),
            }
            write_json_atomic(folder / "lists.json", {"schema": RECORD_SCHEMA, "files": record})
            results.append(_result(wanted, path, record[wanted.name], fetched=not by_hand))
    if wrong:
        raise InvalidInput("; ".join([*wrong, *missing]))
    if missing:
        raise Incomplete(
            f"{'; '.join(missing)}; try again, or give --lists-from DIR or URL, where they lie"
        )
    return results


def _result(
    wanted: OfficialList, path: Path, known: dict[str, Any], *, fetched: bool
) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "path": str(path),
        "rows": known.get("rows", wanted.rows),
        "bytes": path.stat().st_size,
        "sha256": wanted.sha256 or known.get("sha256"),
        "pinned": wanted.sha256 is not None,
        "fetched": fetched,
    }


def _read_record(path: Path) -> dict[str, dict[str, Any]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        files = record["files"]
        if record["schema"] != RECORD_SCHEMA or not isinstance(files, dict):
            raise ValueError("another schema")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise not_readable(path, error) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{path}: not a record of lists ({error}); remove it to have the lists recorded anew"
        ) from None
    return files


def _check(wanted: OfficialList, data: bytes, where: str, known: dict[str, Any] | None) -> int:
    """Return the number of clips in a list, or refuse it."""
    digest = hashlib.sha256(data).hexdigest()
    if wanted.sha256 is not None:
        if digest != wanted.sha256:
            raise InvalidInput(
                f"{where}: {len(data):,} bytes whose sha256 starts with {digest[:12]} and not with "
                f"{wanted.sha256[:12]}, so it is not the published {wanted.name}; get it elsewhere "
                "and give --lists-from"
            )
        return wanted.rows or 0
    rows = check_vggsound(data, where)
    if known is not None and known.get("sha256") != digest:
        raise InvalidInput(
            f"{where}: differs from the {wanted.name} that was recorded on {known.get('time')} "
            f"(sha256 {str(known.get('sha256'))[:12]}, now {digest[:12]}); "
            "remove lists/lists.json if the new one is the right one"
        )
    return rows


class _Missing(Exception):
    """One list cannot be had."""


def _get(wanted: OfficialList, source: str | None, proxy: str | None) -> tuple[bytes, str]:
    """Return a list's bytes and where they come from."""
    if source is None:
        return _download(wanted.url, proxy), wanted.url
    if "://" in source:
        url = f"{source.rstrip('/')}/{wanted.name}"
        return _download(url, proxy), url
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise VggssError(f"{source}: no such folder; give --lists-from a folder or an address")
    found = sorted(folder.rglob(wanted.name))
    if not found:
        raise _Missing(f"{wanted.name}: not in {source}")
    try:
        # Other lists are called test.csv too: the checksum tells which one is meant.
        paths = [p for p in found if wanted.sha256 in (None, sha256_of(p))] or found
        return paths[0].read_bytes(), str(paths[0])
    except OSError as error:
        raise not_readable(paths[0] if found else folder, error) from None


def _download(url: str, proxy: str | None) -> bytes:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise VggssError(f"{url}: not an http or https address; give --lists-from another")
    handlers = (
        [] if proxy is None else [urllib.request.ProxyHandler({"http": proxy, "https": proxy})]
    )
    request = urllib.request.Request(url, headers={"User-Agent": "vggss-tools"})
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as response:
            data: bytes = response.read(MAX_BYTES + 1)
            length = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        error.close()
        raise _Missing(f"{url}: the server answers {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        text = getattr(cause, "strerror", None) or " ".join(str(cause).split())
        raise _Missing(f"{url}: cannot be reached ({text or type(cause).__name__})") from None
    if len(data) > MAX_BYTES or (length and length.isdigit() and int(length) != len(data)):
        raise _Missing(f"{url}: {len(data):,} bytes came, which is not the whole file")
    return data
