"""Frames of a clip, as an extraction of so many frames a second shows them.

FFmpeg's ``fps`` filter moves every source frame to the nearest tick (halves away from zero), and
each tick shows the last frame at or before it. The same rule is applied here, without converting
anything but the frames that are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.picture import pixels
from vggss_tools.media.probe import (
    NotAsDeclared,
    open_media,
    seeks_exactly,
    start_ticks,
    video_stream,
)
from vggss_tools.media.sweep import sweep
from vggss_tools.media.ticks import FRAME_TIME, Tick, tick_at


def frame_at(
    path: Path | str, time: float = FRAME_TIME, *, offset: float = 0.0
) -> NDArray[np.uint8]:
    """Return the frame that a 25 fps extraction shows at ``time``.

    Parameters
    ----------
    time : float
        Seconds, taken to the nearest 1/25 s.
    offset : float
        Seconds from the file's first timestamp from which ``time`` runs.

    Returns
    -------
    uint8 array of shape (H, W, 3), RGB, row 0 = top.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt, no_video or too_short.
    """
    return frames_at(path, [tick_at(time, offset)])[0]


def frames_at(path: Path | str, ticks: Sequence[Tick]) -> list[NDArray[np.uint8]]:
    """Return one frame for each tick, as :func:`frame_at` does."""
    reader = FrameReader(ticks)
    with open_media(path) as container:
        sweep(container, [reader])
        return [pixels(frame) for frame in reader.frames]


class FrameReader:
    """Takes the frames of some ticks from the packets of the picture.

    Packets are kept, which is cheap, until those that are wanted are known. Then every frame
    before them to which no other refers (in most clips half of them) need not be decoded.

    Attributes
    ----------
    frames : list of VideoFrame
        After :meth:`finish`: the decoded planes, one a tick, neither converted nor turned.
    """

    def __init__(self, ticks: Sequence[Tick], *, hasty: bool = False) -> None:
        self._hasty = hasty
        self._ticks = sorted(ticks, key=lambda tick: tick.end)
        self._order = [self._ticks.index(tick) for tick in ticks]
        self.frames: list[VideoFrame] = []

    @property
    def begins(self) -> Fraction:
        """Seconds: the first tick's."""
        return max(self._ticks[0].end - 1 / self._ticks[0].fps, Fraction(0))

    def start(self, container: InputContainer) -> None:
        """Choose the stream and express the ticks by its clock."""
        self.stream: VideoStream = video_stream(container)
        if self.stream.time_base is None:
            raise ClipFailure(FailureKind.CORRUPT, f"{container.name}: its picture has no clock")
        self._name = container.name
        # AVI and its like know no time of display, and what FFmpeg guesses is not in order.
        self._times_are_sure = seeks_exactly(container)
        origin = start_ticks(container, self.stream)
        # For each tick, the last tick of the stream's clock that rounds to it.
        self._lasts = [ceil(t.end / self.stream.time_base) - 1 + origin for t in self._ticks]
        self._packets: list[Packet[VideoStream]] = []
        self._ended = False
        self.done = False
        self.missed = False
        self.frames = []

    def take(self, packet: Packet[Any]) -> None:
        """Keep a packet; the first that is decoded after the last tick is the last."""
        if packet.size == 0:
            # Without a time too, it ends the stream; else it repeats a frame (Theora).
            self._ended = self.done = packet.dts is None and packet.pts is None
            return
        if not self._packets and packet.pts is not None:
            self.missed = packet.pts > self._lasts[0]
        self._packets.append(packet)
        # Nothing is shown before it is decoded, so no later packet can be shown by then.
        self.done = packet.dts is not None and packet.dts > self._lasts[-1]

    def finish(self) -> None:
        """Decode."""
        chosen = self._decode_needed()
        if chosen is None:
            if self._hasty:
                raise NotAsDeclared
            self.stream.codec_context.flush_buffers()
            chosen = self._decode_all()
        self._packets = []
        self.frames = [chosen[place] for place in self._order]

    def _decode_needed(self) -> list[VideoFrame] | None:
        """Decode only what the frames depend on; None where the file does not lend itself."""
        wanted = self._wanted_times() if self._times_are_sure else None
        runs = None if wanted is None else self._runs(set(wanted))
        if wanted is None or runs is None:
            return None
        context = self.stream.codec_context
        decoded: dict[int | None, VideoFrame] = {}
        try:
            for run in runs:
                frames: list[VideoFrame] = []
                for packet in self._packets[run.start : run.stop]:
                    context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
                    frames += packet.decode()
                frames += context.decode(None)  # hand out what is held back for reordering
                context.flush_buffers()
                decoded.update((frame.pts, frame) for frame in frames if frame.pts in wanted)
        except av.error.FFmpegError:
            return None
        finally:
            context.skip_frame = "DEFAULT"
        if any(time not in decoded for time in wanted):
            return None
        return [decoded[time] for time in wanted]

    def _wanted_times(self) -> list[int] | None:
        """Return the timestamps of the wanted frames, or None where packets do not tell."""
        shown = [packet for packet in self._packets if not packet.is_discard]
        times = sorted(packet.pts for packet in shown if packet.pts is not None)
        if len(times) < len(shown) or len(set(times)) < len(times) or not times:
            return None
        places = np.searchsorted(times, self._lasts, side="right") - 1
        if places[0] < 0:
            return None  # before the first frame
        if self._ended and places[-1] == len(times) - 1:
            return None  # perhaps too short: decoding tells for certain
        return [times[place] for place in places]

    def _runs(self, wanted: set[int]) -> list[range] | None:
        """Return the packets to decode, from key frames to wanted ones; None if there are none."""
        runs: list[range] = []
        for last, packet in enumerate(self._packets):
            if packet.pts is None or packet.pts not in wanted:
                continue
            first = last
            while not (self._is_key(first) and (self._packets[first].pts or 0) <= packet.pts):
                first -= 1
                if first < 0:
                    return None
            if runs and first < runs[-1].stop:
                first = runs.pop().start
            runs.append(range(first, last + 1))
        return runs

    def _is_key(self, place: int) -> bool:
        return bool(self._packets[place].is_keyframe) and self._packets[place].pts is not None

    def _decode_all(self) -> list[VideoFrame]:
        """Decode every frame from the first packet on.

        A picture that begins after a tick gives its first frame: a regular extraction repeats it
        from the beginning of the file.
        """
        chosen: list[VideoFrame] = []
        found: VideoFrame | None = None
        damage = ""  # of the frame found, or of one that it may depend on
        for frame, frame_damage in self._decode_in_turn():
            if frame.pts is None:
                continue
            while len(chosen) < len(self._lasts) and frame.pts > self._lasts[len(chosen)]:
                self._refuse_damage(damage)
                chosen.append(found or frame)
            if len(chosen) == len(self._lasts):
                return chosen
            found, damage = frame, frame_damage
        if found is None or found.pts is None:
            raise ClipFailure(FailureKind.CORRUPT, f"{self._name}: none of its frames decodes")
        self._refuse_damage(damage)
        end = found.pts + self._ticks_shown(found)
        for tick, last in list(zip(self._ticks, self._lasts, strict=True))[len(chosen) :]:
            if end <= last:
                raise ClipFailure(
                    FailureKind.TOO_SHORT,
                    f"{self._name}: its picture ends before {tick.time:.2f} s",
                )
            chosen.append(found)
        return chosen

    def _decode_in_turn(self) -> Iterator[tuple[VideoFrame, str]]:
        """Decode all packets; broken ones are passed over, as in ffmpeg.

        Yields
        ------
        Each frame, and what was wrong since the last key frame, or an empty string.
        """
        damage = ""
        started = False
        for packet in [*self._packets, None]:
            try:
                frames = self.stream.codec_context.decode(packet)
            except av.error.FFmpegError as error:
                # Before the first frame it is only the rest of a scene that begins elsewhere.
                damage = (error.strerror or str(error)) if started else ""
                continue
            for frame in frames:
                damage = "" if frame.key_frame else damage
                started = True
                yield frame, damage

    def _refuse_damage(self, damage: str) -> None:
        if damage:
            raise ClipFailure(
                FailureKind.CORRUPT, f"{self._name}: its picture is damaged ({damage})"
            )

    def _ticks_shown(self, frame: VideoFrame) -> int:
        """Return how long a frame is shown; one average frame where the file does not say."""
        if frame.duration:
            return frame.duration
        if self.stream.average_rate and self.stream.time_base:
            return round(1 / (self.stream.average_rate * self.stream.time_base))
        return 0
