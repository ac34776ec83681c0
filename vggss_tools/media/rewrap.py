"""A file of another container as an MP4, where that changes nothing that is seen or heard."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame

from vggss_tools.media.packets import Track, all_packets, codec_of
from vggss_tools.media.stream_copy import (
    MP4_CODECS,
    UNSTAMPED_FORMATS,
    WRITE_ERRORS,
    media_failure,
    open_source,
    tracks_of,
    write_packets,
)

MP4_FORMATS = ("mov,mp4",)


def rewrap_as_mp4(path: Path) -> tuple[str, float]:
    """Put the streams of a file into an MP4, in its place, where nothing is lost by it.

    It stays as it is where MP4 cannot hold its streams, or where the MP4 would not give the very
    same packets at the very same times.

    Returns
    -------
    Name of the container that the file has in the end; and the seconds by which a moment of the
    file has become later, as times count from the first timestamp.

    Raises
    ------
    ClipFailure
        Of kind corrupt or no_video.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":  # how every MP4 begins, and nothing else
            return "mp4", 0.0
    with ExitStack() as stack:
        container = open_source(path, stack)
        name = container.format.name
        if name.startswith(MP4_FORMATS):
            return "mp4", 0.0
        as_it_is = name.partition(",")[0], 0.0
        tracks = tracks_of([container])
        if name in UNSTAMPED_FORMATS or not all(codec_of(t) in MP4_CODECS for t in tracks):
            return as_it_is
        whole = path.with_name(f"{path.name}.whole.mp4")
        try:
            packets = all_packets(tracks)
            try:
                write_packets(whole, tracks, packets, Fraction(0))
            except av.error.FFmpegError as error:
                if error.errno in WRITE_ERRORS:
                    raise
                return as_it_is  # MP4 refuses what these packets hold
            shift = _shift(path, whole)
            if shift is None:
                return as_it_is
            whole.replace(path)
        except av.error.FFmpegError as error:
            raise media_failure(error, str(path), path) from None
        finally:
            whole.unlink(missing_ok=True)
    return "mp4", round(float(shift), 6)


def _shift(before: Path, after: Path) -> Fraction | None:
    """Return how much later the same packets are in a copy; None where they are not the same."""
    with ExitStack() as stack:
        old, new = (_shown(path, stack) for path in (before, after))
        if old is None or new is None or [len(t) for _, t in old] != [len(t) for _, t in new]:
            return None
        shift: Fraction | None = None
        for (tick, times), (_, copied) in zip(old, new, strict=True):
            for mine, theirs in zip(times, copied, strict=True):
                later = theirs - mine
                shift = later if shift is None else shift
                if abs(later - shift) > tick:
                    return None
    if shift is None or _first_heard(before, shift) != _first_heard(after, Fraction(0)):
        return None
    return shift


def _first_heard(path: Path, later: Fraction) -> tuple[int, int] | None:
    """Return where the first sound that a decoder hands out begins and ends, in samples.

    Decoders leave out what encoders put before the sound, and containers differ in how exactly
    they say how much that is (Opus in WebM: to the millisecond).
    """
    with ExitStack() as stack:
        for track in tracks_of([open_source(path, stack)])[1:]:
            for frame in track.container.decode(track.stream):
                assert isinstance(frame, AudioFrame)
                rate = int(frame.sample_rate or 1)
                begin = round((track.seconds(frame.pts or 0) + later) * rate)
                return begin, begin + frame.samples
    return None


def _shown(path: Path, stack: ExitStack) -> list[tuple[Fraction, list[Fraction]]] | None:
    """Return when the packets of picture and sound are shown, in seconds from the file's zero.

    With the exactness that is asked of each: none for pictures, a sample for sound. None where a
    packet does not say.
    """
    tracks = tracks_of([open_source(path, stack)])
    times: dict[int, list[Fraction]] = {track.stream.index: [] for track in tracks}
    of = {track.stream.index: track for track in tracks}
    for packet in tracks[0].container.demux([track.stream for track in tracks]):
        if packet.size == 0:
            continue
        if packet.pts is None:
            return None
        times[packet.stream.index].append(of[packet.stream.index].seconds(packet.pts))
    return [
        (_tick_of(track), times[track.stream.index])
        for track in sorted(tracks, key=lambda t: t.stream.type, reverse=True)
    ]


def _tick_of(track: Track) -> Fraction:
    rate = getattr(track.stream, "sample_rate", None)
    return Fraction(1, rate) if rate else Fraction(0)
