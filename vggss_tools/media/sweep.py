"""One reading of a media file, from which pictures and sound are both taken.

The packets of picture and sound are read once, in the order of the file, and handed to readers
(:class:`~vggss_tools.media.frames.FrameReader`, :class:`~vggss_tools.media.sound.SoundReader`).
Reading packets is cheap; each reader decodes only what it needs.

A clip is read from its beginning, as ``ffmpeg -i`` reads it. Only in a longer video, where the
moment lies minutes in, does reading begin at a key frame before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Protocol

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from vggss_tools.media.probe import open_media, seeks_exactly, start_ticks

# What begins within so many seconds is read from the start of the file: sound decoders draw
# their noise from one sequence (AAC), so that only then every sample is that of the whole file.
FROM_START_S = 30


class Reader(Protocol):
    """Takes what it needs from the packets of one stream."""

    @property
    def stream(self) -> Stream:
        """The stream whose packets it takes."""

    @property
    def begins(self) -> Fraction:
        """Seconds from the file's first timestamp at which it needs the first packet."""

    @property
    def done(self) -> bool:
        """Whether it needs no more packets."""

    @property
    def missed(self) -> bool:
        """Whether the first packet that it got lies after the first that it needs."""

    def start(self, container: InputContainer) -> None:
        """Forget everything and choose the stream."""

    def take(self, packet: Packet[Stream]) -> None:
        """Take the next packet of its stream; an empty one says that the stream has ended."""

    def finish(self) -> None:
        """Decode what is left, while the file is open."""


def sweep(container: InputContainer, readers: Sequence[Reader]) -> None:
    """Read a container that was just opened, until every reader has what it needs.

    Raises
    ------
    ClipFailure
        As the readers do.
    """
    for reader in readers:
        reader.start(container)
    if not _jump(container, readers):
        _read(container, readers)
    elif not _read(container, readers, jumped=True):
        # A broken index led to a place after the moment: from the start of the file, then.
        with open_media(container.name) as again:
            for reader in readers:
                reader.start(again)
            _read(again, readers)


def _jump(container: InputContainer, readers: Sequence[Reader]) -> bool:
    """Go to a key frame before all that is needed, where that is far; whether it was done."""
    begins = min(reader.begins for reader in readers)
    if begins <= FROM_START_S or not seeks_exactly(container):
        return False
    stream = readers[0].stream  # the picture's, if there is one: it is the one with key frames
    if stream.time_base is None:
        return False
    target = floor(begins / stream.time_base) + start_ticks(container, stream)
    try:
        container.seek(target, stream=stream, backward=True)
    except av.error.FFmpegError:
        return False  # nothing has moved
    return True


def _read(container: InputContainer, readers: Sequence[Reader], *, jumped: bool = False) -> bool:
    """Hand out packets; False where a jump went too far."""
    by_stream = {reader.stream.index: reader for reader in readers}
    for packet in container.demux([reader.stream for reader in readers]):
        reader = by_stream.get(packet.stream_index)
        if reader is None:
            continue  # at the end of a file, every stream says so
        if not reader.done:
            reader.take(packet)
        if jumped and reader.missed:
            return False
        if reader.done and all(other.done for other in readers):
            break
    for reader in readers:
        reader.finish()
    return True
