"""Which clips of a split can be learnt from: those that `vggss extract` has finished."""

from __future__ import annotations

from vggss_tools.clips import Clip
from vggss_tools.errors import Incomplete
from vggss_tools.ledger import Ledger
from vggss_tools.workspace import Workspace

NAMED = 3  # missing clips named in a message; the rest are counted


def extracted_clips(workspace: Workspace, split: str) -> tuple[list[Clip], list[Clip]]:
    """Return the clips of a split that are extracted, and those that never can be.

    Raises
    ------
    Incomplete
        If clips are missing that extraction has not given up on.
    """
    clips = workspace.clips(split)
    absent = [clip for clip in clips if not _is_extracted(workspace, clip)]
    if not absent:
        return clips, []
    given_up = _given_up(workspace)
    waiting = [clip.clip_id for clip in absent if clip.clip_id not in given_up]
    if waiting:
        named = ", ".join(waiting[:NAMED]) + (", …" if len(waiting) > NAMED else "")
        raise Incomplete(
            f"{len(waiting)} of {len(clips)} {split} clips have no frame or sound ({named}); "
            f"run `vggss extract --split {split}` first"
        )
    lost = {clip.clip_id for clip in absent}
    return [clip for clip in clips if clip.clip_id not in lost], absent


def _is_extracted(workspace: Workspace, clip: Clip) -> bool:
    paths = (workspace.frame_path(clip.clip_id), workspace.audio_path(clip.clip_id))
    return all(path.is_file() for path in paths)


def _given_up(workspace: Workspace) -> set[str]:
    """Clips whose extraction failed for good."""
    if not workspace.ledger_path.is_file():
        return set()
    with Ledger(workspace.ledger_path) as ledger:
        outcomes = ledger.outcomes("extract")
    return {o.clip_id for o in outcomes if o.final}
