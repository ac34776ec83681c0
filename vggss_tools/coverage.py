"""How much of a list of clips there is: what is here, what can still be had, what is gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vggss_tools.clips import Clip
from vggss_tools.errors import Action, FailureKind

# Where a clip without its file stands.
NOT_TRIED = "not_tried"
LOST_HERE = "lost_here"  # fetched once, but the file was removed
_STATES = {
    Action.RETRY: "transient",
    Action.STOP: "transient",  # the cause was this machine's
    Action.PAUSE: "blocked",
    Action.GIVE_UP: "gone_for_good",
    Action.REPLACE: "gone_for_good",
}
CAN_BE_HAD = (NOT_TRIED, "transient", "blocked", LOST_HERE)


def coverage(
    clips: Iterable[Clip], has_video: Callable[[str], bool], fetched: Mapping[str, str | None]
) -> dict[str, Any]:
    """Count clips by where they stand.

    Parameters
    ----------
    has_video : callable
        Whether a clip's file is there, whoever put it there.
    fetched : dict
        Clip → the kind of failure of its last ``fetch``, None if that was done; clips that were
        never tried are not in it.

    Returns
    -------
    dict
        ``total``, ``splits`` (by split) and ``classes`` (by label); each with ``clips``, ``here``,
        ``can_be_had`` (the sum of ``not_tried``, ``transient``, ``blocked`` and ``lost_here``, the
        files that were removed after they were fetched), ``gone_for_good``, and ``failed``: kind
        of failure → clips, of those that are not here.
    """
    states: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    kinds: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    # Counted together first: there are many clips, and few ways in which they differ.
    found = Counter(
        (clip.split, clip.label, _stand(clip.clip_id, has_video, fetched)) for clip in clips
    )
    for (split, label, (state, kind)), count in found.items():
        for group in (("total", ""), ("splits", split), ("classes", label)):
            states[group][state] += count
            if kind is not None:
                kinds[group][kind] += count

    def counts(group: tuple[str, str]) -> dict[str, Any]:
        found = states[group]
        return {
            "clips": found.total(),
            "here": found["here"],
            "can_be_had": sum(found[state] for state in CAN_BE_HAD),
            **{state: found[state] for state in CAN_BE_HAD},
            "gone_for_good": found["gone_for_good"],
            "failed": dict(sorted(kinds[group].items())),
        }

    def grouped(name: str) -> dict[str, Any]:
        return {key: counts((group, key)) for group, key in sorted(states) if group == name}

    return {
        "total": counts(("total", "")),
        "splits": grouped("splits"),
        "classes": grouped("classes"),
    }


def _stand(
    clip_id: str, has_video: Callable[[str], bool], fetched: Mapping[str, str | None]
) -> tuple[str, str | None]:
    if has_video(clip_id):
        return "here", None
    if clip_id not in fetched:
        return NOT_TRIED, None
    kind = fetched[clip_id]
    if kind is None:
        return LOST_HERE, None
    return _STATES[FailureKind(kind).action], kind
