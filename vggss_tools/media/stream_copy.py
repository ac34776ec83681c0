"""A part of a video as a file of its own, by copying its packets: nothing is encoded again.

A cut can only start at a key frame, so the part starts at the last one before the moment that is
asked for, and the offset says how far into the new file that moment lies. Times count from the
file's first timestamp, as everywhere here; where picture and sound are two files, each counts from
its own, as ``ffmpeg -i PICTURE -i SOUND`` does. AVI and its like do not say when a reordered
picture (B-frame) is shown; nothing is cut from them.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import IO, Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.packets import (
    PREROLL_S,
    Track,
    codec_of,
    decoding_ticks,
    from_key_frame,
    packets_between,
)
from vggss_tools.media.probe import start_ticks

# They stamp when a picture is decoded, not when it is shown.
UNSTAMPED_FORMATS = ("avi", "asf", "rm")

# What MP4 holds and readers of MP4 know; anything else keeps its own container.
VIDEO_CODECS = frozenset(("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video"))
AUDIO_CODECS = frozenset(("aac", "mp3", "mp2", "opus", "ac3", "eac3", "flac", "alac"))
MP4_CODECS = VIDEO_CODECS | AUDIO_CODECS

WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

Source = Path | IO[bytes] | Any  # a path, or a file that can be read and sought in


class CannotCut(Exception):
    """The times in a file are not exact enough to cut it; take it whole."""


def media_seconds(source: Source) -> float | None:
    """Return how long a file lasts by its own account, in seconds, reading its header only.

    Raises
    ------
    ClipFailure
        Of kind corrupt.
    """
    with ExitStack() as stack:
        container = open_source(source, stack)
        return None if container.duration is None else container.duration / av.time_base


def copy_section(
    sources: Sequence[Source],
    target: Path,
    *,
    start: float,
    seconds: float,
    margin: float = 0.0,
) -> float:
    """Write the section from ``start - margin`` to ``start + seconds + margin``.

    Parameters
    ----------
    sources : sequence of one or two
        The video; or picture and sound apart. Files that are read through a network tell where
        in them the section lies by a method ``want(first_byte, end_byte)``, if they have it.
    target : Path
        MP4 where it can hold the streams, else Matroska, whatever the name's suffix.

    Returns
    -------
    Seconds into ``target`` at which ``start`` lies.

    Raises
    ------
    ClipFailure
        Of kind corrupt, no_video, or too_short where the video ends before ``start``.
    CannotCut
        If only the whole file is exact: AVI, ASF and RealMedia. ``target`` is not written.
    """
    wanted_from = Fraction(max(0.0, start - margin))
    until = Fraction(start + seconds + margin)
    with ExitStack() as stack:
        try:
            containers = [open_source(source, stack) for source in sources]
            tracks = tracks_of(containers)
            lasts = containers[0].duration
            if lasts is not None and lasts / av.time_base <= start:
                raise ClipFailure(
                    FailureKind.TOO_SHORT,
                    f"{_name(sources[0])}: lasts {lasts / av.time_base:.2f} s, and the clip starts "
                    f"at {start:g} s",
                )
            if any(container.format.name in UNSTAMPED_FORMATS for container in containers):
                raise CannotCut(f"{containers[0].format.name} does not say when pictures are shown")
            for source, container in zip(sources, containers, strict=True):
                _announce(
                    source, [t for t in tracks if t.container is container], wanted_from, until
                )
            first, video_packets = from_key_frame(tracks[0], tracks, wanted_from, until)
            zero = min(tracks[0].seconds(first), Fraction(start))
            others = (
                [packets_between(tracks[1:], zero - PREROLL_S, until)]
                if len(containers) > 1
                else []
            )
            packets = merge(
                video_packets, *others, key=lambda pair: pair[0].seconds(decoding_ticks(pair[1]))
            )
            write_packets(target, tracks, packets, zero)
        except av.error.FFmpegError as error:
            raise media_failure(error, _name(sources[0]), target) from None
    return round(float(Fraction(start) - zero) - _first_timestamp(target), 6)


def open_source(source: Source, stack: ExitStack) -> InputContainer:
    """Open a video until the stack ends."""
    try:
        file = str(source.absolute()) if isinstance(source, Path) else source
        return stack.enter_context(av.open(file, "r", metadata_errors="replace"))
    except av.error.FFmpegError as error:
        raise media_failure(error, _name(source)) from None


def media_failure(error: Any, name: str, target: Path | None = None) -> Exception:
    """Return what FFmpeg's error means: a disk that is full, or a source that is no good."""
    reason = (error.strerror or str(error)).rstrip(".")
    if target is not None and error.errno in WRITE_ERRORS:
        return OSError(error.errno, reason, str(target))
    return ClipFailure(FailureKind.CORRUPT, f"{name}: cannot be read ({reason})")


