"""Inputs of published networks: pictures and sounds as the repositories' own loaders make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_maker import make_clip, resampled_by_ffmpeg  # noqa: E402
from family_checkpoints import made_picture, made_sound  # noqa: E402

from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput, VggssError  # noqa: E402
from vggss_tools.media.audio import centre_audio, write_wav  # noqa: E402
from vggss_tools.models.families import FAMILIES  # noqa: E402
from vggss_tools.models.family_inputs import (  # noqa: E402
    FamilyInputs,
    middle,
    repeated,
    whole_sound,
)
from vggss_tools.models.inputs import image_batch  # noqa: E402
from vggss_tools.models.mel_spectrogram import mel_decibels, mel_filters  # noqa: E402
from vggss_tools.workspace import Workspace  # noqa: E402

CLIP = "zpWuikVorYg_000032"
STEP = (37, 29)  # of make_input_golden.py
GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "input_golden.json").read_text()
)
FIRST = {name: FAMILIES[name] for name in ("lvs", "ssltie")}  # who hear ten seconds


def make_workspace(root: Path, size: tuple[int, int] = (64, 64), seconds: float = 3) -> Workspace:
    """One clip with a frame, losslessly, and a sound."""
    workspace = Workspace.create(root)
    frame, sound = workspace.frame_path(CLIP), workspace.audio_path(CLIP)
    frame.parent.mkdir(exist_ok=True)
    sound.parent.mkdir(exist_ok=True)
    _, png = cv2.imencode(".png", made_picture(*size)[:, :, ::-1])
    frame.write_bytes(png.tobytes())
    write_wav(sound, made_sound(seconds))
    return workspace


@pytest.mark.parametrize("name", GOLDEN)
def test_inputs_are_those_of_the_released_code(name: str, tmp_path: Path) -> None:
    """The same files give the picture and the spectrogram of the repository's own loader.

    SSL-TIE's are decibels of -100..12, and 0.006 is the rounding of its own float32.
    """
    golden = GOLDEN[name]
    family = FAMILIES[golden["family"]]
    size = (golden["size"][0], golden["size"][1])
    workspace = make_workspace(tmp_path, size, golden["seconds"])
    inputs = FamilyInputs(family, centre_crop=family.crops)
    frame = image_batch(inputs.frame(workspace.frame_path(CLIP))[None], torch.device("cpu"))
    red = frame[0, 0].numpy()[:: STEP[0], :: STEP[1]]
    assert frame.shape == (1, 3, 224, 224)
    assert np.abs(red - np.array(golden["picture"])).max() < 1e-4
    if golden["spectrogram"] is not None:
        heard = inputs.sound(workspace, CLIP)[:: STEP[0], :: STEP[1]]
        tolerance = 0.02 if family.name == "ssltie" else 2e-5
        assert np.abs(heard - np.array(golden["spectrogram"])).max() < tolerance


@pytest.mark.parametrize("family", ["lvs", "ssltie"])
def test_the_whole_frame_is_the_crop_of_a_square_one(family: str, tmp_path: Path) -> None:
    """Of square frames the released crop leaves nothing out; of others, the whole is seen."""
    whole, crop = (FamilyInputs(FAMILIES[family], crops) for crops in (False, True))
    square = make_workspace(tmp_path / "square", (300, 300)).frame_path(CLIP)
    assert np.array_equal(whole.frame(square), crop.frame(square))
    wide = make_workspace(tmp_path / "wide", (400, 200)).frame_path(CLIP)
    assert not np.array_equal(whole.frame(wide), crop.frame(wide))
    # The corners of the frame are the corners of what is seen.
    seen = whole.frame(wide).astype(float)
    picture = made_picture(400, 200).astype(float)
    for corner in (np.s_[:9, :9], np.s_[-9:, -9:]):
        assert np.abs(seen[corner].mean((0, 1)) - picture[corner].mean((0, 1))).max() < 8


def test_pictures_that_are_none_are_refused(tmp_path: Path) -> None:
    """A frame that cannot be read is named, with a remedy."""
    path = tmp_path / "frame.jpg"
    inputs = FamilyInputs(FAMILIES["ezvsl"])
    for content in (b"", b"no picture", made_picture(9, 9).tobytes()):
        path.write_bytes(content)
        with pytest.raises(VggssError, match="not a readable picture"):
            inputs.frame(path)


# ------------------------------------------------------------------------------------- sounds


@pytest.mark.parametrize(
    ("family", "shape"),
    [("lvs", (257, 671)), ("ezvsl", (257, 200)), ("slavc", (257, 200)), ("ssltie", (257, 670)),
     ("sslalign", (257, 299))],
)  # fmt: skip
def test_every_family_hears_its_own_size(family: str, shape: tuple[int, int]) -> None:
    """Silence and noise have the size of a family's sounds."""
    inputs = FamilyInputs(FAMILIES[family])
    heard = inputs.hear(np.zeros(inputs.n_samples, dtype=np.float32))
    assert heard.shape == shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()


