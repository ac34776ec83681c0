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

The model is a checkpoint of `vggss train`, or of a published family (docs/models.md), whose own
pictures and sounds it is then given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    from torch import Tensor

    from vggss_tools.models.family_inputs import FamilyInputs
    from vggss_tools.models.inputs import OwnInputs
    from vggss_tools.models.object_prior import ObjectPrior

SOUNDS = ("own", "swap", "silence", "noise")
NOISE_LEVEL = 0.1  # standard deviation, full scale = 1: -20 dB, near the level of real clips
SAMPLES = 48_000  # 3 s at 16 kHz: length of silence and noise, for networks that hear as much
SILENT_FILE = "silent.json"
BATCH = 16  # pairs at once: 150 MB of features for the full network

OWN_FAMILY = "vggss"  # of checkpoints of `vggss train`

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How a published checkpoint is to be read.

    Attributes
    ----------
    allow_partial : bool
        Go on although weights are missing (they stay random, from a fixed seed) or unexpected.
    twin : str, optional
        Which copy of SLAVC's network: ``online`` (the default) or ``momentum``.
    centre_crop : bool
        Show LVS and SSL-TIE the middle square of the frame, as their released code does, and not
        the whole.
    """

    allow_partial: bool = False
    twin: str | None = None
    centre_crop: bool = False


@dataclass(frozen=True, slots=True)
class Localisations:
    """Maps of one model.

    Attributes
    ----------
    clip_id, audio_id : tuple of str
        Whose frame was seen, and whose sound was heard, row by row. ``audio_id`` is ``silence``
        or ``noise`` where it was nobody's.
    maps : (N, h, w) float32
        Raw: cosines, divided by the temperature where the published model does so; row 0 = top
        of the frame.
    missing : dict
        Clip -> why there is no map of it.
    left_out : tuple of str
        Clips without a silent object, which cannot be swapped.
    object_maps : (N, 7, 7) float32, optional
        Object priors of the frames.
    notes : tuple of str
        What has to be known beside a score: what was missing in the checkpoint, what was done
        otherwise than in the released code.
    """

    clip_id: tuple[str, ...]
    audio_id: tuple[str, ...]
    maps: Map
    missing: dict[str, str]
    left_out: tuple[str, ...] = ()
    object_maps: Map | None = None
    notes: tuple[str, ...] = ()


class Localiser:
    """A trained network on a device, ready to be asked for maps.

    Parameters
    ----------
    path : Path
        ``checkpoint.pth`` of `vggss train`, or a checkpoint of a published family.
    device : str
        ``auto``, ``cpu``, ``cuda``.
    batch_size : int
        Pairs at once. Batches are always filled up to it: convolutions of another batch size may
        add up in another order, and a map must not depend on the clips that go with it, so that
        a run that was killed and started again ends in the same bits.
    """

    def __init__(
        self,
        path: Path | str,
        device: str = "auto",
        batch_size: int = BATCH,
        options: ModelOptions | None = None,
    ) -> None:
        import_extra("torch", "models")
        import_extra("torchvision", "models")
        from vggss_tools.models.checkpoint import as_checkpoint, is_checkpoint
        from vggss_tools.models.family_inputs import FamilyInputs
        from vggss_tools.models.inputs import OwnInputs
        from vggss_tools.models.lvs import own_maps
        from vggss_tools.models.published import load_published
        from vggss_tools.models.torch_file import read_torch_file
        from vggss_tools.train.hardware import choose_device

        options = options or ModelOptions()
        self.device = choose_device(device)
        self.batch_size = batch_size
        self.family = OWN_FAMILY
        self.twin: str | None = None
        self.inputs: OwnInputs | FamilyInputs
        self.forward: Callable[[Tensor, Tensor], Tensor]
        self._model_notes: tuple[str, ...] = ()
        path = Path(path)
        content = read_torch_file(path)
        if is_checkpoint(content):
            if options.twin is not None or options.centre_crop:
                raise VggssError(
                    f"{path}: a checkpoint of `vggss train`; --twin and --centre-crop are for "
                    "published ones"
                )
            checkpoint = as_checkpoint(content, path)
            own = checkpoint.build().to(self.device)
            self.inputs = OwnInputs(checkpoint.architecture)
            self.forward = lambda images, sounds: own_maps(
                own.encode_images(images), own.encode_sounds(sounds)
            )
            return
        model = load_published(
            content, str(path), allow_partial=options.allow_partial, twin=options.twin
        )
        self.family = model.family.name
        self.twin = model.twin if model.family.momentum else None
        self.inputs = FamilyInputs(model.family, options.centre_crop)
        self.forward = model.network.to(self.device)
        self._model_notes = model.notes()

    def notes(self, workspace: Workspace, audio_ids: Iterable[str]) -> tuple[str, ...]:
        """Say what has to be known beside a score, of maps with the sounds of these clips."""
        from vggss_tools.models.family_inputs import FamilyInputs

        if not isinstance(self.inputs, FamilyInputs):
            return ()
        sounds = [one for one in audio_ids if one not in SOUNDS]
        return (*self._model_notes, *self.inputs.notes(workspace, sounds))

    def locate(self, images: Sequence[NDArray[Any]], sounds: Sequence[Map]) -> Map:
        """Return the maps of pictures with sounds, pair by pair.

        Parameters
        ----------
        images : (size, size, 3) arrays, RGB, uint8, or float32 in 0..1
        sounds : (frequencies, frames) float32 spectrograms

        Returns
        -------
        (N, h, w) float32, raw.
        """
        import torch

        from vggss_tools.models.inputs import image_batch, sound_batch

        located: list[Map] = []
        for start in range(0, len(images), self.batch_size):
            seen = list(images[start : start + self.batch_size])
            heard = list(sounds[start : start + self.batch_size])
            filled = [*range(len(seen)), *[0] * (self.batch_size - len(seen))]
            # TensorFloat-32 would make maps depend on the kind of GPU, in the third digit.
            exactly = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
            with torch.inference_mode(), exactly:
                frames = image_batch(np.stack([seen[i] for i in filled]), self.device)
                spectrograms = sound_batch(np.stack([heard[i] for i in filled]), self.device)
                maps = self.forward(frames, spectrograms)
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
    options: ModelOptions = field(default_factory=ModelOptions)

    def settings(self) -> dict[str, Any]:
        """Return the model's checksum, how it is read, and a checksum of who is heard with whom."""
        pairs = json.dumps(sorted(self.audio_id.items()))
        return {
            "model": sha256_of(self.model),
            "options": asdict(self.options),
            "sounds": hashlib.sha256(pairs.encode()).hexdigest(),
        }

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the map of the clip."""
        return [self.workspace.run_dir(self.name) / f"{clip.clip_id}.npy"]

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the frame, and the files that the sound may come from where it is somebody's."""
        sound = self.audio_id[clip.clip_id]
        files = [self.workspace.frame_path(clip.clip_id)]
        if sound in SOUNDS:
            return files
        return [*files, *self._localiser().inputs.sound_files(self.workspace, sound)]

    def versions(self) -> dict[str, str]:
        """Return torch's version."""
        return {"torch": str(import_extra("torch", "models").__version__)}

    def setup(self) -> None:
        """Load the network."""
        self._localiser()

    def _localiser(self) -> Localiser:
        if self.localiser is None:
            self.localiser = Localiser(self.model, self.device, self.batch_size, self.options)
        return self.localiser

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
        localiser = self._localiser()
        loaded = [self._load(clip) for clip in clips]
        whole = [pair for pair in loaded if not isinstance(pair, ClipFailure)]
        # Sounds of different length cannot share a batch.
        maps: dict[int, Map] = {}
        for shape in {sound.shape for _, sound in whole}:
            group = [pair for pair in whole if pair[1].shape == shape]
            located = localiser.locate([p[0] for p in group], [p[1] for p in group])
            maps |= {id(pair): one for pair, one in zip(group, located, strict=True)}
        return [pair if isinstance(pair, ClipFailure) else maps[id(pair)] for pair in loaded]

    def _load(self, clip: Clip) -> tuple[NDArray[Any], Map] | ClipFailure:
        inputs = self._localiser().inputs
        path = self.workspace.frame_path(clip.clip_id)
        if not path.is_file():
            return ClipFailure(FailureKind.NOT_FOUND, f"{path}: missing; run `vggss extract`")
        sound = self.audio_id[clip.clip_id]
        try:
            frame = inputs.frame(path)
            if sound in SOUNDS:
                samples = artificial_sound(sound, clip.clip_id, inputs.n_samples)
                return frame, inputs.hear(samples)
            return frame, inputs.sound(self.workspace, sound)
        except ClipFailure as failure:
            return failure
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


