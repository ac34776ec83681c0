"""Predicting: one localisation map for each clip's frame, with its own sound or with another.

A map is only worth something if it follows the sound. So a frame can be heard with

``own``
    its own sound;
``swap``
    the sound of another clip, of a class that is visible in this frame and silent: a model that
    listens moves its map onto that object (the swap rate of `vggss benchmark`);
``silence``
    zeros;
``noise``
    white noise of 0.1 full scale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vggss_tools.checksums import sha256_of
from vggss_tools.clips import Clip
from vggss_tools.errors import (
    ClipFailure,
    FailureKind,
    Incomplete,
    InvalidInput,
    VggssError,
    import_extra,
)
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.models.checkpoint import Checkpoint
    from vggss_tools.models.lvs import LVS

SOUNDS = ("own", "swap", "silence", "noise")
NOISE_LEVEL = 0.1  # standard deviation, full scale = 1: -20 dB, near the level of real clips
SAMPLES = 48_000  # 3 s at 16 kHz: length of silence and noise
SILENT_FILE = "silent.json"
BATCH = 16  # pairs at once: 150 MB of features for the full network

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Localisations:
    """Maps of one model.

    Attributes
    ----------
    clip_id, audio_id : tuple of str
        Whose frame was seen, and whose sound was heard, row by row. ``audio_id`` is ``silence``
        or ``noise`` where it was nobody's.
    maps : (N, h, w) float32
        Raw cosines, row 0 = top of the frame.
    missing : dict
        Clip -> why there is no map of it.
    left_out : tuple of str
        Clips without a silent object, which cannot be swapped.
    """

    clip_id: tuple[str, ...]
    audio_id: tuple[str, ...]
    maps: Map
    missing: dict[str, str]
    left_out: tuple[str, ...] = ()


class Localiser:
    """A trained network on a device, ready to be asked for maps.

    Parameters
    ----------
    path : Path
        ``checkpoint.pth`` of `vggss train`.
    device : str
        ``auto``, ``cpu``, ``cuda``.
    batch_size : int
        Pairs at once. Batches are always filled up to it: convolutions of another batch size may
        add up in another order, and a map must not depend on the clips that go with it, so that
        a run that was killed and started again ends in the same bits.
    """

    def __init__(self, path: Path | str, device: str = "auto", batch_size: int = BATCH) -> None:
        import_extra("torch", "models")
        import_extra("torchvision", "models")
        from vggss_tools.models.checkpoint import read_checkpoint
        from vggss_tools.train.hardware import choose_device

        self.checkpoint: Checkpoint = read_checkpoint(path)
        self.device = choose_device(device)
        self.batch_size = batch_size
        self.network: LVS = self.checkpoint.build().to(self.device)

    def locate(self, images: Sequence[NDArray[np.uint8]], sounds: Sequence[Map]) -> Map:
        """Return the maps of pictures with sounds, pair by pair.

        Parameters
        ----------
        images : (size, size, 3) uint8 arrays, RGB
        sounds : (frequencies, frames) float32 spectrograms

        Returns
        -------
        (N, h, w) float32 cosines.
        """
        import torch

        from vggss_tools.models.inputs import image_batch, sound_batch
        from vggss_tools.models.lvs import own_maps

        located: list[Map] = []
        for start in range(0, len(images), self.batch_size):
            seen = list(images[start : start + self.batch_size])
            heard = list(sounds[start : start + self.batch_size])
            filled = [*range(len(seen)), *[0] * (self.batch_size - len(seen))]
            with torch.inference_mode():
                frames = image_batch(np.stack([seen[i] for i in filled]), self.device)
                spectrograms = sound_batch(np.stack([heard[i] for i in filled]), self.device)
                maps = own_maps(
                    self.network.encode_images(frames), self.network.encode_sounds(spectrograms)
                )
            located.append(maps[: len(seen)].cpu().numpy())
        return np.concatenate(located)


@dataclass
class Predict(Stage):
    """Stage: one ``.npy`` map per clip, its picture heard with the sound of ``audio_id``.

    Attributes
    ----------
    audio_id : dict
        Clip -> whose sound it is heard with; see :func:`choose_sounds`.
    """

    name: ClassVar[str] = "predict"

    workspace: Workspace
    model: Path
    audio_id: Mapping[str, str]
    device: str = "auto"
    batch_size: int = BATCH
    localiser: Localiser | None = field(default=None, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return the model's checksum, and one of who is heard with whom."""
        pairs = json.dumps(sorted(self.audio_id.items()))
        return {
            "model": sha256_of(self.model),
            "sounds": hashlib.sha256(pairs.encode()).hexdigest(),
        }

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the map of the clip."""
        return [self.workspace.run_dir(self.name) / f"{clip.clip_id}.npy"]

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the frame, and the sound where it is somebody's."""
        sound = self.audio_id[clip.clip_id]
        files = [self.workspace.frame_path(clip.clip_id)]
        return files if sound in SOUNDS else [*files, self.workspace.audio_path(sound)]

    def versions(self) -> dict[str, str]:
        """Return torch's version."""
        return {"torch": str(import_extra("torch", "models").__version__)}

    def setup(self) -> None:
        """Load the network."""
        self.localiser = self.localiser or Localiser(self.model, self.device, self.batch_size)

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> list[ClipFailure | None]:
        """Locate the sounds of a batch."""
        results: list[ClipFailure | None] = []
        found = self.locate(clips)
        for clip, clip_parts, result in zip(clips, parts, found, strict=True):
            if isinstance(result, ClipFailure):
                results.append(result)
                continue
            np.save(clip_parts[self.outputs(clip)[0]], result)
            results.append(None)
        return results

    def locate(self, clips: Sequence[Clip]) -> list[Map | ClipFailure]:
        """Return the map of each clip, or why there is none."""
        self.setup()
        assert self.localiser is not None
        loaded = [self._load(clip) for clip in clips]
        whole = [pair for pair in loaded if not isinstance(pair, ClipFailure)]
        # Sounds of different length cannot share a batch.
        maps: dict[int, Map] = {}
        for shape in {sound.shape for _, sound in whole}:
            group = [pair for pair in whole if pair[1].shape == shape]
            located = self.localiser.locate([p[0] for p in group], [p[1] for p in group])
            maps |= {id(pair): one for pair, one in zip(group, located, strict=True)}
        return [pair if isinstance(pair, ClipFailure) else maps[id(pair)] for pair in loaded]

    def _load(self, clip: Clip) -> tuple[NDArray[np.uint8], Map] | ClipFailure:
        from vggss_tools.models.inputs import load_frame, load_sound
        from vggss_tools.models.spectrogram import spectrogram

        assert self.localiser is not None
        architecture = self.localiser.checkpoint.architecture
        for path in self.inputs(clip):
            if not path.is_file():
                return ClipFailure(FailureKind.NOT_FOUND, f"{path}: missing; run `vggss extract`")
        sound = self.audio_id[clip.clip_id]
        try:
            frame = load_frame(self.workspace.frame_path(clip.clip_id), architecture.size)
            if sound in SOUNDS:
                samples = artificial_sound(sound, clip.clip_id)
                return frame, spectrogram(architecture.spectrogram)(samples)
            path = self.workspace.audio_path(sound)
            return frame, load_sound(path, architecture.spectrogram)
        except VggssError as error:
            return ClipFailure(FailureKind.CORRUPT, error.message)


