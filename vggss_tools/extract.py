"""Stage ``extract``: the benchmark's frame and the sound round it, from each clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2

from vggss_tools.clips import Clip
from vggss_tools.media.audio import CENTRE, RATE, SECONDS, decode_audio, write_wav
from vggss_tools.media.frames import FRAME_TIME, decode_frame
from vggss_tools.media.probe import decoder_versions, open_media
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

JPEG_QUALITY = 95


@dataclass
class ExtractStage(Stage):
    """Writes ``frames/<clip_id>.jpg`` (source size) and ``audio/<clip_id>.wav`` (mono PCM-16).

    Attributes
    ----------
    frame_time : float
        Seconds; the frame is the one that a 25 fps extraction shows then.
    seconds, centre : float
        Length and middle of the sound, in seconds.
    rate : int
        Samples per second.
    """

    name: ClassVar[str] = "extract"
    workspace: Workspace
    frame_time: float = FRAME_TIME
    seconds: float = SECONDS
    rate: int = RATE
    centre: float = CENTRE

    def settings(self) -> dict[str, Any]:
        """Return what the files depend on."""
        return {
            "frame_time": self.frame_time,
            "jpeg_quality": JPEG_QUALITY,
            "seconds": self.seconds,
            "rate": self.rate,
            "centre": self.centre,
        }

    def versions(self) -> dict[str, str]:
        """Return the decoder's and the encoder's versions."""
        return {**decoder_versions(), "opencv": cv2.__version__}

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the video."""
        return [self.workspace.clip_path(clip.clip_id)]

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the frame and the sound."""
        return [self.workspace.frame_path(clip.clip_id), self.workspace.audio_path(clip.clip_id)]

    def process(self, clip: Clip, parts: Parts) -> None:
        """Decode both from one opening of the file."""
        with open_media(self.workspace.clip_path(clip.clip_id)) as container:
            image = decode_frame(container, self.frame_time)
            sound = decode_audio(container, self.seconds, self.rate, self.centre)
        frame_path, audio_path = self.outputs(clip)
        # Encoded in memory: cv2.imwrite would keep a full disk to itself.
        _, jpeg = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        parts[frame_path].write_bytes(jpeg.tobytes())
        write_wav(parts[audio_path], sound, self.rate)
