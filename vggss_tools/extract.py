"""Stage ``extract``: the benchmark's frame and the sound round it, from each clip."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.checksums import sha256_of
from vggss_tools.clips import CLIP_SECONDS, Clip
from vggss_tools.errors import Action, ClipFailure
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.media.audio import CENTRE, RATE, SECONDS, write_wav
from vggss_tools.media.frames import FrameReader
from vggss_tools.media.picture import pixels
from vggss_tools.media.probe import NotAsDeclared, decoder_versions, is_mp4, lasts, open_media
from vggss_tools.media.sound import SoundReader, Span
from vggss_tools.media.sweep import sweep
from vggss_tools.media.ticks import FRAME_TIME, Tick, middle_ticks, tick_at
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

JPEG_QUALITY = 95
# A shorter file whose clip begins at its start is the clip; of a longer one, the clip is a part.
CLIP_FILE_S = 12.0


@dataclass
class ExtractStage(Stage):
    """Writes ``frames/<clip_id>.jpg`` (source size) and ``audio/<clip_id>.wav`` (mono PCM-16).

    With ``count``, ``frames/<clip_id>/001.jpg`` and so on as well.

    Attributes
    ----------
    frame_time : float
        Seconds into the clip; the frame is the one that a 25 fps extraction shows then.
    seconds : float or None
        Length of the sound, in seconds; None for the whole sound of the clip.
    rate : int
        Samples per second.
    centre : float
        Middle of the sound, in seconds into the clip; of no meaning to the whole sound.
    count, fps : int, Fraction
        How many frames more: the middle ones of the clip's ten seconds at ``fps`` a second.
    offsets : mapping of clip id to float
        Seconds into the file at which a clip begins; 0 for those that are not named.
    """

    name: ClassVar[str] = "extract"
    workspace: Workspace
    frame_time: float = FRAME_TIME
    seconds: float | None = SECONDS
    rate: int = RATE
    centre: float = CENTRE
    count: int = 0
    fps: Fraction = Fraction(1)
    offsets: Mapping[str, float] = field(default_factory=dict)
    _earlier: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_earlier": None}

    def settings(self) -> dict[str, Any]:
        """Return what the files depend on."""
        settings: dict[str, Any] = {
            "frame_time": self.frame_time,
            "jpeg_quality": JPEG_QUALITY,
            "seconds": self.seconds,
            "rate": self.rate,
            "centre": None if self.seconds is None else self.centre,
        }
        if self.count:
            settings["frames"] = f"{self.count}@{self.fps}"
        return settings

    def clip_settings(self, clip: Clip) -> dict[str, Any]:
        """Return where in its file the clip begins, unless that is at its start."""
        offset = self._offset(clip)
        return {"offset": offset} if offset else {}

    def versions(self) -> dict[str, str]:
        """Return the decoder's and the encoder's versions."""
        return {**decoder_versions(), "opencv": cv2.__version__}

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the video."""
        return [self.workspace.clip_path(clip.clip_id)]

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the frame, the sound and the numbered frames."""
        folder = self._folder(clip)
        return [
            self.workspace.frame_path(clip.clip_id),
            self.workspace.audio_path(clip.clip_id),
            *(folder / f"{number:03d}.jpg" for number in range(1, self.count + 1)),
        ]

    def process(self, clip: Clip, parts: Parts) -> None:
        """Decode all of it from one reading of the file."""
        offset = self._offset(clip)
        path = self.workspace.clip_path(clip.clip_id)
        try:
            frames, sound = self._read(path, offset, hasty=is_mp4(path))
        except (NotAsDeclared, ClipFailure):  # whatever it is, looking closely tells
            frames, sound = self._read(path, offset)
        first, audio_path, *numbered = self.outputs(clip)
        for path, frame in zip([first, *numbered], frames.frames, strict=True):
            parts[path].write_bytes(_jpeg(pixels(frame, "bgr24")))
        write_wav(parts[audio_path], sound.samples, self.rate)

    def _read(
        self, path: Path, offset: float, *, hasty: bool = False
    ) -> tuple[FrameReader, SoundReader]:
        frames = FrameReader(self._ticks(offset), hasty=hasty)
        with open_media(path, hasty=hasty) as container:
            sound = SoundReader(self._span(offset, lasts(container)), hasty=hasty)
            sweep(container, [frames, sound])
        return frames, sound

    def _span(self, offset: float, file_seconds: float | None) -> Span:
        """Return which sound is the clip's.

        All of a file that is the clip itself, hardly longer than it; of a longer one ten seconds,
        or what there is of them.
        """
        if self.seconds is not None:
            return Span(self.seconds, self.rate, self.centre, offset)
        is_clip = file_seconds is None or file_seconds < CLIP_FILE_S
        if not offset and is_clip:
            return Span(None, self.rate, self.centre)
        seconds = float(CLIP_SECONDS)
        if file_seconds is not None:
            seconds = min(seconds, file_seconds - offset)
        seconds = max(seconds, 1 / self.rate)
        return Span(seconds, self.rate, seconds / 2, offset)

    def _ticks(self, offset: float) -> list[Tick]:
        more = middle_ticks(self.count, self.fps, offset) if self.count else []
        return [tick_at(self.frame_time, offset), *more]

    def _offset(self, clip: Clip) -> float:
        return float(self.offsets.get(clip.clip_id, 0.0))

    def _folder(self, clip: Clip) -> Path:
        return self.workspace.frame_path(clip.clip_id).with_suffix("")

    def recorded(self, outcome: Outcome) -> Outcome:
        """Remove what an earlier run has made of the clip and this one has not.

        It shows other moments, or a clip that has turned out unfit. Only what the ledger has as
        this stage's, and is still as it was recorded.
        """
        if self._earlier is None:
            self._earlier = _earlier_files(self.workspace)
        unfit = outcome.kind is not None and outcome.kind.action is Action.REPLACE
        if outcome.done or unfit:
            files = json.loads(self._earlier.get(outcome.clip_id, "{}"))
            for name in files.keys() - outcome.checksums.keys():
                _remove(self.workspace.root, name, files[name])
        return outcome


def _earlier_files(workspace: Workspace) -> dict[str, str]:
    """Return the checksums of each clip's files as the ledger has them, as JSON."""
    if not workspace.ledger_path.is_file():
        return {}
    with Ledger(workspace.ledger_path, for_reading=True) as ledger:
        rows = ledger.rows(ExtractStage.name)
        return {row.clip_id: row.checksums for row in rows if row.status == "done"}


def _remove(root: Path, name: str, sha256: str) -> None:
    """Remove a file that is as it was recorded, and its folder if that is a clip's and empty."""
    path = root / name
    if ".." in path.parts or not path.is_file() or sha256_of(path) != sha256:
        return
    path.unlink()
    if path.parent.parent != root:
        with contextlib.suppress(OSError):  # not empty
            path.parent.rmdir()


def _jpeg(bgr: NDArray[np.uint8]) -> bytes:
    """Encode in memory: ``cv2.imwrite`` would keep a full disk to itself."""
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
