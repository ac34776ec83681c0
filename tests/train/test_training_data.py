"""Packing and batches: what the network sees depends on files, seed and step alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_folder import make_clip_folder  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from vggss_tools.errors import Incomplete, VggssError  # noqa: E402
from vggss_tools.media.audio import write_wav  # noqa: E402
from vggss_tools.models.inputs import image_batch, load_frame  # noqa: E402
from vggss_tools.models.lvs import Architecture  # noqa: E402
from vggss_tools.models.spectrogram import SPECTROGRAMS  # noqa: E402
from vggss_tools.train.clips import extracted_clips  # noqa: E402
from vggss_tools.train.data import (  # noqa: E402
    PackedClips,
    batch_indices,
    pack,
    training_batch,
    vary_frame,
    vary_sound,
)

SMALL = Architecture("resnet18-quarter", size=64, spectrogram="compact")


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 1000))
def test_an_epoch_takes_every_clip_at_most_once(n: int, batch: int, seed: int) -> None:
    """The batches of one epoch are disjoint, whole, and leave out less than one batch."""
    batch = min(batch, n)
    steps = n // batch
    taken = [batch_indices(n, batch, seed, step) for step in range(steps)]
    assert all(len(one) == batch for one in taken)
    together = np.concatenate(taken)
    assert len(set(together.tolist())) == len(together) > n - batch


def test_the_order_changes_with_epoch_and_seed() -> None:
    """Neither two epochs nor two seeds go through the clips in the same order."""
    first = batch_indices(50, 25, 0, 0)
    assert not np.array_equal(first, batch_indices(50, 25, 0, 2))
    assert not np.array_equal(first, batch_indices(50, 25, 1, 0))
    assert np.array_equal(first, batch_indices(50, 25, 0, 0))


def test_packing_reads_frames_and_sounds(tmp_path: Path) -> None:
    """Packed clips hold the frame a little larger than the input, and the spectrogram."""
    workspace = make_clip_folder(tmp_path)
    clips = workspace.clips("train")
    data = pack(workspace, clips, SMALL)
    assert data.frames.shape == (8, 72, 72, 3)
    assert data.frames.dtype == np.uint8
    assert data.sounds.shape == (8, 128, 99)
    assert np.array_equal(data.frames[3], load_frame(workspace.frame_path(clips[3].clip_id), 72))
    # Red, green, blue: the first class is blue in the left square.
    assert tuple(data.frames[0][30, 20] > 128) == (False, False, True)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    """Equal files have one fingerprint; other files, or fewer, another."""
    workspace = make_clip_folder(tmp_path)
    clips = workspace.clips("train")
    data = pack(workspace, clips, SMALL)
    assert data.fingerprint() == pack(workspace, clips, SMALL).fingerprint()
    assert data.fingerprint() != pack(workspace, clips[:-1], SMALL).fingerprint()
    changed = PackedClips(data.frames ^ np.uint8(1), data.sounds)
    assert data.fingerprint() != changed.fingerprint()


def test_a_broken_frame_is_named(tmp_path: Path) -> None:
    """An unreadable picture is one line that names it and the remedy."""
    workspace = make_clip_folder(tmp_path)
    clips = workspace.clips("train")
    workspace.frame_path(clips[2].clip_id).write_bytes(b"")
    with pytest.raises(VggssError, match=rf"{clips[2].clip_id}.*vggss extract"):
        pack(workspace, clips, SMALL)


def test_sounds_of_different_length_are_refused(tmp_path: Path) -> None:
    """Sounds that were extracted with different settings cannot be trained on together."""
    workspace = make_clip_folder(tmp_path)
    clips = workspace.clips("train")
    write_wav(workspace.audio_path(clips[1].clip_id), np.zeros(32_000, np.float32), 16_000)
    with pytest.raises(VggssError, match="same --seconds"):
        pack(workspace, clips, SMALL)


def test_clips_that_are_not_extracted_are_counted_and_named(tmp_path: Path) -> None:
    """Missing frames end the command as incomplete, telling what to run."""
    workspace = make_clip_folder(tmp_path)
    gone = workspace.clips("train")[4].clip_id
    workspace.frame_path(gone).unlink()
    with pytest.raises(Incomplete, match=rf"1 of 8 train clips .*{gone}.*vggss extract"):
        extracted_clips(workspace, "train")


def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    """The same step gives the same bits; another step or seed gives others."""
    workspace = make_clip_folder(tmp_path)
    data = pack(workspace, workspace.clips("train"), SMALL)

    def batch(seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        return training_batch(data, SMALL, batch_size=4, seed=seed, step=step)

    frames, sounds = batch(0, 5)
    assert frames.shape == (4, 64, 64, 3)
    assert sounds.shape == (4, 128, 99)
    again = batch(0, 5)
    assert np.array_equal(frames, again[0])
    assert np.array_equal(sounds, again[1])
    assert not np.array_equal(frames, batch(0, 7)[0])
    assert not np.array_equal(frames, batch(1, 5)[0])


def test_without_augmentation_a_batch_is_the_files(tmp_path: Path) -> None:
    """Strength 0 changes neither picture nor sound, beyond the resize to the network's size."""
    workspace = make_clip_folder(tmp_path)
    data = pack(workspace, workspace.clips("train"), SMALL)
    frames, sounds = training_batch(data, SMALL, batch_size=4, seed=0, step=0, augment=0)
    chosen = batch_indices(8, 4, 0, 0)
    assert np.array_equal(sounds, data.sounds[chosen].astype(np.float32))
    for made, packed in zip(frames, data.frames[chosen], strict=True):
        plain = cv2.resize(packed, (64, 64), interpolation=cv2.INTER_LINEAR)
        assert np.abs(made.astype(int) - plain).max() <= 2


