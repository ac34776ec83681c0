"""The source that ``--source`` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from vggss_tools.clips import Clip
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.fetch.archive import ArchiveSource
from vggss_tools.fetch.directory import DirectorySource, LinkMode
from vggss_tools.fetch.pacing import YOUTUBE_PER_HOUR
from vggss_tools.fetch.source import Source

NAMES = ("youtube", "mirror", "dir", "archive")
LINK_MODES: tuple[str, ...] = get_args(LinkMode)


def open_source(
    text: str,
    clips: Sequence[Clip],
    *,
    link: LinkMode = "auto",
    cookies: Path | None = None,
    proxy: str | None = None,
) -> Source:
    """Return the source of ``youtube``, ``mirror:TEMPLATE``, ``dir:PATH`` or ``archive:PATH``.

    Raises
    ------
    VggssError
        If there is no such source, or its folder, archive, template or cookie file is no good.
    """
    name, colon, where = text.partition(":")
    if name not in NAMES or bool(where) is (name == "youtube") or (colon and not where):
        raise VggssError(
            f"--source {text!r}: no such source; give youtube, mirror:URL-TEMPLATE, dir:PATH or "
            "archive:PATH"
        )
    if name == "dir":
        return DirectorySource(Path(where), clips, link)
    if name == "archive":
        return ArchiveSource(where, clips)
    jar = None if cookies is None else read_cookies(cookies)
    if name == "mirror":
        from vggss_tools.fetch.mirror import MirrorSource

        return MirrorSource(where, proxy=proxy, cookies=jar)
    from vggss_tools.fetch.youtube import YouTubeSource

    return YouTubeSource(proxy=proxy, cookies=jar)


def default_rate(source: Source) -> float | None:
    """Return the clips an hour that a source may be asked for; None: as quick as it answers."""
    return YOUTUBE_PER_HOUR if source.name == "youtube" else None


def read_cookies(path: Path) -> str:
    """Return the text of a cookie file in the format of Netscape, as browsers' extensions write.

    The file itself is never written to: whoever uses cookies has a copy of the own.

    Raises
    ------
    VggssError
        If it cannot be read.
    InvalidInput
        If it is no such file; nothing of it is said.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give --cookies a file of cookies") from None
    except OSError as error:
        raise not_readable(path, error) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text file; {_COOKIES_REMEDY}") from None
    rows = [
        line
        for line in text.splitlines()
        if line.strip() and (not line.startswith("#") or line.startswith("#HttpOnly_"))
    ]
    if not rows or any(line.count("\t") != 6 for line in rows):
        raise InvalidInput(f"{path}: not a file of cookies; {_COOKIES_REMEDY}")
    return text


_COOKIES_REMEDY = "export one in the Netscape format (seven columns, tabs between them)"
