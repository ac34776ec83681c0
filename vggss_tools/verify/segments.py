"""The five seconds round each frame, with their sound, cut once and kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vggss_tools.annotate.formats.exchange import SEGMENT_SECONDS, Item
from vggss_tools.errors import ClipFailure
from vggss_tools.progress import track
from vggss_tools.workspace import Workspace

# What fits beside the panel; a reviewer's screen shows no more of a 1080p clip.
MAX_HEIGHT = 480


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment on disk.

    Attributes
    ----------
    path : Path
    frame_at : float
        Seconds into the segment at which the frame stands.
    """

    path: Path
    frame_at: float


def segment_path(workspace: Workspace, clip_id: str) -> Path:
    """Return where a clip's segment lies."""
    return workspace.root / "verify" / "segments" / f"{clip_id}.mp4"


def segment_of(workspace: Workspace, item: Item) -> Segment:
    """Return a clip's segment, which may have to be cut yet."""
    start = max(item.frame_time - SEGMENT_SECONDS / 2, 0.0)
    return Segment(segment_path(workspace, item.clip_id), item.frame_time - start)


def cut_segments(
    workspace: Workspace, items: Iterable[Item], *, workers: int | None = None
) -> tuple[int, dict[str, ClipFailure]]:
    """Cut the segments that are missing or older than their clip.

    Returns
    -------
    tuple
        How many were cut now, and the clips that could not be cut.

    Raises
    ------
    ClipFailure
        Where the next clip would fail in the same way, such as on a full disk.
    """
    stale = [item for item in items if item.clip is not None and _is_stale(workspace, item)]
    failed: dict[str, ClipFailure] = {}
    # ffmpeg does the work in processes of its own, so threads are enough here.
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        outcomes = pool.map(lambda item: _cut(workspace, item), stale)
        try:
            for item, failure in zip(stale, _shown(outcomes, len(stale)), strict=True):
                if failure is not None:
                    failed[item.clip_id] = failure
        except BaseException:  # Ctrl-C too: what is not begun is not begun any more; it goes on
            pool.shutdown(cancel_futures=True)
            raise
    return len(stale) - len(failed), failed


def _shown(outcomes: Iterator[ClipFailure | None], total: int) -> Iterable[ClipFailure | None]:
    return track(outcomes, "cutting segments", total)


def _is_stale(workspace: Workspace, item: Item) -> bool:
    path = segment_path(workspace, item.clip_id)
    assert item.clip is not None
    try:
        return path.stat().st_mtime_ns < item.clip.stat().st_mtime_ns
    except FileNotFoundError:
        return True


def _cut(workspace: Workspace, item: Item) -> ClipFailure | None:
    from vggss_tools.media.segment import cut_segment

    assert item.clip is not None
    start = item.offset + max(item.frame_time - SEGMENT_SECONDS / 2, 0.0)
    target = segment_path(workspace, item.clip_id)
    try:
        cut_segment(item.clip, target, start, SEGMENT_SECONDS, height=MAX_HEIGHT)
    except ClipFailure as failure:
        if failure.kind.fatal:
            raise
        return failure
    return None
