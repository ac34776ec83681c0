"""The size at which a browser shows a clip, in whose pixels VIA 3 counts.

It is the frame's, unless the file says that its pixels are not square. Nearly no file does, and
asking FFmpeg costs a millisecond or two a clip; so an MP4 file is asked first whether it has such
a statement at all, a ``pasp`` box in its index, which takes a hundredth of that.
"""

from __future__ import annotations

from pathlib import Path

from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.annotate.formats.rectangles import Size, size_of
from vggss_tools.errors import ClipFailure

_MAX_INDEX = 64 << 20  # bytes; ten seconds have some ten thousand


def displayed_size(item: Item) -> Size:
    """Return width and height of the clip in a browser.

    A file that cannot be read cannot be shown either, whatever the size; the frame's is taken.
    """
    from vggss_tools.media.probe import probe

    width, height = size_of(item, "export")
    if item.clip is None or has_square_pixels(item.clip):
        return width, height
    try:
        info = probe(item.clip)
    except ClipFailure:
        return width, height
    aspect = info.pixel_aspect
    if (info.width, info.height) == (height, width) and width != height:
        aspect = 1 / aspect  # the file is shown turned
    if aspect >= 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def has_square_pixels(path: Path) -> bool:
    """Whether an MP4 file says of no track that its pixels are not square; False if unknown."""
    try:
        index = _mp4_index(path)
    except OSError:
        return False
    if index is None:
        return False
    at = index.find(b"pasp")
    while at >= 0:
        if index[at + 4 : at + 8] != index[at + 8 : at + 12]:  # horizontal and vertical spacing
            return False
        at = index.find(b"pasp", at + 4)
    return True


def _mp4_index(path: Path) -> bytes | None:
    """Return the ``moov`` box of an MP4 file, or None."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            body = size - 8
            if size == 1:  # the size is 64 bits long and follows
                body = int.from_bytes(file.read(8), "big") - 16
            if not body >= 0 or (kind == b"moov" and body > _MAX_INDEX):
                return None
            if kind == b"moov":
                return file.read(body)
            if not kind.isalnum():
                return None  # no MP4 file
            file.seek(body, 1)
    return None
