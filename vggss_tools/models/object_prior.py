"""The object prior of object-guided localisation (OGL): where there is something, unheard.

As in EZ-VSL (``test.py``): the mean over the channels of |layer 4| of a ResNet-18 trained on
ImageNet, 7 x 7 for the frame at 224 x 224. It never hears the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vggss_tools.errors import VggssError
from vggss_tools.models.family_inputs import fit_frame, open_frame
from vggss_tools.models.inputs import image_batch
from vggss_tools.models.resnet import WIDTHS, ResNet18, load_image_weights, read_image_weights

OPTION = "--object-weights"
IMAGENET = "imagenet"  # torchvision's ResNet18_Weights.IMAGENET1K_V1, as in EZ-VSL


class ObjectPrior:
    """A ResNet-18 on a device, ready to be asked for object maps.

    Parameters
    ----------
    weights : str
        ``imagenet``, ``sample`` or the path of a state dict with torchvision's names.
    device : torch.device

    Raises
    ------
    VggssError
        If the weights cannot be had, or are not of a ResNet-18.
    """

    def __init__(self, weights: str = IMAGENET, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        width = WIDTHS["resnet18"] if weights == IMAGENET else _width_of_weights(weights)
        self.network = ResNet18(width, stride=32)
        load_image_weights(self.network, weights, OPTION)
        self.network.eval().to(self.device)

    def frame(self, path: Path) -> NDArray[np.uint8]:
        """Read a frame as (224, 224, 3) RGB, the whole of it."""
        return fit_frame(open_frame(path))

    def locate(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the object maps of (224, 224, 3) frames: (N, 7, 7) float32, values >= 0."""
        with torch.inference_mode():
            features = self.network(image_batch(np.stack(frames), self.device))
            maps: NDArray[np.float32] = features.abs().mean(dim=1).cpu().numpy()
        return maps


def _width_of_weights(weights: str) -> int:
    stem = read_image_weights(weights).get("conv1.weight")
    if stem is None or stem.ndim != 4 or stem.shape[0] not in WIDTHS.values():
        raise VggssError(
            f"{weights}: not the weights of a ResNet-18 with torchvision's names; give a state "
            f"dict of that form with {OPTION}"
        )
    return int(stem.shape[0])