def test_training_can_see_and_hear_less_at_a_time(tmp_path: Path) -> None:
    """Smaller pictures and shorter sounds, of the same clips."""
    workspace = make_clip_folder(tmp_path)
    data = pack(workspace, workspace.clips("train"), SMALL)
    frames, sounds = training_batch(
        data, SMALL, batch_size=4, seed=0, step=0, crop_size=48, crop_sound=0.5
    )
    assert frames.shape == (4, 48, 48, 3)
    assert sounds.shape == (4, 128, 50)


def test_the_network_is_fed_normalised_pictures() -> None:
    """A frame becomes planes of mean 0 and deviation 1 over ImageNet, in channels-last memory."""
    frames = np.full((2, 8, 8, 3), (124, 116, 104), np.uint8)  # ImageNet's mean colour
    images = image_batch(frames, torch.device("cpu"))
    assert images.shape == (2, 3, 8, 8)
    assert images.abs().max() < 0.02
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_cuts_stay_inside_and_some_are_mirrored() -> None:
    """A picture that brightens to the right still does, or exactly the other way, after a cut."""
    ramp = np.broadcast_to(np.linspace(20, 200, 72).astype(np.uint8)[None, :, None], (72, 72, 3))
    random = np.random.default_rng(0)
    rising = 0
    for _ in range(40):
        cut = vary_frame(np.ascontiguousarray(ramp), 64, random, 1.0).astype(int)
        assert cut.shape == (64, 64, 3)
        middle = cut[32, 16:48, 0]  # the edges may mirror what lies inside
        steps = np.diff(middle)
        assert (steps >= -1).all() or (steps <= 1).all(), "one direction throughout"
        rising += middle[-1] > middle[0]
    assert 8 < rising < 32


def test_strength_zero_only_resizes() -> None:
    """Without augmentation the whole frame is kept, and every call gives the same."""
    frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(vary_frame(frame, 64, np.random.default_rng(0), 0.0), frame)


def test_colours_change_but_gray_stays_gray() -> None:
    """Hue and saturation turn about the gray axis."""
    random = np.random.default_rng(0)
    gray = np.repeat(random.integers(40, 200, (64, 64, 1), dtype=np.uint8), 3, axis=2)
    changed = vary_frame(gray, 64, np.random.default_rng(2), 1.0).astype(int)
    assert np.ptp(changed, axis=2).max() <= 1
    colourful = np.full((64, 64, 3), (200, 60, 60), np.uint8)
    tints = [vary_frame(colourful, 64, np.random.default_rng(seed), 1.0)[0, 0] for seed in range(5)]
    assert len({tuple(tint) for tint in tints}) == 5


@pytest.mark.parametrize("name", sorted(SPECTROGRAMS))
def test_sounds_keep_their_shape_and_range(name: str) -> None:
    """Level, start and two hidden stripes change; nothing becomes infinite or of another size."""
    sound = np.random.default_rng(0).random((40, 30)).astype(np.float16)
    changed = vary_sound(sound, np.random.default_rng(1), 1.0, SPECTROGRAMS[name])
    assert changed.shape == sound.shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert not np.array_equal(changed, sound)
    assert np.array_equal(
        vary_sound(sound, np.random.default_rng(1), 0.0, SPECTROGRAMS[name]), sound
    )
