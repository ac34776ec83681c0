"""The five seconds of a file that a person is shown: those round the frame (section 4.1)."""

from __future__ import annotations

from vggss_tools.annotate.formats.exchange import SEGMENT_SECONDS, Item
from vggss_tools.clips import CLIP_SECONDS


def segment_span(item: Item) -> tuple[float, float]:
    """Return where the segment starts and ends, in seconds into the file.

    It has the frame in its middle, and is moved where it would leave the clip's ten seconds.
    """
    start = min(max(item.frame_time - SEGMENT_SECONDS / 2, 0.0), CLIP_SECONDS - SEGMENT_SECONDS)
    start = round(item.offset + start, 6)
    return start, round(start + SEGMENT_SECONDS, 6)


def frame_moment(item: Item) -> float:
    """Return where the frame stands, in seconds into the file."""
    return round(item.offset + item.frame_time, 6)