@dataclass
class PredictObjects(Stage):
    """Stage: one ``.npy`` object prior per clip's frame; see ``models.object_prior``.

    Attributes
    ----------
    weights : str
        ``imagenet``, ``sample`` or the path of a state dict.
    """

    name: ClassVar[str] = "predict-objects"

    workspace: Workspace
    weights: str
    device: str = "auto"
    batch_size: int = BATCH
    prior: ObjectPrior | None = field(default=None, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return the weights' name and checksum."""
        from vggss_tools.models.resnet import weights_name

        return {"weights": weights_name(self.weights)}

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the object map of the clip."""
        return [self.workspace.run_dir(self.name) / f"{clip.clip_id}.npy"]

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the frame."""
        return [self.workspace.frame_path(clip.clip_id)]

    def versions(self) -> dict[str, str]:
        """Return torch's version."""
        return {"torch": str(import_extra("torch", "models").__version__)}

    def setup(self) -> None:
        """Load the network."""
        if self.prior is None:
            import_extra("torch", "models")
            import_extra("torchvision", "models")
            from vggss_tools.models.object_prior import ObjectPrior
            from vggss_tools.train.hardware import choose_device

            self.prior = ObjectPrior(self.weights, choose_device(self.device))

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> list[ClipFailure | None]:
        """Locate the objects of a batch of frames."""
        results: list[ClipFailure | None] = []
        for clip, clip_parts, found in zip(clips, parts, self.locate(clips), strict=True):
            if isinstance(found, ClipFailure):
                results.append(found)
                continue
            np.save(clip_parts[self.outputs(clip)[0]], found)
            results.append(None)
        return results

    def locate(self, clips: Sequence[Clip]) -> list[Map | ClipFailure]:
        """Return the object map of each clip's frame, or why there is none."""
        self.setup()
        assert self.prior is not None
        found: list[Map | ClipFailure] = []
        for clip in clips:  # one at a time: 10 ms each, and a map has the same bits in any company
            path = self.workspace.frame_path(clip.clip_id)
            try:
                if not path.is_file():
                    raise ClipFailure(
                        FailureKind.NOT_FOUND, f"{path}: missing; run `vggss extract`"
                    )
                found.append(self.prior.locate([self.prior.frame(path)])[0])
            except ClipFailure as failure:
                found.append(failure)
            except VggssError as error:
                found.append(ClipFailure(FailureKind.CORRUPT, error.message))
        return found


# One stage a sound, so that predicting with one leaves the outcomes of the others standing.
STAGES: dict[str, type[Predict]] = {
    "own": Predict,
    "swap": PredictSwap,
    "silence": PredictSilence,
    "noise": PredictNoise,
}


def training_split(checkpoint: Path | str) -> str | None:
    """Return the split that a checkpoint was trained on, None where it does not say.

    Published checkpoints do not say.

    Raises
    ------
    VggssError
        If the file cannot be read.
    """
    import_extra("torch", "models")
    import_extra("torchvision", "models")
    from vggss_tools.models.checkpoint import as_checkpoint, is_checkpoint
    from vggss_tools.models.torch_file import read_torch_file

    path = Path(checkpoint)
    content = read_torch_file(path)
    return as_checkpoint(content, path).data.get("split") if is_checkpoint(content) else None


def predict_clips(
    checkpoint: Path | str,
    workspace: Workspace,
    clips: Sequence[Clip],
    sound: str = "own",
    device: str = "auto",
    silent: Path | None = None,
    *,
    allow_partial: bool = False,
    twin: str | None = None,
    centre_crop: bool = False,
    object_weights: str | None = None,
) -> Localisations:
    """Return the maps of clips, in memory; nothing is written.

    Parameters
    ----------
    checkpoint : path of a checkpoint, of `vggss train` or of a published family
    clips : clips of the data directory
        Those that are not extracted are reported as ``missing``.
    sound : one of ``SOUNDS``
    silent : Path, optional
        ``silent.json`` of a release, which says what is silent (``swap``); default: the newest.
    allow_partial, twin, centre_crop : see :class:`ModelOptions`
    object_weights : str, optional
        Also return object priors, of these weights: ``imagenet``, ``sample`` or a path.

    Raises
    ------
    VggssError
        If the model cannot be read, or there is nothing to swap by.
    """
    from vggss_tools.progress import track

    options = ModelOptions(allow_partial, twin, centre_crop)
    localiser = Localiser(checkpoint, device, options=options)
    audio_id = choose_sounds(workspace, clips, sound, silent)
    stage = STAGES[sound](
        workspace, Path(checkpoint), audio_id, device, localiser=localiser, options=options
    )
    objects = PredictObjects(workspace, object_weights, device) if object_weights else None
    if objects is not None:
        objects.setup()
    chosen = [clip for clip in clips if clip.clip_id in audio_id]
    found: dict[str, Map] = {}
    priors: dict[str, Map] = {}
    missing: dict[str, str] = {}
    for start in track(range(0, len(chosen), stage.batch_size), "predicting", unit="batch"):
        batch = chosen[start : start + stage.batch_size]
        _sort_out(batch, stage.locate(batch), found, missing)
        if objects is not None:
            _sort_out(batch, objects.locate(batch), priors, missing)
    return gather(
        clips,
        audio_id,
        found,
        missing,
        priors if objects is not None else None,
        localiser.notes(workspace, audio_id.values()),
    )


def _sort_out(
    clips: Sequence[Clip],
    results: Sequence[Map | ClipFailure],
    maps: dict[str, Map],
    missing: dict[str, str],
) -> None:
    """Put maps in one place and failures in the other."""
    for clip, result in zip(clips, results, strict=True):
        if isinstance(result, ClipFailure):
            missing.setdefault(clip.clip_id, result.message)
        else:
            maps[clip.clip_id] = result


def gather(
    clips: Sequence[Clip],
    audio_id: Mapping[str, str],
    maps: Mapping[str, Map],
    missing: Mapping[str, str],
    object_maps: Mapping[str, Map] | None = None,
    notes: tuple[str, ...] = (),
) -> Localisations:
    """Put maps together in the order of the clips; with object maps, clips that have both.

    Raises
    ------
    Incomplete
        If there is not one map.
    """
    rows = [
        clip.clip_id
        for clip in clips
        if clip.clip_id in maps and (object_maps is None or clip.clip_id in object_maps)
    ]
    if not rows:
        first = next(iter(missing.values()), "no clip has a silent object")
        raise Incomplete(f"no map could be made of {len(clips)} clip(s): {first}")
    return Localisations(
        clip_id=tuple(rows),
        audio_id=tuple(audio_id[row] for row in rows),
        maps=np.stack([maps[row] for row in rows]),
        missing=dict(missing),
        left_out=tuple(clip.clip_id for clip in clips if clip.clip_id not in audio_id),
        object_maps=None if object_maps is None else np.stack([object_maps[r] for r in rows]),
        notes=notes,
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
