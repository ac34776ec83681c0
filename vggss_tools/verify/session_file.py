"""What ``vggss verify`` tells the App's server: where answers go, whose they are, what is asked.

The server is a process of its own, started by FiftyOne. It finds this file by an environment
variable, so that several reviewers, each with a server, can share one FiftyOne data set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.atomic import write_text_atomic
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-verify-session/1"
VARIABLE = "VGGSS_TOOLS_VERIFY_SESSION"


@dataclass(frozen=True, slots=True)
class Question:
    """One clip to be asked about.

    Attributes
    ----------
    clip_id, label : str
    frame, segment : str
        Absolute paths; the segment is an mp4 of about five seconds with its sound.
    frame_at : float
        Seconds into the segment at which the frame stands.
    width, height : int
        Of the frame, in pixels.
    boxes : tuple of EventBox
        What is shown while the log has no event on the clip: the kept proposals.
    note : str
        Why the clip is asked about again; empty for most.
    sample_ids : tuple of str
        Its samples in the FiftyOne data set: frame, clip.
    """

    clip_id: str
    label: str
    frame: str
    segment: str
    frame_at: float
    width: int
    height: int
    boxes: tuple[EventBox, ...] = ()
    decision: Decision = Decision.UNSEEN
    note: str = ""
    sample_ids: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the question as it stands in the file."""
        return {
            "clip_id": self.clip_id,
            "class": self.label,
            "frame": self.frame,
            "segment": self.segment,
            "frame_at": self.frame_at,
            "width": self.width,
            "height": self.height,
            "boxes": [[*item.box.as_list(), item.sounding] for item in self.boxes],
            "decision": str(self.decision),
            "note": self.note,
            "sample_ids": list(self.sample_ids),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Question:
        """Read what :meth:`as_json` writes."""
        return cls(
            clip_id=value["clip_id"],
            label=value["class"],
            frame=value["frame"],
            segment=value["segment"],
            frame_at=float(value["frame_at"]),
            width=int(value["width"]),
            height=int(value["height"]),
            boxes=tuple(
                EventBox(Box.from_sequence(row[:4]), bool(row[4])) for row in value["boxes"]
            ),
            decision=Decision(value["decision"]),
            note=value["note"],
            sample_ids=tuple(value["sample_ids"]),
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One reviewer at one App."""

    workspace: Workspace
    split: str
    reviewer: str
    only: str
    dataset: str
    questions: Sequence[Question]

    def write(self) -> Path:
        """Write the file into the data directory, under a name of its own."""
        folder = self.workspace.root / "verify" / "sessions"
        path = folder / f"{uuid4().hex}.json"
        value = {
            "schema": SCHEMA,
            "data": str(self.workspace.root),
            "split": self.split,
            "reviewer": self.reviewer,
            "only": self.only,
            "dataset": self.dataset,
            "questions": [question.as_json() for question in self.questions],
        }
        write_text_atomic(path, json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Session:
        """Read such a file.

        Raises
        ------
        InvalidInput
            If it is not there any more, or is not such a file.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["schema"] != SCHEMA:
                raise ValueError(f"schema {value['schema']!r} is not {SCHEMA!r}")
            return cls(
                workspace=Workspace(value["data"]),
                split=value["split"],
                reviewer=value["reviewer"],
                only=value["only"],
                dataset=value["dataset"],
                questions=[Question.from_json(row) for row in value["questions"]],
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise InvalidInput(
                f"{path}: not the file of a review session ({error}); "
                "start `vggss verify` once more"
            ) from None


def current_session_path() -> Path:
    """Return the file that this process, the App's server, was started with.

    Raises
    ------
    VggssError
        If the App was started by something else than ``vggss verify``.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        raise VggssError(
            "the App was not started by `vggss verify`, so nobody knows whose answers these are; "
            "start `vggss verify --reviewer NAME`"
        )
    return Path(path)
