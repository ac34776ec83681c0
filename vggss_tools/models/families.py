"""The published families of checkpoints, as values: names of weights, wiring, what goes in.

Read from each repository's code (docs/models.md has commits and the reasons). A family is what
its weights' names tell; EZ-VSL, MarginNCE and FNAC have the same names and the same network when
they are tested, and are one family here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vggss_tools.models.mel_spectrogram import mel_decibels
from vggss_tools.models.spectrogram import Spectrogram, spectrogram
from vggss_tools.models.two_stream import Wiring

PCM_16_NEGATIVE = 32_768  # full scale of soundfile and torchaudio: x / 32768
PCM_16_POSITIVE = 32_767  # of the EZ-VSL family's PyAV loader: x / 32767

# 512 - 353 = 159 samples between frames: (48,000 - 512) // 159 + 1 = 299
SSLALIGN_SPECTROGRAM = Spectrogram(n_fft=512, hop=159, power=True)


@dataclass(frozen=True, slots=True)
class SoundPart:
    """Which sound a family hears, and how it becomes a spectrogram.

    Attributes
    ----------
    seconds : int
        3: round the clip's middle. 10: from its start. What is shorter is repeated.
    spectrogram : function of (n,) float samples at a rate in hertz -> (frequencies, frames)
    full_scale : int
        What a PCM-16 sample is divided by.
    """

    seconds: int
    spectrogram: Callable[[NDArray[np.floating], int], NDArray[np.float32]]
    full_scale: int = PCM_16_NEGATIVE


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of published checkpoint.

    Attributes
    ----------
    name : str
        As in results.
    title : str
        For people.
    source : str
        Repository whose code is matched.
    wiring : Wiring
    sound : SoundPart
    tensor_resize : bool
        Pictures are resized as float tensors, bicubic without antialiasing, instead of by Pillow.
    crops : bool
        The released code resizes the short side and cuts out the middle square.
    sound_stem : str
        Name of the sound stream's first convolution.
    image_heads, sound_heads : tuple of str
        Names of the projections, in pairs.
    momentum : str
        Prefix of the second copy of the network, where there is one.
    unused : tuple of str
        Beginnings of names that such checkpoints carry, and that play no part in a map.
    """

    name: str
    title: str
    source: str
    wiring: Wiring
    sound: SoundPart
    tensor_resize: bool = False
    crops: bool = False
    sound_stem: str = "conv1"
    image_heads: tuple[str, ...] = ()
    sound_heads: tuple[str, ...] = ()
    momentum: str = ""
    unused: tuple[str, ...] = ()

    def published_name(self, name: str, twin: str = "online") -> str:
        """Return what a weight of ``TwoStream`` is called in such a checkpoint."""
        stream, rest = name.split(".", 1)
        if stream in ("image_heads", "sound_heads"):
            heads = self.image_heads if stream == "image_heads" else self.sound_heads
            place, rest = rest.split(".", 1)
            stream = heads[int(place)]
        elif stream == "image":
            stream = "imgnet"
        else:
            stream = "audnet"
            first, _, end = rest.partition(".")
            rest = f"{self.sound_stem}.{end}" if first == "conv1" else rest
        prefix = self.momentum if twin == "momentum" else ""
        return f"{prefix}{stream}.{rest}"


# Each stream of an LVS network carries a first convolution for sound (1 channel), pictures (3)
# and optical flow (6), and a classifier, whichever it uses.
_LVS_UNUSED = (
    *("imgnet.conv1_a.", "imgnet.conv1_flow.", "imgnet.fc."),
    *("audnet.conv1.", "audnet.conv1_flow.", "audnet.fc."),
)
# Layers of an older loss, trained by nothing.
_TIE_UNUSED = ("vision_fc1.", "conv3.", "norm3.")

