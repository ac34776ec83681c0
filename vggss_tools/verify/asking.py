"""Which clips a reviewer is asked about: ``--only``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.fold import ClipState
from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.clips import parse_clip_id
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.verify.tally import people_decisions
from vggss_tools.workspace import Workspace

CLASS_PREFIX = "class:"
CHOICES = ("to-verify", "not-sure", "disagreements", "doubtful")


def doubtful_list(workspace: Workspace) -> Path:
    """Return where ``vggss audit --second-opinion`` puts the clips that it doubts."""
    return workspace.root / "verify" / "doubtful.txt"


def read_doubtful(path: Path) -> dict[str, str]:
    """Read a list of clips: an id a line, then perhaps a tab and a reason; ``#`` is a comment.

    Returns
    -------
    dict
        Clip id -> reason, in the file's order.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        At a line that begins with something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VggssError(
            f"{path}: no list of doubtful clips; make it with `vggss audit --second-opinion`, "
            "or write one clip id a line"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text in UTF-8; correct the file") from None
    doubtful: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        clip_id, _, reason = line.partition("\t")
        clip_id = clip_id.strip()
        if not clip_id or clip_id.startswith("#"):
            continue
        try:
            parse_clip_id(clip_id)
        except ValueError as error:
            raise InvalidInput(f"{path}: line {number}: {error}; correct the file") from None
        doubtful[clip_id] = " ".join(reason.split())[:500]
    return doubtful


def choose(
    only: str | None,
    items: Mapping[str, Item],
    states: Mapping[str, ClipState],
    doubtful: Mapping[str, str],
) -> list[str]:
    """Return the ids of the clips to ask about, in the order of ``items``.

    Parameters
    ----------
    only : str or None
        One of :data:`CHOICES`, ``class:NAME``, or None for all.

    Raises
    ------
    VggssError
        If no clip is chosen; the message says what was looked for.
    """

    def decisions(item: Item) -> dict[str, Decision]:
        state = states.get(item.clip_id)
        return people_decisions(state.classes.get(item.label) if state else None)

    chosen_by: dict[str, Callable[[Item], bool]] = {
        "to-verify": lambda item: not decisions(item),
        "not-sure": lambda item: bool(decisions(item)) and item.decision is Decision.NOT_SURE,
        "disagreements": lambda item: len(set(decisions(item).values())) > 1,
        "doubtful": lambda item: item.clip_id in doubtful,
    }
    if only is None:
        return list(items)
    if only.startswith(CLASS_PREFIX):
        label = only.removeprefix(CLASS_PREFIX)
        chosen = [clip_id for clip_id, item in items.items() if item.label == label]
        if not chosen:
            raise VggssError(f"class {label!r}: no clip of it here; check the class's name")
        return chosen
    chosen = [clip_id for clip_id, item in items.items() if chosen_by[only](item)]
    if not chosen:
        raise VggssError(f"--only {only}: no clip here is so; nothing is left to review")
    return chosen
