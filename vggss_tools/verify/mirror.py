"""FiftyOne's data set, told of each answer; the log comes first and does not wait for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
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
        Takes a clip's edits into the log before they are written over, and returns its state.
    """

    def __init__(self, name: str, take_edits: Callable[[Question], ClassState | None]) -> None:
        self.name = name
        self._take_edits = take_edits
        self._dataset: Any = None
        self._silent_until = 0.0
        self._waiting: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def is_reachable(self) -> bool:
        """Whether the database answered when it was last asked."""
        return time.monotonic() >= self._silent_until

    def tell(self, question: Question) -> None:
        """Write a clip's state into the data set, soon, in a thread of its own."""
        if not question.sample_ids:
            return
        self._waiting.put(question)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="vggss-mirror", daemon=True)
            self._thread.start()

    def edits(self, question: Question, reviewer: str, log: LogFollower) -> list[Event]:
        """Return, as events, what was edited with FiftyOne's own tools since we wrote."""
        from vggss_tools.verify.sync import edits_of

        if not self.is_reachable or not question.sample_ids:
            return []
        with self._lock:
            return self._try(lambda dataset: edits_of(dataset, [question], reviewer, log)) or []

    def _work(self) -> None:
        from vggss_tools.verify.dataset import write_state

        while True:
            question = self._waiting.get()
            if not self.is_reachable:
                continue  # the next `vggss verify` writes it from the log
            state = self._take_edits(question)
            with self._lock:
                self._try(lambda dataset, q=question, s=state: write_state(dataset, q, s))

    def _try(self, act: Any) -> Any:
        """Do something with the data set; without a database, nothing."""
        import pymongo
        import pymongo.errors

        from vggss_tools.verify.environment import open_dataset

        try:
            with pymongo.timeout(PATIENCE_S):
                if self._dataset is None:
                    self._dataset = open_dataset(self.name)
                return act(self._dataset)
        except (pymongo.errors.PyMongoError, VggssError):
            self._silent_until = time.monotonic() + PAUSE_S
            return None