LVS_FAMILY = Family(
    name="lvs",
    title="LVS",
    source="github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way",
    wiring=Wiring(stride=16),
    sound=SoundPart(10, spectrogram("lvs-code")),
    crops=True,
    sound_stem="conv1_a",
    unused=_LVS_UNUSED,
)
EZVSL_FAMILY = Family(
    name="ezvsl",
    title="EZ-VSL, MarginNCE or FNAC",
    source="github.com/stoneMo/EZ-VSL, github.com/OpenNLPLab/FNAC_AVL",
    wiring=Wiring(stride=32, heads=1, temperature=0.03),
    sound=SoundPart(3, spectrogram("lvs-code"), PCM_16_POSITIVE),
    image_heads=("img_proj",),
    sound_heads=("aud_proj",),
)
SLAVC_FAMILY = Family(
    name="slavc",
    title="SLAVC",
    source="github.com/stoneMo/SLAVC",
    wiring=Wiring(stride=32, heads=2, temperature=0.03),
    sound=SoundPart(3, spectrogram("lvs-code"), PCM_16_POSITIVE),
    image_heads=("img_proj1", "img_proj2"),
    sound_heads=("aud_proj1", "aud_proj2"),
    momentum="momentum_",
)
SSLTIE_FAMILY = Family(
    name="ssltie",
    title="SSL-TIE",
    source="github.com/jinxiang-liu/SSL-TIE",
    wiring=Wiring(stride=16),
    sound=SoundPart(10, mel_decibels),
    crops=True,
    sound_stem="conv1_a",
    unused=(*_LVS_UNUSED, *_TIE_UNUSED),
)
SSLALIGN_FAMILY = Family(
    name="sslalign",
    title="SSL-Align",
    source="github.com/kaistmm/SSLalignment",
    wiring=Wiring(stride=16),
    sound=SoundPart(3, SSLALIGN_SPECTROGRAM),
    tensor_resize=True,
    sound_stem="conv1_a",
    unused=(*_LVS_UNUSED, *_TIE_UNUSED, "img_proj.", "aud_proj."),
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (LVS_FAMILY, EZVSL_FAMILY, SLAVC_FAMILY, SSLTIE_FAMILY, SSLALIGN_FAMILY)
}

# Beginnings of names by which other methods of the field are known; their networks are not here.
STRANGERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("flownet.", "flowatt."), "heartheflow (HTF), which also sees optical flow"),
    (("audio_proj.", "masker_i"), "ACL-SSL, which needs CLIPSeg and BEATs"),
    (("image_encoder.", "audio_encoder."), "RCGrad"),
    (("feat_extractor.",), "SSPL"),
    (("vision_embedding_model.",), "Learning to Localize Sound Source"),
)


def family_of(names: Iterable[str]) -> Family | None:
    """Return the family whose names these are, None where they are nobody's that is known.

    Parameters
    ----------
    names : names of weights, without ``module.``
    """
    known = list(names)

    def has(*beginnings: str) -> bool:
        return any(name.startswith(beginnings) for name in known)

    if not (has("imgnet.") and has("audnet.")) or stranger_of(known) is not None:
        return None
    if has("img_proj1.", "img_proj2.", "aud_proj1.", "aud_proj2.", "momentum_"):
        return SLAVC_FAMILY
    # A sound stream with the first convolutions of the LVS code.
    if has("audnet.conv1_a.", "audnet.conv1_flow.", "imgnet.conv1_a.", "imgnet.conv1_flow."):
        if has("img_proj.", "aud_proj."):
            return SSLALIGN_FAMILY
        return SSLTIE_FAMILY if has(*_TIE_UNUSED) else LVS_FAMILY
    return EZVSL_FAMILY if has("img_proj.", "aud_proj.") else None


def stranger_of(names: Sequence[str]) -> str | None:
    """Return which method of the field wrote weights of these names that cannot be loaded."""
    for beginnings, title in STRANGERS:
        if any(name.startswith(beginnings) for name in names):
            return title
    return None