@given(st.integers(1, 50), st.integers(1, 200))
def test_short_sounds_are_repeated(length: int, wanted: int) -> None:
    """A sound that is too short starts again, as often as it takes."""
    samples = np.arange(length, dtype=np.float32)
    assert np.array_equal(repeated(samples, wanted), np.arange(wanted) % length)
    part = middle(samples, wanted)
    assert len(part) == wanted
    if length >= wanted:
        assert part[0] == (length - wanted) // 2


@pytest.mark.parametrize("family", FIRST)
def test_ten_seconds_come_from_the_clip(family: str, tmp_path: Path) -> None:
    """Where the clip's file is there, its sound is heard whole, and nothing is noted."""
    workspace = make_workspace(tmp_path)
    clip = workspace.clip_path(CLIP)
    clip.parent.mkdir()
    make_clip(clip)
    inputs = FamilyInputs(FAMILIES[family], centre_crop=True)
    expected = inputs.hear(centre_audio(clip, 10, 16_000, 5.0))
    assert np.array_equal(inputs.sound(workspace, CLIP), expected)
    assert inputs.notes(workspace, [CLIP]) == ()
    assert inputs.sound_files(workspace, CLIP) == [workspace.audio_path(CLIP), clip]


@pytest.mark.parametrize("family", FIRST)
def test_three_seconds_are_repeated_and_said(family: str, tmp_path: Path) -> None:
    """Where there is only the centre sound, it is repeated to ten seconds, with a note."""
    workspace = make_workspace(tmp_path)
    inputs = FamilyInputs(FAMILIES[family], centre_crop=True)
    thrice = np.tile(made_sound(3), 4)[:160_000]
    assert np.array_equal(inputs.sound(workspace, CLIP), inputs.hear(thrice))
    (note,) = inputs.notes(workspace, [CLIP, CLIP])
    assert "hears 10 s, and of 1 of 1 sounds only a part" in note
    assert CLIP in note


@pytest.mark.parametrize("family", FIRST)
def test_ten_extracted_seconds_are_enough(family: str, tmp_path: Path) -> None:
    """`vggss extract --seconds 10` makes the clip's file needless."""
    workspace = make_workspace(tmp_path, seconds=10)
    inputs = FamilyInputs(FAMILIES[family], centre_crop=True)
    assert np.array_equal(inputs.sound(workspace, CLIP), inputs.hear(made_sound(10)))
    assert inputs.notes(workspace, [CLIP]) == ()


@pytest.mark.parametrize("family", ["ezvsl", "slavc", "sslalign"])
def test_the_middle_of_a_longer_sound_is_heard(family: str, tmp_path: Path) -> None:
    """Of ten extracted seconds the middle three are heard, as of three."""
    workspace = make_workspace(tmp_path, seconds=10)
    inputs = FamilyInputs(FAMILIES[family])
    expected = inputs.hear(made_sound(10)[56_000:104_000])
    assert np.array_equal(inputs.sound(workspace, CLIP), expected)
    assert inputs.notes(workspace, [CLIP]) == ()


