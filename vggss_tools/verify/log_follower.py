"""The event log, followed while other processes append to it too."""

from __future__ import annotations

import fcntl
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from vggss_tools.annotate.events import Event
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
                log.seek(0, 2)
                if log.tell() < self._read:
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

    def _restart(self) -> set[str]:
        self._events: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self._by_reviewer: dict[str, list[Event]] = defaultdict(list)
        self._by_id: dict[str, Event] = {}
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
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
