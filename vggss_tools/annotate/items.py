"""From a data directory, or a published file, to items: each clip as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vggss_tools.annotate.errata import Errata, errata_of
from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.fold import ClipState, fold
from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.annotate.frame_sizes import NotAJpeg, jpeg_size
from vggss_tools.annotate.log import read_events, report_on_stderr
from vggss_tools.annotate.vggss_json import Annotations, Entry, RawBox, box_defect
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip
from vggss_tools.errors import InvalidInput
from vggss_tools.workspace import Workspace

PUBLISHED_SPLIT = "test"  # VGG-SS is part of VGG-Sound's test split


class WorkspaceItems(Mapping[str, Item]):
    """The clips of a data directory by id; each item is made when it is asked for.

    An item says how its clip stands on the clip's own class: the event that counts, else the
    kept proposals and nobody's decision. Frame sizes come from the files' headers.

    Parameters
    ----------
    split : str, optional
        Only the clips of this split.
    report : callable
        Told, a line each, of frames that are no JPEG files; their clips have no frame.

    Raises
    ------
    VggssError
        If there are no clips, or none of the split.
    InvalidInput
        If the log or the proposals cannot be read.
    """

    def __init__(
        self,
        workspace: Workspace,
        split: str | None = None,
        *,
        report: Callable[[str], None] = report_on_stderr,
    ) -> None:
        self._workspace = workspace
        self._clips = {clip.clip_id: clip for clip in workspace.clips(split)}
        self._report = report
        self._made: dict[str, Item] = {}
        self.events = read_events(workspace.annotations_log, report=report)
        self.states: dict[str, ClipState] = fold(self.events)
        self._proposed = kept_boxes(workspace.proposals_table)
        self._offsets = workspace.clip_offsets()

    def __getitem__(self, clip_id: str) -> Item:
        made = self._made.get(clip_id)
        if made is None:
            made = self._made[clip_id] = self._item(self._clips[clip_id])
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips)

    def __len__(self) -> int:
        return len(self._clips)

    def proposed(self, clip_id: str) -> tuple[EventBox, ...]:
        """Return the boxes that a clip has before any event."""
        return self._proposed.get(clip_id, ())

    def _item(self, clip: Clip) -> Item:
        state = self.states.get(clip.clip_id)
        own = state.classes.get(clip.label) if state else None
        newest = own.newest if own else None
        frame = _there(self._workspace.frame_path(clip.clip_id))
        width = height = None
        if frame is not None:
            try:
                width, height = jpeg_size(frame)
            except NotAJpeg as error:
                self._report(f"{frame}: {error}; the clip is taken for one without a frame")
                frame = None
        return Item(
            clip_id=clip.clip_id,
            label=clip.label,
            split=clip.split,
            decision=newest.decision if newest else Decision.UNSEEN,
            boxes=newest.boxes if newest else self.proposed(clip.clip_id),
            reviewer=newest.reviewer if newest else None,
            time=newest.time if newest else None,
            event_id=newest.event_id if newest else None,
            width=width,
            height=height,
            frame=frame,
            clip=_there(self._workspace.clip_path(clip.clip_id)),
            audio=_there(self._workspace.audio_path(clip.clip_id)),
            offset=self._offsets.get(clip.clip_id, 0.0),
        )


def kept_boxes(table: Path) -> dict[str, tuple[EventBox, ...]]:
    """Return the boxes that `vggss propose-boxes` kept, by clip; none without a table.

    Raises
    ------
    InvalidInput
        If the table cannot be read.
    """
    if not table.is_file():
        return {}
    from vggss_tools.propose.proposals import by_clip, read_proposals

    kept = [proposal for proposal in read_proposals(table) if proposal.kept]
    return {
        clip_id: tuple(EventBox(proposal.box) for proposal in proposals)
        for clip_id, proposals in by_clip(kept).items()
    }


def published_items(
    annotations: Annotations,
    errata: Errata,
    known: Mapping[str, Item] | None = None,
) -> list[Item]:
    """Return the items of a file of the published format; all its clips were decided: yes.

    Parameters
    ----------
    errata : Errata
        What is left out; nothing where the broken boxes are to be kept, which then are apart from
        the sound ones (``Item.broken``).
    known : mapping, optional
        Clips of a data directory, for their media and frame sizes.

    Raises
    ------
    InvalidInput
        At a broken box that is not documented and not kept, or a clip of another class than here.
    """
    items = []
    for index, entry in enumerate(annotations.entries):
        if entry.file in errata.dropped_clips:
            continue
        here = known.get(entry.file) if known else None
        if here is not None and here.label != entry.label:
            raise InvalidInput(
                f"entry {index}: {entry.file}: class {entry.label!r}, but {here.label!r} in the "
                "data directory; correct one of the two"
            )
        sound, broken = split_broken(entry, errata.dropped_boxes.get(entry.file, ()))
        items.append(
            Item(
                clip_id=entry.file,
                label=entry.label,
                split=here.split if here else PUBLISHED_SPLIT,
                decision=Decision.YES,
                boxes=sound,
                width=here.width if here else None,
                height=here.height if here else None,
                frame=here.frame if here else None,
                clip=here.clip if here else None,
                audio=here.audio if here else None,
                offset=here.offset if here else 0.0,
                # No event of a log, so what comes back is compared with what stands then.
                event_id=f"file:{annotations.sha256[:16]}",
                broken=broken,
            )
        )
    return items


@dataclass(frozen=True, slots=True)
class _Source:
    sources: tuple[str, ...]


def documented_errata(annotations: Annotations) -> Errata:
    """Return the errata of a file that was read, by its checksum."""
    return errata_of(_Source((annotations.sha256,)))


def split_broken(
    entry: Entry, dropped: tuple[int, ...] = ()
) -> tuple[tuple[EventBox, ...], tuple[tuple[int, RawBox], ...]]:
    """Part the boxes of an entry, less the dropped ones, into sound and broken ones.

    The place of a broken box is counted among the boxes that are left.
    """
    left = [box for index, box in enumerate(entry.boxes) if index not in dropped]
    broken = tuple((place, box) for place, box in enumerate(left) if box_defect(box))
    return tuple(EventBox(Box(*box)) for box in left if not box_defect(box)), broken


def raw_boxes(item: Item) -> list[RawBox]:
    """Return the sounding boxes with the broken ones in their places, as published."""
    boxes: list[RawBox] = [
        (one.box.xmin, one.box.ymin, one.box.xmax, one.box.ymax)
        for one in item.boxes
        if one.sounding
    ]
    for place, box in item.broken:
        boxes.insert(place, box)
    return boxes


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
