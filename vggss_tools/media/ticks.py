"""Places in an extraction of so many frames a second, such as the benchmark's frame 125.

VGG-SS was annotated on the files that ``ffmpeg -i CLIP -vf fps=25 %03d.jpg`` numbers 125, which is
index 124, t = 4.96 s, and not the exact centre. Most sources are not of 25 fps: which of their
frames a tick shows is in :mod:`vggss_tools.media.frames`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from vggss_tools.clips import CLIP_SECONDS

EXTRACTION_FPS = 25
FRAME_NUMBER = 125  # 1-based, as the benchmark's authors numbered the files
FRAME_TIME = (FRAME_NUMBER - 1) / EXTRACTION_FPS  # 4.96 s


@dataclass(frozen=True, slots=True)
class Tick:
    """One place in an extraction of ``fps`` frames a second.

    Attributes
    ----------
    index : int
        0 for the first; ``ffmpeg`` numbers its file ``index + 1``.
    fps : Fraction
        Frames a second of the extraction, not of the clip.
    offset : Fraction
        Seconds from the file's first timestamp at which the extraction begins.
    """

    index: int
    fps: Fraction = Fraction(EXTRACTION_FPS)
    offset: Fraction = Fraction(0)

    @property
    def end(self) -> Fraction:
        """Seconds from the file's first timestamp; a frame from then on is a later tick's."""
        return (self.index + Fraction(1, 2)) / self.fps + self.offset

    @property
    def time(self) -> float:
        """Seconds from the file's first timestamp, for messages."""
        return float(self.index / self.fps + self.offset)


def tick_at(time: float, offset: float = 0.0) -> Tick:
    """Return the tick nearest to ``time`` seconds after ``offset``."""
    if time < 0:
        raise ValueError(f"time {time} lies before the clip")
    return Tick(round(time * EXTRACTION_FPS), offset=_microseconds(offset))


def _microseconds(seconds: float) -> Fraction:
    return Fraction(round(seconds * 1_000_000), 1_000_000)


def middle_ticks(count: int, fps: Fraction, offset: float = 0.0) -> list[Tick]:
    """Return the middle ``count`` of the ticks that ten seconds have at ``fps``.

    One tick at 25 frames a second is thus the benchmark's. Of an odd number left over, the one
    more comes after them.

    Raises
    ------
    ValueError
        Where ten seconds do not have so many.
    """
    there = floor(Fraction(CLIP_SECONDS) * fps)
    if not 1 <= count <= there:
        raise ValueError(f"ten seconds have {there} frames at {float(fps):g} a second, not {count}")
    first = (there - count) // 2
    start = _microseconds(offset)
    return [Tick(index, fps, start) for index in range(first, first + count)]