def _name(source: Source) -> str:
    return str(source if isinstance(source, Path) else getattr(source, "name", "the video"))


def tracks_of(containers: Sequence[InputContainer]) -> list[Track]:
    """Return the picture, then the sound if there is one."""
    tracks = []
    for kind in ("video", "audio"):
        for container in containers:
            stream = container.streams.best(kind)  # type: ignore[arg-type]
            if stream is not None and not stream.disposition & av.stream.Disposition.attached_pic:
                tracks.append(Track(container, stream, start_ticks(container, stream)))
                break
        if not tracks:
            raise ClipFailure(FailureKind.NO_VIDEO, f"{containers[0].name}: holds no picture")
    return tracks


def _announce(source: Source, tracks: list[Track], start: Fraction, end: Fraction) -> None:
    """Tell a source which bytes will be read, where the container's index knows."""
    if not hasattr(source, "want"):
        return
    first: int | None = None
    last = 0
    for track in tracks:
        entries = track.stream.index_entries
        begin = _place(entries, track.ticks(start))
        key = next((i for i in range(begin, -1, -1) if entries[i].is_keyframe), None)
        if key is not None and entries[key].timestamp <= track.ticks(start):
            first = entries[key].pos if first is None else min(first, entries[key].pos)
        # One more than is wanted is read, to know that it is the end.
        for i in range(max(begin, 0), min(_place(entries, track.ticks(end)) + 2, len(entries))):
            if entries[i].size:
                last = max(last, entries[i].pos + entries[i].size)
    if first is not None and last > first:
        source.want(first, last)


def _place(entries: Any, ticks: int) -> int:
    """Return the place of the last entry that is not later; -1 where all are."""
    return bisect_right(range(len(entries)), ticks, key=lambda i: int(entries[i].timestamp)) - 1


def _first_timestamp(path: Path) -> float:
    """Return the time that a written file begins with: above 0 where nothing starts at once."""
    with av.open(str(path.absolute())) as container:
        return (container.start_time or 0) / av.time_base


def write_packets(
    target: Path,
    tracks: list[Track],
    packets: Iterator[tuple[Track, Packet]],
    zero: Fraction,
) -> None:
    """Write packets with times that count from ``zero``."""
    fits = all(codec_of(track) in MP4_CODECS for track in tracks)
    options = {"movflags": "+faststart"} if fits else {}
    with av.open(str(target.absolute()), "w", format="mp4" if fits else "matroska",
                 options=options) as output:  # fmt: skip
        copies: dict[int, tuple[Stream, int]] = {}
        for track in tracks:
            copy = output.add_stream_from_template(track.stream, opaque=True)
            copy.time_base = track.stream.time_base
            shift = track.start + round(zero / (track.stream.time_base or Fraction(1)))
            copies[id(track)] = (copy, shift)
        for track, packet in packets:
            copy, shift = copies[id(track)]
            if packet.pts is not None:
                packet.pts -= shift
            if packet.dts is not None:
                packet.dts -= shift
            if not fits and packet.pts is not None and packet.pts < 0:
                continue  # nothing would hide it
            packet.stream = copy
            output.mux(packet)
