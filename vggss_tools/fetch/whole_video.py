"""Where in a file that people already have a clip begins."""

from __future__ import annotations

from pathlib import Path

from vggss_tools.clips import CLIP_SECONDS
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.names import Held, Holding
from vggss_tools.fetch.source import FetchRequest
from vggss_tools.media.probe import probe

# A cut to ten seconds is at most this much longer or shorter: a few pictures, an audio packet.
SLACK_S = 0.5


def offset_in(path: Path, held: Held, request: FetchRequest, shown: str) -> float:
    """Return the seconds into a file at which the clip's ten seconds start.

    A file with the name of the clip is the clip. A file with the name of the video is the whole
    video if it reaches to the end of the clip; else, if it lasts no longer than a clip and only
    one clip of that video is asked for, it is that clip, cut already.

    Parameters
    ----------
    path : the file, which is opened where its name does not decide
    shown : how messages call it

    Raises
    ------
    ClipFailure
        too_short, if the file is neither; or what is wrong with the file.
    """
    if held.holding is Holding.CLIP or request.start == 0:
        return 0.0
    try:
        duration = probe(path).duration
    except ClipFailure as failure:
        message = failure.message.replace(str(path), shown)
        raise ClipFailure(failure.kind, message) from None
    end = request.start + request.seconds
    if duration is None:
        raise ClipFailure(
            FailureKind.CORRUPT,
            f"{shown}: does not say how long it lasts, so nobody knows whether it is the whole "
            f"video or the clip; name it {request.clip_id} if it is the clip",
        )
    if duration >= end - SLACK_S:
        return request.start
    if held.only and duration <= CLIP_SECONDS + SLACK_S:
        return 0.0
    only = "" if held.only else ", and several clips of the video are asked for"
    raise ClipFailure(
        FailureKind.TOO_SHORT,
        f"{shown}: lasts {duration:.1f} s, which is no whole video that reaches {end:g} s nor one "
        f"clip of {CLIP_SECONDS:g} s{only}; name it {request.clip_id} if it is the clip",
    )
