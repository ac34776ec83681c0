"""A small stage for the tests of ``run_stage``; a module, so that worker processes can load it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.stages import Parts, Stage


@dataclass
class CountingStage(Stage):
    """Writes each clip's label, and counts how often it was asked to, in a file per clip."""

    name: ClassVar[str] = "count"
    root: Path
    flavour: str = "plain"
    failing: tuple[tuple[str, str], ...] = ()  # (clip id, failure kind or 'crash' or 'full')
    pause: float = 0.0
    batch_size: int = 1

    def settings(self) -> dict[str, Any]:
        return {"flavour": self.flavour}

    def outputs(self, clip: Clip) -> list[Path]:
        return [self.root / "counted" / f"{clip.clip_id}.txt"]

    def inputs(self, clip: Clip) -> list[Path]:
        return [self.root / "sources" / clip.clip_id]

    def process(self, clip: Clip, parts: Parts) -> None:
        calls = self.root / "calls"
        calls.mkdir(exist_ok=True)
        with (calls / clip.clip_id).open("a") as handle:
            handle.write("x")
        (part,) = parts.values()
        part.write_text("half of ")
        time.sleep(self.pause)
        reason = dict(self.failing).get(clip.clip_id)
        if reason == "crash":
            raise RuntimeError("something\nunexpected")
        if reason == "read":
            self.inputs(clip)[0].read_bytes()
        if reason == "full":
            raise OSError(28, os.strerror(28), str(part))
        if reason == "full without a name":
            raise OSError(28, os.strerror(28))
        if reason == "tool":
            raise ClipFailure(FailureKind.ERROR, f"tool: cannot write {part}")
        if reason == "silent":
            part.unlink()
            return
        if reason == "die":
            os._exit(9)
        if reason is not None:
            raise ClipFailure(FailureKind(reason), f"{clip.clip_id}: {reason}")
        part.write_text(clip.label)