@pytest.mark.parametrize("name", ["short.mkv", "short.mp4"])
def test_a_clip_that_ends_early_is_repeated(tmp_path: Path, name: str) -> None:
    """Sound that ends before ten seconds is repeated from its end on, not filled with silence."""
    clip = make_clip(tmp_path / name, seconds=6.0)
    samples = whole_sound(clip, 10)
    reference = resampled_by_ffmpeg(clip, 16_000)
    assert abs(len(samples) - 96_000) <= 400, "one frame of AAC is 372"
    # Not the first frame of AAC, which needs the one before.
    assert np.abs(samples[500:90_000] - reference[500:90_000]).max() < 1e-3
    assert np.abs(samples[-1000:]).max() > 0.1, "no silence at the end"
    whole = whole_sound(make_clip(tmp_path / "long.mp4", seconds=12.0), 10)
    assert len(whole) == 160_000


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_missing_sound_is_one_failure(family: str, tmp_path: Path) -> None:
    """Where there is no sound at all, the clip fails by name."""
    inputs = FamilyInputs(FAMILIES[family])
    with pytest.raises(ClipFailure, match="vggss extract") as raised:
        inputs.sound(Workspace(tmp_path), CLIP)
    assert raised.value.kind is FailureKind.NOT_FOUND
    assert CLIP in raised.value.message


def test_sounds_of_another_kind_are_refused(tmp_path: Path) -> None:
    """A sound at another rate, without samples, or that is no WAV file, is not heard."""
    workspace = make_workspace(tmp_path)
    inputs, path = FamilyInputs(FAMILIES["ezvsl"]), workspace.audio_path(CLIP)
    write_wav(path, made_sound(3), 22_050)
    with pytest.raises(ClipFailure, match="at 22050 Hz"):
        inputs.sound(workspace, CLIP)
    write_wav(path, made_sound(3)[:0])
    with pytest.raises(ClipFailure, match="0 samples"):
        inputs.sound(workspace, CLIP)
    path.write_bytes(b"RIFF")
    with pytest.raises(InvalidInput, match="not a WAV file"):
        inputs.sound(workspace, CLIP)


# ------------------------------------------------------------------------ the mel spectrogram


def test_one_mel_value_by_hand() -> None:
    """One cell, from the definition: a Hann window, a power spectrum, a triangle, decibels."""
    samples = made_sound(1)
    frame, band = 20, 100
    piece = samples[frame * 239 - 256 : frame * 239 + 256].astype(np.float64)
    window = np.sin(np.pi * np.arange(512) / 512) ** 2
    power = np.abs(np.fft.rfft(piece * window)) ** 2 / np.sum(window**2)
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 259)[band : band + 3]
    low, top, high = 700 * (10 ** (mel / 2595) - 1)
    triangle = np.interp(np.linspace(0, 8000, 257), [low, top, high], [0, 1, 0])
    expected = 10 * np.log10(triangle @ power)
    assert mel_decibels(samples)[band, frame] == pytest.approx(expected, abs=0.01)


def test_the_lowest_bands_hear_nothing() -> None:
    """As in the released code, 28 triangles are narrower than a bin, and stay at -100 dB."""
    deaf = (mel_filters() == 0).all(axis=0)
    assert deaf.sum() == 28
    heard = mel_decibels(made_sound(1))
    assert (heard[deaf] == -100).all()
    assert (heard[~deaf].max(axis=1) > -100).all()


def test_too_short_a_sound_has_no_spectrogram() -> None:
    """The ends are mirrored, which needs more than half a window."""
    with pytest.raises(ValueError, match="n > 256"):
        mel_decibels(np.zeros(256))
