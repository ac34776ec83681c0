"""FiftyOne's data set, told of each answer; the log comes first and does not wait for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from vggss_tools.annotate.events import Event
from vggss_tools.annotate.fold import ClassState
from vggss_tools.errors import VggssError
from vggss_tools.verify.log_follower import LogFollower
from vggss_tools.verify.session_file import Question

PATIENCE_S = 1.0  # for the database, where a person waits
PAUSE_S = 15.0  # before a database that did not answer is asked again


class Mirror:
    """One data set in FiftyOne's database, by name.

    Parameters
    ----------
    name : str
    take_edits : callable
        Takes a clip's edits into the log before they are written over; returns its state, and
        whether all could be taken.
    """

    def __init__(
        self, name: str, take_edits: Callable[[Question], tuple[ClassState | None, bool]]
    ) -> None:
        self.name = name
        self._take_edits = take_edits
        self._dataset: Any = None
        self._ids: dict[str, tuple[str, ...]] | None = None  # of a data set that was made again
        self._silent_until = 0.0
        self._waiting: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def is_reachable(self) -> bool:
        """Whether the data set could be read and written when that was last tried."""
        return time.monotonic() >= self._silent_until

    def tell(self, question: Question) -> None:
        """Write a clip's state into the data set, soon, in a thread of its own."""
        if not question.sample_ids:
            return
        self._waiting.put(question)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="vggss-mirror", daemon=True)
            self._thread.start()

    def edits(
        self, question: Question, reviewer: str, log: LogFollower, ignored: list[str]
    ) -> list[Event]:
        """Return, as events, what was edited with FiftyOne's own tools since we wrote.

        ``ignored`` gets a line for each edit that cannot be taken.
        """
        from vggss_tools.verify.sync import edits_of

        def look(dataset: Any, now: Question) -> list[Event]:
            if now.sample_ids and not dataset.select(now.sample_ids[:1], ordered=False).count():
                raise LookupError(now.sample_ids[0])
            return edits_of(dataset, [now], reviewer, log, ignored)

        if not self.is_reachable or not question.sample_ids:
            return []
        with self._lock:
            return self._try(look, question) or []

    def _work(self) -> None:
        while True:
            question = self._waiting.get()
            if not self.is_reachable:
                continue  # the next `vggss verify` writes it from the log
            try:
                state, all_taken = self._take_edits(question)
            except (OSError, VggssError):
                self._pause()  # the log cannot be read or written: the next act says why
                continue
            if not all_taken:
                continue  # an edit that is not in the log is not written over
            with self._lock:
                self._try(partial(_written, state=state), question)

    def _try(self, act: Callable[[Any, Question], Any], question: Question) -> Any:
        """Do something with a clip of the data set; where that cannot be, nothing.

        Another reviewer may have made the data set again: it is then looked at anew, once.
        """
        import pymongo
        import pymongo.errors

        for _ in range(2):
            try:
                with pymongo.timeout(PATIENCE_S):
                    return act(self._opened(), self._as_now(question))
            except (pymongo.errors.PyMongoError, VggssError):
                break
            except Exception:  # noqa: BLE001 FiftyOne has no error of its own for what is gone
                self._dataset = None
        self._dataset = None
        self._pause()
        return None

    def _opened(self) -> Any:
        from vggss_tools.verify.dataset import sample_ids
        from vggss_tools.verify.environment import open_dataset

        if self._dataset is None:
            self._dataset = open_dataset(self.name, reload=True)
            self._ids = sample_ids(self._dataset)
        return self._dataset

    def _as_now(self, question: Question) -> Question:
        """Return the question with its samples' ids; none where the data set lacks the clip."""
        return replace(question, sample_ids=(self._ids or {}).get(question.clip_id, ()))

    def _pause(self) -> None:
        self._silent_until = time.monotonic() + PAUSE_S


def _written(dataset: Any, question: Question, state: ClassState | None) -> None:
    from vggss_tools.verify.dataset import write_state

    write_state(dataset, question, state)