class PredictSwap(Predict):
    """Stage: maps with the sound of a silent object."""

    name = "predict-swap"


class PredictSilence(Predict):
    """Stage: maps without a sound."""

    name = "predict-silence"


class PredictNoise(Predict):
    """Stage: maps with noise."""

    name = "predict-noise"


# One stage a sound, so that predicting with one leaves the outcomes of the others standing.
STAGES: dict[str, type[Predict]] = {
    "own": Predict,
    "swap": PredictSwap,
    "silence": PredictSilence,
    "noise": PredictNoise,
}


def training_split(checkpoint: Path | str) -> str | None:
    """Return the split that a checkpoint was trained on, None where it does not say.

    Raises
    ------
    VggssError
        If the model cannot be read.
    """
    import_extra("torch", "models")
    import_extra("torchvision", "models")
    from vggss_tools.models.checkpoint import read_checkpoint

    return read_checkpoint(checkpoint).data.get("split")


def predict_clips(
    checkpoint: Path | str,
    workspace: Workspace,
    clips: Sequence[Clip],
    sound: str = "own",
    device: str = "auto",
    silent: Path | None = None,
) -> Localisations:
    """Return the maps of clips, in memory; nothing is written.

    Parameters
    ----------
    checkpoint : path of a ``checkpoint.pth``
    clips : clips of the data directory
        Those that are not extracted are reported as ``missing``.
    sound : one of ``SOUNDS``
    silent : Path, optional
        ``silent.json`` of a release, which says what is silent (``swap``); default: the newest.

    Raises
    ------
    VggssError
        If the model cannot be read, or there is nothing to swap by.
    """
    from vggss_tools.progress import track

    audio_id = choose_sounds(workspace, clips, sound, silent)
    stage = STAGES[sound](
        workspace, Path(checkpoint), audio_id, device, localiser=Localiser(checkpoint, device)
    )
    chosen = [clip for clip in clips if clip.clip_id in audio_id]
    starts = range(0, len(chosen), stage.batch_size)
    found: list[Map | ClipFailure] = []
    for start in track(starts, "predicting", unit="batch"):
        found += stage.locate(chosen[start : start + stage.batch_size])
    maps = {
        clip.clip_id: result
        for clip, result in zip(chosen, found, strict=True)
        if not isinstance(result, ClipFailure)
    }
    missing = {
        clip.clip_id: result.message
        for clip, result in zip(chosen, found, strict=True)
        if isinstance(result, ClipFailure)
    }
    return gather(clips, audio_id, maps, missing)


