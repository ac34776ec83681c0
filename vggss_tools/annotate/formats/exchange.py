"""What passes between the event log and a file format: items go out, answers come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.vggss_json import RawBox

# The paper's step 3 shows five seconds round the frame (section 4.1).
SEGMENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Item:
    """One clip as it stands, ready to be shown to a person.

    Attributes
    ----------
    clip_id, label, split : str
    decision : Decision
        As it stands; ``unseen`` where nobody has decided.
    boxes : tuple of EventBox
        Fractions of the frame, y down; before any event, the kept proposals.
    reviewer : str or None
        Whose event stands.
    time : datetime or None
        When it was made.
    width, height : int or None
        Of the frame in pixels, as extracted (upright); None where there is no frame.
    frame, clip, audio : Path or None
        Files that are there.
    offset : float
        Seconds into the file ``clip`` at which the clip's ten seconds begin.
    frame_time : float
        Seconds into the ten seconds at which the frame stands.
    event_id : str or None
        Of the event that stands; None where there is none yet. A format that can hold it gives it
        back as ``Answer.base``, so that what was left as it went out is told from an answer.
    broken : tuple of (int, (xmin, ymin, xmax, ymax))
        Broken boxes of a published file that are kept (``--errata keep``), with their places
        among all boxes. Only formats with ``holds_broken`` write them.
    """

    clip_id: str
    label: str
    split: str
    decision: Decision = Decision.UNSEEN
    boxes: tuple[EventBox, ...] = ()
    reviewer: str | None = None
    time: datetime | None = None
    width: int | None = None
    height: int | None = None
    frame: Path | None = None
    clip: Path | None = None
    audio: Path | None = None
    offset: float = 0.0
    frame_time: float = 4.96
    event_id: str | None = None
    broken: tuple[tuple[int, RawBox], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file says about one clip and class.

    Attributes
    ----------
    where : str
        Place in the file, for people: ``line 12``, ``files[3]``.
    decision : Decision or None
        None where the file says nothing.
    boxes : tuple of EventBox or None
        None where the format or the file holds none.
    reviewer, time : str or None, datetime or None
        Who answered and when, where the file says so itself; never what merely stood when it was
        written (``Item.reviewer``, ``Item.time``), which the file may hold under another name.
    base : str or None
        ``Item.event_id`` as it was written; "" where it was None. None where the file does not
        say: the answer is then compared with what stands today.
    only_sounding : bool
        Whether ``boxes`` has none of the silent ones because the format cannot hold them; those
        that stand are then kept.
    left_out : tuple of str
        What the file says about the clip and is not taken, as documented; one line each.
    """

    where: str
    clip_id: str
    label: str
    decision: Decision | None = None
    boxes: tuple[EventBox, ...] | None = None
    reviewer: str | None = None
    time: datetime | None = None
    base: str | None = None
    only_sounding: bool = False
    left_out: tuple[str, ...] = ()


class Refused(ValueError):
    """A file that is not taken, whole: where in it, which clip, and why."""

    def __init__(self, where: str, cause: str, clip_id: str | None = None) -> None:
        super().__init__(f"{where}: {clip_id}: {cause}" if clip_id else f"{where}: {cause}")
        self.where = where
        self.cause = cause
        self.clip_id = clip_id


class Media(Protocol):
    """How a project refers to its media: a relative path, a URL or the bytes themselves."""

    def frame(self, item: Item, beside: Path) -> str:
        """Return what a project file in the folder ``beside`` says for the item's frame."""

    def clip(self, item: Item, beside: Path) -> str:
        """Return what it says for the item's video (the whole file, sound included)."""

    def audio(self, item: Item, beside: Path) -> str:
        """Return what it says for the item's sound alone."""


class Format(Protocol):
    """One format. Its module has one such object, named ``FORMAT``.

    Attributes
    ----------
    name : str
        As it stands on the command line.
    suffix : str
        Of a file, such as ``.json``; empty for a folder.
    needs : tuple of str
        Fields of ``Item`` without which it cannot be written, such as ``frame``.
    cannot_hold : tuple of str
        What is lost on the way out and back, one short line each.
    precision : float
        Pixels; boxes that come back closer than this to what went out are the same boxes.
    """

    name: str
    suffix: str
    needs: tuple[str, ...]
    cannot_hold: tuple[str, ...]
    precision: float

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write the items to ``path``, which does not exist yet (a file, or a folder)."""

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a file or folder; ``known`` has, by clip id, what may be asked about.

        Raises
        ------
        Refused
            At the first thing that is not as it should be.
        """
