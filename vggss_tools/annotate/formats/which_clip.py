"""Which clip an entry of a project is about: by our own mark, else by the name of its media."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from vggss_tools.annotate.formats.exchange import Item, Refused
from vggss_tools.annotate.formats.field_checks import base_of, known_clip
from vggss_tools.annotate.json_values import shown

# Key of our own mark in an entry: the clip, the event that stood, the size boxes were written in.
MARK = "vggss"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+_\d{6}")
_MAX_NAME = 2000  # longer ones are inlined media, or hostile


def mark(item: Item, **more: Any) -> dict[str, Any]:
    """Return what we write into the entry of a clip; tools keep keys that they do not know."""
    return {"clip_id": item.clip_id, "base": item.event_id or "", **more}


def which_item(
    known: Mapping[str, Item], where: str, marked: Any, names: Iterable[Any], label: Any = None
) -> Item:
    """Return the clip that an entry is about.

    Parameters
    ----------
    known : mapping of clip id to Item
    where : place of the entry
    marked : our mark, as it came back; anything but a mark counts as none
    names : names of its media: paths or URLs, whatever folder, host or suffix was given to them
    label : class that the entry names; none where it names none

    Raises
    ------
    Refused
        Where the clip cannot be told, is not known, or is of another class.
    """
    clip_id = marked.get("clip_id") if isinstance(marked, dict) else None
    names = [name for name in names if isinstance(name, str)]
    if clip_id is None:
        clip_id = next((found for name in names if (found := clip_id_in(name, known))), None)
    if clip_id is None:
        said = shown(names[0]) if names else "nothing"
        raise Refused(where, f"cannot tell which clip it is (its media is {said})")
    item = known_clip(clip_id, known, where)
    check_label(item, label, where)
    return item


def check_label(item: Item, label: Any, where: str) -> None:
    """Refuse a class that is not the clip's own."""
    if label is None or label == "":
        return
    if not isinstance(label, str) or item.label not in (label, html.unescape(label)):
        raise Refused(where, f"class {shown(label)} was not asked about", item.clip_id)


def shown_label(label: str) -> str:
    """Return a class as pages may show it that take text for markup, as VIA's do."""
    return html.escape(label, quote=False)


def clip_id_in(name: str, known: Mapping[str, Item]) -> str | None:
    """Return the one known clip that the name of a file or a URL holds, if any."""
    if name.startswith("data:") or len(name) > _MAX_NAME:
        return None
    try:
        path = urlsplit(name).path if "://" in name else name
    except ValueError:
        return None
    file = re.split(r"[/\\]", unquote(path))[-1]
    stem = file.partition(".")[0]
    if stem in known:
        return stem
    # A copy may have words round the id; a YouTube id has 11 characters.
    tokens = _TOKEN.findall(file)
    found = {token for long in tokens for token in (long, long[-18:]) if token in known}
    return found.pop() if len(found) == 1 else None


def marked_base(marked: Any, item: Item, where: str) -> str | None:
    """Return the event that stood when the entry was written; None where it does not say."""
    return base_of(marked.get("base"), where, item.clip_id) if isinstance(marked, dict) else None
