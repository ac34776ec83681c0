"""The event log, followed while other processes append to it too."""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from vggss_tools.annotate.consensus import opinions_of
from vggss_tools.annotate.events import AnnotationStage, Decision, Event
from vggss_tools.annotate.fold import ClassState, fold
from vggss_tools.annotate.log import append_events, read_events


class LogFollower:
    """Events by clip and class, read once and then only what was appended.

    Parameters
    ----------
    path : Path
        ``annotations.jsonl``; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._restart()

    def refresh(self) -> set[str]:
        """Read what was appended since; return the clips that it is about.

        Raises
        ------
        InvalidInput
            If a line is not an event.
        """
        try:
            with self.path.open("rb") as log:
                fcntl.flock(log, fcntl.LOCK_SH)  # not in the middle of somebody's append
                if self._is_another(os.fstat(log.fileno())):
                    return self._restart()
                log.seek(self._read)
                data = log.read()
        except FileNotFoundError:
            return self._restart() if self._read else set()
        whole, end, _ = data.rpartition(b"\n")  # a torn line is mended by the next append
        self._read += len(whole + end)
        try:
            new = [Event.from_json(json.loads(line)) for line in whole.split(b"\n") if line.strip()]
        except ValueError:
            return self._restart()  # reads it all again and names the line
        return self._take(new)

    def append(self, event: Event) -> None:
        """Append an event; it is on disk when this returns."""
        append_events(self.path, [event])
        self.refresh()

    def find(self, event_id: str | None) -> Event | None:
        """Return the event of an id, if the log has it."""
        return self._by_id.get(event_id) if event_id else None

    def events(self, clip_id: str, label: str) -> list[Event]:
        """Return the events on one clip and class, in the log's order."""
        return self._events.get((clip_id, label), [])

    def by_reviewer(self, reviewer: str) -> list[Event]:
        """Return one reviewer's events, in the log's order."""
        return self._by_reviewer.get(reviewer, [])

    def state(self, clip_id: str, label: str) -> ClassState | None:
        """Return where a clip stands on a class; None where nothing was said."""
        clip = fold(self.events(clip_id, label)).get(clip_id)
        return clip.classes.get(label) if clip else None

    def answers(self, clip_id: str, label: str) -> dict[str, Event]:
        """Return what each person has answered, by name.

        An event of stage ``manual`` is about boxes: the decision in it is the one that stood, not
        an answer of who moved them.
        """
        events = self.events(clip_id, label)
        clip = fold(e for e in events if e.stage is AnnotationStage.VERIFY).get(clip_id)
        return opinions_of(clip.classes[label]) if clip else {}

    def decision_kept(self, clip_id: str, label: str, reviewer: str) -> Decision:
        """Return the decision of an event that only changes boxes.

        The reviewer's own answer, else ``unseen``: who moves a box has said nothing about the
        class, and the fold keeps the decision that stood.
        """
        own = self.answers(clip_id, label).get(reviewer)
        return own.decision if own is not None else Decision.UNSEEN

    def _is_another(self, now: os.stat_result) -> bool:
        """Whether the file was cut short, or another was put in its place."""
        return now.st_size < self._read or (now.st_dev, now.st_ino) != self._file

    def _restart(self) -> set[str]:
        self._events: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self._by_reviewer: dict[str, list[Event]] = defaultdict(list)
        self._by_id: dict[str, Event] = {}
        self._file: tuple[int, int] | None = None
        data = b""
        try:
            with self.path.open("rb") as log:
                status = os.fstat(log.fileno())
                self._file = (status.st_dev, status.st_ino)
                data = log.read()
        except FileNotFoundError:
            pass
        # Taken before the events are: what is appended in between is read twice and counts once.
        self._read = data.rfind(b"\n") + 1
        events = read_events(self.path)
        return self._take(events)

    def _take(self, events: Iterable[Event]) -> set[str]:
        clips = set()
        for event in events:
            if event.event_id in self._by_id:
                continue  # a merge by concatenation repeats events
            self._by_id[event.event_id] = event
            self._events[event.clip_id, event.label].append(event)
            self._by_reviewer[event.reviewer].append(event)
            clips.add(event.clip_id)
        return clips
