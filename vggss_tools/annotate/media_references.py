"""How a project refers to its media: relative path, copies beside it, a URL, or inside it."""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from vggss_tools.annotate.formats.exchange import Item, Media
from vggss_tools.annotate.formats.registry import COPY, INLINE, RELATIVE, URL
from vggss_tools.errors import VggssError, WrongUsage

# Folders of the data directory, which URLs and copies keep.
FRAMES, CLIPS, AUDIO = "frames", "clips", "audio"
COPIES = "media"

_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4", ".wav": "audio/wav"}


def media_of(text: str) -> Media:
    """Return what ``--media`` says: ``relative``, ``copy``, ``url:PREFIX`` or ``inline``.

    Raises
    ------
    WrongUsage
        At anything else, and at a prefix that is no URL.
    """
    kind, _, prefix = text.partition(":")
    if kind == URL and prefix:
        if urlsplit(prefix).scheme not in ("http", "https"):
            raise WrongUsage(f"--media {text}: the prefix begins with http:// or https://")
        return UrlMedia(prefix if prefix.endswith("/") else prefix + "/")
    plain: dict[str, type[_Media]] = {
        RELATIVE: RelativeMedia,
        COPY: CopiedMedia,
        INLINE: InlineMedia,
    }
    if prefix or kind not in plain:
        raise WrongUsage(f"--media {text}: one of relative, copy, url:PREFIX, inline")
    return plain[kind]()


class _Media:
    """Finds the file; how it is referred to is the subclass's."""

    def frame(self, item: Item, beside: Path) -> str:
        """Return the reference to the frame."""
        return self._refer(_file(item, item.frame, "frame"), FRAMES, beside)

    def clip(self, item: Item, beside: Path) -> str:
        """Return the reference to the video."""
        return self._refer(_file(item, item.clip, "clip"), CLIPS, beside)

    def audio(self, item: Item, beside: Path) -> str:
        """Return the reference to the sound."""
        return self._refer(_file(item, item.audio, "sound"), AUDIO, beside)

    def _refer(self, file: Path, folder: str, beside: Path) -> str:
        raise NotImplementedError


class RelativeMedia(_Media):
    """The path from the project's folder to the file, wherever that lies."""

    def _refer(self, file: Path, folder: str, beside: Path) -> str:
        # Links are resolved, since `..` after a link leads elsewhere.
        return Path(os.path.relpath(file.parent.resolve() / file.name, beside.resolve())).as_posix()


class CopiedMedia(_Media):
    """A copy in ``media/`` beside the project (a hard link where the disk allows it)."""

    def _refer(self, file: Path, folder: str, beside: Path) -> str:
        copy = beside / COPIES / folder / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file.resolve(), copy)
        except FileExistsError:
            if not (copy.is_file() and copy.stat().st_size == file.stat().st_size):
                raise VggssError(
                    f"{copy}: another file of that name is there; choose another --out"
                ) from None
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(file, copy)
        return copy.relative_to(beside).as_posix()


class InlineMedia(_Media):
    """The bytes themselves, as a ``data:`` URL."""

    def _refer(self, file: Path, folder: str, beside: Path) -> str:
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        return f"data:{_TYPES[file.suffix]};base64,{data}"


@dataclass(frozen=True)
class UrlMedia(_Media):
    """A URL: the prefix, then the path in the data directory."""

    prefix: str

    def _refer(self, file: Path, folder: str, beside: Path) -> str:
        return f"{self.prefix}{folder}/{quote(file.name)}"


def _file(item: Item, file: Path | None, what: str) -> Path:
    if file is None:
        raise VggssError(f"{item.clip_id}: it has no {what}; run `vggss extract` or leave it out")
    return file
