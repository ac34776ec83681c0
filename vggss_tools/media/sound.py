"""A span of a file's sound, decoded packet by packet: placed in time, mixed to mono, resampled."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.probe import (
    MICROSECOND,
    NotAsDeclared,
    audio_stream,
    seeks_exactly,
    start_ticks,
)
from vggss_tools.media.samples import as_float
from vggss_tools.media.sweep import FROM_START_S

# Decoding starts this long before the segment: the first frames after a seek are not whole (AAC
# overlaps two frames of 23 ms, MP3 reaches back up to 9 of 26 ms, Opus asks for 80 ms), and the
# resampler's filter needs neighbours.
LEAD_S = Fraction(1, 2)
# A gap beyond this is a broken timestamp, where the file does not say how long it is.
LONGEST_GAP_S = 600
# So many samples are resampled at once: a long film must not lie in memory as a whole.
BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Span:
    """Which sound: ``seconds`` round ``centre``, or from the file's start to the sound's end.

    Attributes
    ----------
    seconds : float or None
        Length; None for the whole sound, to which ``centre`` and ``offset`` mean nothing.
    rate : int
        Samples per second, in hertz.
    centre : float
        Middle of the segment, in seconds from ``offset``.
    offset : float
        Seconds from the file's first timestamp at which the clip begins.
    """

    seconds: float | None
    rate: int
    centre: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.seconds is not None and self.length < 1:
            raise ValueError(f"{self.seconds} s at {self.rate} Hz hold no sample")

    @property
    def first(self) -> int:
        """First sample at ``rate``; may lie before the file."""
        if self.seconds is None:
            return 0
        return round((self.centre + self.offset - self.seconds / 2) * self.rate)

    @property
    def length(self) -> int:
        """Samples of a segment."""
        return round((self.seconds or 0) * self.rate)


class SoundReader:
    """Takes a span of the sound from its packets.

    Attributes
    ----------
    samples : float32 array of shape (n,)
        After :meth:`finish`: mono, at the span's rate, full scale ±1.
    source : float32 array of shape (channels, n)
        With ``keep_source``: what was decoded for it, at the file's own rate, before mixing and
        resampling; the first sample is number ``source_begin`` of the file.
    """

    def __init__(self, span: Span, *, keep_source: bool = False, hasty: bool = False) -> None:
        self._hasty = hasty
        self.span = span
        self._keep_source = keep_source

    @property
    def begins(self) -> Fraction:
        """Seconds: so much before the span that decoders and the resampler have settled."""
        return max(Fraction(self.span.first, self.span.rate) - 2 * LEAD_S, Fraction(0))

    def start(self, container: InputContainer) -> None:
        """Choose the stream and lay out the timeline.

        The timeline counts samples at the stream's own rate. Its first falls exactly on a sample
        at the span's rate, so that a segment is the same whether or not the whole is resampled.
        """
        span = self.span
        self.stream: AudioStream = audio_stream(container)
        self._name = container.name
        self._source_rate = self.stream.rate
        self._origin = start_ticks(container, self.stream)
        self._end: int | None = None  # no sample from here on is used
        self.source_begin = 0
        if span.seconds is not None:
            grid = self._source_rate // gcd(self._source_rate, span.rate)
            lead_in = Fraction(span.first, span.rate) - LEAD_S
            self.source_begin = floor(lead_in * self._source_rate / grid) * grid
            last = Fraction(span.first + span.length, span.rate) + LEAD_S
            self._end = ceil(last * self._source_rate)
        elif container.duration is not None:
            self._end = ceil((container.duration * MICROSECOND + 1) * self._source_rate)
        time_base = self.stream.time_base or Fraction(1, self._source_rate)
        # Kept as plain numbers: they are asked for at every packet.
        self._samples_per_tick = float(time_base * self._source_rate)
        self._segment_begin = floor(Fraction(span.first, span.rate) * self._source_rate)
        self._segment_end: int | None = None
        if span.seconds is not None:
            end_of_segment = Fraction(span.first + span.length, span.rate)
            self._segment_end = ceil(end_of_segment * self._source_rate)
        self._needed_from: int | None = None  # in the stream's time base; None: from the start
        if self.begins > FROM_START_S and seeks_exactly(container):
            self._needed_from = floor(self.begins / time_base) + self._origin
        self._place: int | None = None  # of the next decoded sample
        self._filled = self.source_begin  # all before it is laid out
        self._covered = False
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._mono: list[NDArray[np.int32]] = []
        self._resampler = AudioResampler(format="s32", layout="mono", rate=span.rate)
        self._to_float: AudioResampler | None = None
        self.done = False
        self.missed = False
        self._source: list[NDArray[np.float32]] = []

    def take(self, packet: Packet[Any]) -> None:
        """Decode a packet and lay its samples where their timestamps say."""
        ends = packet.size == 0 and packet.dts is None and packet.pts is None
        if not ends and (packet.size == 0 or self._too_early(packet)):
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # a broken packet leaves a gap, as in ffmpeg
        for frame in frames:
            if isinstance(frame, AudioFrame):
                self._take_frame(frame)
        self.done |= ends

    def _too_early(self, packet: Packet[Any]) -> bool:
        """Whether a packet lies so far before the span that nothing depends on it."""
        if self._needed_from is None or packet.pts is None:
            return False
        return bool(packet.pts < self._needed_from)

    def _take_frame(self, frame: AudioFrame) -> None:
        if self._hasty and not self._is_usual(frame):  # such as HE-AAC, at twice the rate declared
            raise NotAsDeclared
        if frame.pts is not None:
            at = (frame.pts - self._origin) * self._samples_per_tick
            # Timestamps coarser than a sample jitter; follow on unless there is a real gap.
            if self._place is None or abs(at - self._place) > self._source_rate // 100:
                self._place = round(at)
        place = self._place or 0
        if self._is_usual(frame) and place + frame.samples <= self._filled:
            self._place = place + frame.samples  # before all that is needed
            return
        for samples in self._as_float(frame):
            self._lay(samples, place)
            place += samples.shape[1]
        self._place = place
        self.done = self._end is not None and place >= self._end

    def _is_usual(self, frame: AudioFrame) -> bool:
        """Whether a frame has the stream's own channels and rate."""
        return (
            frame.sample_rate == self._source_rate
            and frame.layout.nb_channels == self.stream.channels
        )

    def _as_float(self, frame: AudioFrame) -> list[NDArray[np.float32]]:
        """Return samples of shape (channels, n) in the stream's own channels and rate."""
        if self._is_usual(frame):
            return [as_float(frame)]
        # The stream changes on its way: bring it back to what it began with.
        if self._to_float is None:
            self._to_float = AudioResampler(
                format="fltp", layout=self.stream.layout, rate=self._source_rate
            )
        return [as_float(piece) for piece in self._to_float.resample(frame)]

    def _lay(self, samples: NDArray[np.float32], place: int) -> None:
        """Put samples on the timeline at ``place``, with silence before them if need be."""
        end = place + samples.shape[1] if self._end is None else self._end
        samples = samples[:, max(self._filled - place, 0) : max(end - place, 0)]
        place = max(place, self._filled)
        if samples.shape[1] == 0:
            return
        gap = place - self._filled
        if self._end is None and gap > LONGEST_GAP_S * self._source_rate:
            raise ClipFailure(
                FailureKind.CORRUPT,
                f"{self._name}: its sound has a gap of {gap / self._source_rate:.0f} s",
            )
        if gap > 0:
            self._append(np.zeros((samples.shape[0], gap), dtype=np.float32))
        self._append(samples)
        before_end = self._segment_end is None or place < self._segment_end
        self._covered |= before_end and self._filled > self._segment_begin

    def _append(self, samples: NDArray[np.float32]) -> None:
        self._filled += samples.shape[1]
        self._waiting.append(samples)
        self._n_waiting += samples.shape[1]
        if self._n_waiting >= BLOCK:
            self._resample()

    def _resample(self) -> None:
        """Mix what is waiting to mono and bring it to the span's rate."""
        if not self._waiting:
            return
        samples = np.concatenate(self._waiting, axis=1)
        self._waiting, self._n_waiting = [], 0
        if self._keep_source:
            self._source.append(samples)
        layout = self.stream.layout.name
        if layout == "stereo":  # what FFmpeg does as well, at half the work
            samples, layout = (samples[:1] + samples[1:]) / np.float32(2), "mono"
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = self._source_rate
        # Into integers, because FFmpeg weighs channels to at most full scale only on the way there.
        self._mono += [piece.to_ndarray()[0] for piece in self._resampler.resample(frame)]

    def finish(self) -> None:
        """Resample what is left, and cut the span out."""
        span = self.span
        if not self._covered:
            where = "at all"
            if span.seconds is not None:
                first, last = span.first / span.rate, (span.first + span.length) / span.rate
                where = f"between {first:.2f} s and {last:.2f} s"
            raise ClipFailure(FailureKind.TOO_SHORT, f"{self._name}: has no sound {where}")
        if span.seconds is not None and self._end is not None and self._filled < self._end:
            missing = (self.stream.channels, self._end - self._filled)
            self._append(np.zeros(missing, dtype=np.float32))
        self._resample()
        self._mono += [piece.to_ndarray()[0] for piece in self._resampler.resample(None)]
        whole = (np.concatenate(self._mono) / 2.0**31).astype(np.float32)
        skip = span.first - self.source_begin * span.rate // self._source_rate
        length = span.length if span.seconds is not None else len(whole)
        self.samples = whole[skip : skip + length].copy()
        self._mono = []

    @property
    def source(self) -> NDArray[np.float32]:
        """What was decoded, before mixing and resampling."""
        return np.concatenate(self._source, axis=1)