def gather(
    clips: Sequence[Clip],
    audio_id: Mapping[str, str],
    maps: Mapping[str, Map],
    missing: Mapping[str, str],
) -> Localisations:
    """Put maps together in the order of the clips.

    Raises
    ------
    Incomplete
        If there is not one map.
    """
    rows = [clip.clip_id for clip in clips if clip.clip_id in maps]
    if not rows:
        first = next(iter(missing.values()), "no clip has a silent object")
        raise Incomplete(f"no map could be made of {len(clips)} clip(s): {first}")
    return Localisations(
        clip_id=tuple(rows),
        audio_id=tuple(audio_id[row] for row in rows),
        maps=np.stack([maps[row] for row in rows]),
        missing=dict(missing),
        left_out=tuple(clip.clip_id for clip in clips if clip.clip_id not in audio_id),
    )


def choose_sounds(
    workspace: Workspace, clips: Sequence[Clip], sound: str, silent: Path | None = None
) -> dict[str, str]:
    """Say whose sound each clip's picture is heard with.

    For ``swap``: one of the classes that are visible and silent in the clip, and another clip of
    the same split with that class, both drawn by the clip's id alone, so that a clip gets the
    same partner in every run. Clips without such a class or partner are absent.
    """
    if sound == "own":
        return {clip.clip_id: clip.clip_id for clip in clips}
    if sound in ("silence", "noise"):
        return {clip.clip_id: sound for clip in clips}
    if sound != "swap":
        raise VggssError(f"{sound}: no such sound; choose one of {', '.join(SOUNDS)}")
    silent_classes = read_silent_classes(silent or newest_silent_file(workspace))
    donors: dict[tuple[str, str], list[str]] = {}
    for clip in workspace.clips():
        donors.setdefault((clip.split, clip.label), []).append(clip.clip_id)
    chosen: dict[str, str] = {}
    for clip in clips:
        random = np.random.default_rng(_seed(clip.clip_id, "swap"))
        classes = [
            name
            for name in sorted(silent_classes.get(clip.clip_id, ()))
            if name != clip.label and donors.get((clip.split, name))
        ]
        if classes:
            name = classes[random.integers(len(classes))]
            partners = sorted(donors[clip.split, name])
            chosen[clip.clip_id] = partners[random.integers(len(partners))]
    if not chosen:
        raise VggssError("swap: no clip has a silent object whose class sounds in another clip")
    return chosen


def newest_silent_file(workspace: Workspace) -> Path:
    """Return the newest release's list of silent objects; none is one clear line."""
    release = workspace.newest_release()
    if release is None:
        raise VggssError(
            f"{workspace.root}: no release that says what is silent; make one with "
            "`vggss release`, or give --silent FILE"
        )
    return release / SILENT_FILE


def read_silent_classes(path: Path) -> dict[str, set[str]]:
    """Return the classes of the silent objects of each clip, from a release's ``silent.json``.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        If it has another form.
    """
    if not path.is_file():
        raise VggssError(f"{path}: no such file; make the release with `vggss release`")
    silent: dict[str, set[str]] = {}
    try:
        for entry in json.loads(path.read_text(encoding="utf-8")):
            silent.setdefault(str(entry["file"]), set()).add(str(entry["class"]))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"{path}: not a list of file, class and bbox ({error}); make the release again"
        ) from None
    return silent


def artificial_sound(sound: str, clip_id: str, n_samples: int = SAMPLES) -> Map:
    """Return silence, or white noise that depends on the clip's id alone."""
    if sound == "silence":
        return np.zeros(n_samples, dtype=np.float32)
    random = np.random.default_rng(_seed(clip_id, "noise"))
    return random.normal(0, NOISE_LEVEL, n_samples).clip(-1, 1).astype(np.float32)


def _seed(clip_id: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose} {clip_id}".encode()).digest()[:8], "big")
