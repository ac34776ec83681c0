"""A JSON project that an annotation tool saved: read with care, written as such tools write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.exchange import Answer, Refused
from vggss_tools.annotate.formats.field_checks import read_json
from vggss_tools.annotate.json_values import shown
from vggss_tools.atomic import PART_PREFIX, atomic_path

# The three answers of the paper's step 3 (Appendix B.1), as radio buttons show them.
ANSWERS = {"yes": "Yes", "no": "No", "not_sure": "Not sure"}
SOUNDING = {"yes": "Sounds", "no": "Silent"}


def read_project(path: Path) -> dict[str, Any]:
    """Read the JSON object of a project that strangers may have written.

    Raises
    ------
    Refused
        Where it is none.
    OSError
        Where it cannot be read at all.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise Refused(path.name, f"is {shown(value)}, not a project (a JSON object)")
    return value


def write_project(path: Path, project: dict[str, Any]) -> None:
    """Write a project on one line, as the tools themselves do; whole or not at all."""
    text = json.dumps(project, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with atomic_path(path) as part:
        part.write_text(text + "\n", encoding="utf-8", newline="\n")


def project_name(path: Path, suffix: str = ".json") -> str:
    """Return the name under which a tool shows and saves the project: that of its file."""
    return re.sub(rf"^{re.escape(PART_PREFIX)}[0-9a-f]+-", "", path.name).removesuffix(suffix)


def member(value: dict[str, Any], key: str, kind: type[Any], where: str) -> Any:
    """Return ``value[key]``, which has to be there and of that kind.

    Raises
    ------
    Refused
        Naming the key.
    """
    found = value.get(key)
    if not isinstance(found, kind):
        what = "an object" if kind is dict else "a list" if kind is list else "text"
        raise Refused(where, f"{key} is {shown(found)}, not {what}")
    return found


def radio_decision(value: Any, where: str, clip_id: str) -> Decision | None:
    """Return the answer that a radio button holds; None where nobody chose one."""
    if value is None or value == "":
        return None
    key = value.strip().lower().replace(" ", "_") if isinstance(value, str) else ""
    if key == Decision.UNSEEN:
        return None
    if key not in ANSWERS:
        raise Refused(where, f"decision {shown(value)} is not one of {', '.join(ANSWERS)}", clip_id)
    return Decision(key)


def radio_sounding(value: Any, where: str, clip_id: str) -> bool:
    """Return what a box's radio button says; a box that says nothing sounds."""
    if value is None or value == "" or value == "yes":
        return True
    if value != "no":
        raise Refused(where, f"sounding {shown(value)} is not one of yes, no", clip_id)
    return False


def once_a_clip(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers as a list; refuse a clip that stands there twice."""
    seen: dict[str, Answer] = {}
    for answer in answers:
        earlier = seen.setdefault(answer.clip_id, answer)
        if earlier is not answer:
            raise Refused(answer.where, f"stands there already, as {earlier.where}", answer.clip_id)
    return list(seen.values())


def shared_folder(references: Sequence[str]) -> tuple[str, list[str]]:
    """Split relative references that lie in one folder into that folder and their names.

    Tools know files that a person picks by their bare names, and let the folder be corrected in
    one place. URLs, inlined media and files of several folders stay whole. Paths are quoted,
    since the tools use them as relative URLs.

    Returns
    -------
    str
        The folder, ending in ``/``, or nothing.
    list of str
        A reference each.
    """
    quoted = [text if is_remote(text) else quote(text, safe="/") for text in references]
    folders = {str(PurePosixPath(text).parent) for text in quoted}
    if any(map(is_remote, quoted)) or len(folders) != 1 or folders == {"."}:
        return "", quoted
    return f"{folders.pop().rstrip('/')}/", [PurePosixPath(text).name for text in quoted]


def is_remote(reference: str) -> bool:
    """Whether a reference is a URL, or the bytes themselves, and no path."""
    return reference.startswith(("http://", "https://", "data:"))
