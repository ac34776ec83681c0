"""The packets of a part of a video: from a key frame on, with times, and no sound too early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from vggss_tools.errors import ClipFailure, FailureKind

# A decoder of sound needs what came just before: one frame of AAC (23 ms), 80 ms of Opus. An MP4
# hides it by an edit list.
PREROLL_S = Fraction(1, 10)
# Where a container cannot seek to a key frame before a moment, start so much earlier, and again.
EARLIER_S = (0, 5, 15, 60, 600)
# Packets to look ahead for the first time of decoding; encoders reorder up to 16 pictures.
MOST_UNSTAMPED = 64


@dataclass(frozen=True, slots=True)
class Track:
    """One stream that is copied.

    Attributes
    ----------
    start : int
        The file's zero, in the stream's time base.
    """

    container: InputContainer
    stream: Stream
    start: int

    def ticks(self, seconds: Fraction) -> int:
        """Return the first tick that is not before a moment in seconds from the file's zero."""
        assert self.stream.time_base is not None
        return self.start + ceil(seconds / self.stream.time_base)

    def seconds(self, ticks: int) -> Fraction:
        """Return a moment of the stream in seconds from the file's zero."""
        assert self.stream.time_base is not None
        return (ticks - self.start) * self.stream.time_base


def codec_of(track: Track) -> str:
    """Return the name of what a stream is, not of who decodes it (mp3, not mp3float)."""
    return str(track.stream.codec_context.codec.canonical_name)


def from_key_frame(
    video: Track, tracks: list[Track], start: Fraction, end: Fraction | None
) -> tuple[int, Iterator[tuple[Track, Packet]]]:
    """Return the presentation time of the first key frame, and the packets from there on."""
    together = [track for track in tracks if track.container is video.container]
    assert video.stream.time_base is not None
    for earlier in EARLIER_S:
        moment = max(Fraction(0), start - earlier)
        if start > 0:  # a file that was just opened is at its start
            ticks = video.start + int(moment / video.stream.time_base)
            video.container.seek(ticks, backward=True, any_frame=False, stream=video.stream)
        packets = _stamped(video.container.demux([track.stream for track in together]))
        ahead: list[tuple[Track, Packet]] = []  # sound that is stored before the key frame
        key = None
        for packet in packets:
            track = next(t for t in together if t.stream.index == packet.stream.index)
            if track is video and not packet.is_keyframe:
                continue
            if track is video:
                key = packet
                break
            ahead.append((track, packet))
        if key is None:
            continue
        first = decoding_ticks(key) if key.pts is None else key.pts
        zero = video.seconds(first)
        if zero > start and moment > 0:
            continue  # landed after the moment: look further back
        kept = [(t, p) for t, p in ahead if t.seconds(decoding_ticks(p)) >= zero - PREROLL_S]
        rest = _until(packets, together, zero - PREROLL_S, end)
        return first, chain(kept, [(video, key)], rest)
    raise ClipFailure(
        FailureKind.TOO_SHORT, f"{video.container.name}: has no picture at {float(start):g} s"
    )


def all_packets(tracks: list[Track]) -> Iterator[tuple[Track, Packet]]:
    """Yield every packet of a file that was just opened."""
    by_index = {track.stream.index: track for track in tracks}
    for packet in _stamped(tracks[0].container.demux([track.stream for track in tracks])):
        yield by_index[packet.stream.index], packet


def packets_between(
    tracks: list[Track], start: Fraction, end: Fraction
) -> Iterator[tuple[Track, Packet]]:
    """Yield the packets of a file of its own, between two moments."""
    (track,) = tracks
    assert track.stream.time_base is not None
    ticks = track.start + int(max(Fraction(0), start) / track.stream.time_base)
    track.container.seek(ticks, backward=True, any_frame=False, stream=track.stream)
    yield from _until(_stamped(track.container.demux([track.stream])), tracks, start, end)


def _until(
    packets: Iterator[Packet], tracks: list[Track], start: Fraction, end: Fraction | None
) -> Iterator[tuple[Track, Packet]]:
    """Yield packets until each track has passed the end; sound only from ``start`` on."""
    open_tracks = {track.stream.index for track in tracks}
    # In whole ticks, because this is asked of every packet.
    limits = {
        track.stream.index: (
            track,
            track.ticks(start) if track.stream.type == "audio" else None,
            None if end is None else track.ticks(end),
        )
        for track in tracks
    }
    for packet in packets:
        track, first, last = limits[packet.stream.index]
        ticks = decoding_ticks(packet)
        if last is not None and ticks >= last:
            open_tracks.discard(packet.stream.index)
            if not open_tracks:
                return
        elif first is None or ticks >= first:
            yield track, packet


def _stamped(packets: Iterator[Packet]) -> Iterator[Packet]:
    """Give each packet its time of decoding; Matroska does not say it of the first pictures."""
    waiting: list[Packet] = []
    unstamped: set[int] = set()
    for packet in packets:
        if packet.pts is None and packet.dts is None:
            continue  # the demuxer's last words
        waiting.append(packet)
        if packet.dts is None:
            unstamped.add(packet.stream.index)
        else:
            unstamped.discard(packet.stream.index)
        if unstamped and len(waiting) < MOST_UNSTAMPED:
            continue
        following: dict[int, int] = {}
        for one in reversed(waiting):
            index = one.stream.index
            if one.dts is None:
                one.dts = following[index] - _duration(one) if index in following else one.pts
            following[index] = decoding_ticks(one)
        yield from waiting
        waiting.clear()
        unstamped.clear()
    for packet in waiting:
        packet.dts = packet.pts if packet.dts is None else packet.dts
        yield packet


def _duration(packet: Packet) -> int:
    """Return how long a picture is shown, in ticks."""
    rate = packet.stream.average_rate  # type: ignore[attr-defined]
    return packet.duration or max(round(1 / (rate * packet.time_base)) if rate else 1, 1)


def decoding_ticks(packet: Packet) -> int:
    """Return when a packet is decoded, in its time base."""
    assert packet.dts is not None
    return packet.dts
