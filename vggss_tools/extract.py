"""Stage ``extract``: the benchmark's frame and the sound round it, from each clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.clips import Clip
from vggss_tools.media.audio import CENTRE, RATE, SECONDS, write_wav
from vggss_tools.media.frames import FrameReader
from vggss_tools.media.picture import pixels
from vggss_tools.media.probe import decoder_versions, open_media
from vggss_tools.media.sound import SoundReader, Span
from vggss_tools.media.sweep import sweep
from vggss_tools.media.ticks import FRAME_TIME, Tick, middle_ticks, tick_at
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

JPEG_QUALITY = 95


@dataclass
class ExtractStage(Stage):
    """Writes ``frames/<clip_id>.jpg`` (source size) and ``audio/<clip_id>.wav`` (mono PCM-16).

    With ``count``, ``frames/<clip_id>/001.jpg`` and so on as well.

    Attributes
    ----------
    frame_time : float
        Seconds into the clip; the frame is the one that a 25 fps extraction shows then.
    seconds : float or None
        Length of the sound, in seconds; None for the whole sound of the file.
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
        frames = FrameReader(self._ticks(offset))
        sound = SoundReader(Span(self.seconds, self.rate, self.centre, offset))
        with open_media(self.workspace.clip_path(clip.clip_id)) as container:
            sweep(container, [frames, sound])
        first, audio_path, *numbered = self.outputs(clip)
        for path, frame in zip([first, *numbered], frames.frames, strict=True):
            parts[path].write_bytes(_jpeg(pixels(frame, "bgr24")))
        write_wav(parts[audio_path], sound.samples, self.rate)
        if numbered:
            self._remove_others(clip, numbered)

    def _ticks(self, offset: float) -> list[Tick]:
        more = middle_ticks(self.count, self.fps, offset) if self.count else []
        return [tick_at(self.frame_time, offset), *more]

    def _offset(self, clip: Clip) -> float:
        return float(self.offsets.get(clip.clip_id, 0.0))

    def _folder(self, clip: Clip) -> Path:
        return self.workspace.frame_path(clip.clip_id).with_suffix("")

    def _remove_others(self, clip: Clip, numbered: list[Path]) -> None:
        """Remove frames of an earlier run with more of them: they show other moments."""
        for path in self._folder(clip).glob("[0-9]*.jpg"):
            if path not in numbered:
                path.unlink(missing_ok=True)


def _jpeg(bgr: NDArray[np.uint8]) -> bytes:
    """Encode in memory: ``cv2.imwrite`` would keep a full disk to itself."""
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
