"""Width and height of a JPEG file, upright, from its header alone.

Only the markers before the picture are read: ITU-T T.81 (B.2.2: frame header), and the tag
``Orientation`` (0x0112) of EXIF. Browsers, FiftyOne, OpenCV and VIA show a picture turned as that
tag says, so boxes are fractions of the turned picture.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

# SOF markers; C4, C8 and CC lie between them and are tables.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_ORIENTATION = 0x0112
_ON_ITS_SIDE = {5, 6, 7, 8}
_EXIF = b"Exif\x00\x00"


class NotAJpeg(ValueError):
    """A file without a JPEG header that says its size."""


def jpeg_size(path: Path) -> tuple[int, int]:
    """Return width and height of the picture as it is shown.

    Raises
    ------
    NotAJpeg
        With the cause.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            raise NotAJpeg("not a JPEG file")
        turned = False
        while True:
            marker = _next_marker(file)
            if marker in _ALONE:
                continue
            length = int.from_bytes(_exactly(file, 2))
            if length < 2 or marker == 0xDA:
                raise NotAJpeg("its header does not say a size")
            if marker in _FRAMES:
                _, height, width = struct.unpack(">BHH", _exactly(file, 5))
                if not width or not height:
                    raise NotAJpeg("its header does not say a size")
                return (height, width) if turned else (width, height)
            if marker == 0xE1:
                segment = _exactly(file, length - 2)
                if segment.startswith(_EXIF):
                    turned = _orientation(segment[len(_EXIF) :]) in _ON_ITS_SIDE
            else:
                file.seek(length - 2, 1)


def _next_marker(file: BinaryIO) -> int:
    if _exactly(file, 1) != b"\xff":
        raise NotAJpeg("its header is damaged")
    byte = 0xFF
    while byte == 0xFF:  # fill bytes may stand before a marker
        byte = _exactly(file, 1)[0]
    return byte


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise NotAJpeg("it ends within its header")
    return data


def _orientation(tiff: bytes) -> int:
    """Return the tag of the first directory; 1, upright, where there is none or it is damaged."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for index in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION:
                return int(value)
    except (KeyError, struct.error):
        pass
    return 1
