"""Names of reviewers: the one check of what people are called in the log."""

from __future__ import annotations

from collections.abc import Iterable

from vggss_tools.annotate.events import MAX_TEXT, STAND_IN_REVIEWER
from vggss_tools.annotate.json_values import shown
from vggss_tools.errors import WrongUsage


def reviewer_name(text: str) -> str:
    """Return a reviewer's name without the blanks around it.

    Raises
    ------
    WrongUsage
        If it is empty, too long, cannot be printed, or stands for nobody who looked.
    """
    name = text.strip()
    if not name:
        raise WrongUsage("the reviewer's name is empty; give --reviewer NAME")
    if len(name) > MAX_TEXT:
        raise WrongUsage(
            f"reviewer {shown(name)}: {len(name)} characters, more than {MAX_TEXT}; shorten it"
        )
    if not name.isprintable():
        raise WrongUsage(
            f"reviewer {shown(name)}: has a character that cannot be printed; leave it out"
        )
    if name.casefold() == STAND_IN_REVIEWER:
        raise WrongUsage(
            f"reviewer {name}: stands for the boxes of a sample world, which nobody looked at; "
            "give a name of your own"
        )
    return name


def namesake(name: str, known: Iterable[str]) -> str | None:
    """Return a known name that differs from ``name`` only by case; None where it is known itself.

    Two such names are two reviewers, which is seldom meant.
    """
    names = set(known)
    if name in names:
        return None
    return next((one for one in sorted(names) if one.casefold() == name.casefold()), None)
