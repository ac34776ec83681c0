"""ResNet-18 at any base width, with torchvision's own blocks and torchvision's own names.

The names of the state dict are torchvision's (``conv1.weight``, ``layer1.0.conv1.weight``, …), so
ImageNet weights load at full width without translation. There is no ``fc``: the streams end
in a feature map.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError
from vggss_tools.models.torch_file import read_torch_file

# Backbone name -> channels after the first convolution; the last layer has eight times as many.
WIDTHS: dict[str, int] = {"resnet18": 64, "resnet18-half": 32, "resnet18-quarter": 16}
# Weights that come with the package: `--image-weights sample`, made by train-image-weights.
SAMPLE_WEIGHTS = Path(__file__).parent / "weights" / "sample-resnet18-quarter.pth"

BLOCKS = (2, 2, 2, 2)  # residual blocks per layer of the 18-layer network


def width_of(backbone: str) -> int:
    """Base width of a backbone's name; an unknown name is one clear line."""
    try:
        return WIDTHS[backbone]
    except KeyError:
        known = ", ".join(WIDTHS)
        raise VggssError(f"{backbone}: no such backbone; choose one of {known}") from None


class ResNet18(nn.Module):
    """ResNet-18 without its classifier: pictures in, ReLU feature maps out.

    Parameters
    ----------
    width : int
        Channels of the stem; 64 is the published network.
    in_channels : int
        3 for pictures, 1 for spectrograms.
    stride : int
        Input pixels per feature: 32 as published, 16 with layer 4 unstrided (LVS: 14 x 14 at
        224 px), 8 with layers 3 and 4 unstrided.

    Shapes
    ------
    (B, in_channels, H, W) -> (B, 8 * width, H / stride, W / stride), rounded up; values >= 0.
    """

    def __init__(self, width: int = 64, in_channels: int = 3, stride: int = 16) -> None:
        super().__init__()
        if stride not in (8, 16, 32):
            raise ValueError(f"stride is 8, 16 or 32, not {stride}")
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _layer(width, width, BLOCKS[0], 1)
        self.layer2 = _layer(width, 2 * width, BLOCKS[1], 2)
        self.layer3 = _layer(2 * width, 4 * width, BLOCKS[2], 2 if stride > 8 else 1)
        self.layer4 = _layer(4 * width, 8 * width, BLOCKS[3], 2 if stride > 16 else 1)
        self.out_channels = 8 * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature map."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _layer(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` residual blocks; the first changes resolution and width."""
    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    first = BasicBlock(in_channels, out_channels, stride, shortcut)
    rest = (BasicBlock(out_channels, out_channels) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def load_image_weights(network: ResNet18, source: str, option: str = "--image-weights") -> None:
    """Start an image stream from given weights.

    Parameters
    ----------
    source : str
        ``imagenet`` (torchvision's ResNet-18, downloaded once), ``sample`` (the sample world's
        like of it, for ``resnet18-quarter``), ``none``, or the path of a state dict with
        torchvision's names; a classifier (``fc``) in it is left out.
    option : str
        What messages call ``source``.

    Raises
    ------
    VggssError
        If they cannot be had or do not fit, in one line.
    """
    if source == "none":
        return
    weights = _imagenet(network, option) if source == "imagenet" else read_image_weights(source)
    wanted = network.state_dict()
    missing = sorted(set(wanted) - set(weights))
    if missing:
        raise VggssError(
            f"{source}: not the weights of a ResNet-18 with torchvision's names "
            f"({len(missing)} missing, e.g. {missing[0]}); give a state dict of that form"
        )
    unknown = sorted(set(weights) - set(wanted))
    if unknown:  # a deeper network has all of these names, and more
        raise VggssError(
            f"{source}: not the weights of a ResNet-18 ({len(unknown)} more than it has, e.g. "
            f"{unknown[0]}); give those of torchvision's resnet18"
        )
    for name, value in wanted.items():
        if weights[name].shape != value.shape:
            raise VggssError(
                f"{source}: {name} is {tuple(weights[name].shape)}, the network has "
                f"{tuple(value.shape)}; choose the --image-backbone of the weights' width"
            )
        if not weights[name].isfinite().all():
            raise VggssError(f"{source}: {name} holds NaN or infinities; copy the file again")
    network.load_state_dict({name: weights[name] for name in wanted})


def _imagenet(network: ResNet18, option: str) -> Mapping[str, Tensor]:
    if network.out_channels != 8 * WIDTHS["resnet18"]:
        raise VggssError(
            "imagenet: there are weights for resnet18 only; "
            "use --image-backbone resnet18, or --image-weights none"
        )
    from torchvision.models import ResNet18_Weights

    weights = ResNet18_Weights.IMAGENET1K_V1
    try:
        return _without_classifier(weights.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a bad hash a RuntimeError
        reason = str(getattr(error, "reason", error)).splitlines()[0]
        raise VggssError(
            f"imagenet: cannot get {weights.url} ({reason}); "
            f"download it elsewhere and give its path with {option}"
        ) from None


def read_image_weights(source: str) -> Mapping[str, Tensor]:
    """Read a state dict from a file, ``sample`` or a path, without a classifier (``fc``).

    Raises
    ------
    VggssError
        If there is none.
    """
    path = weights_path(source)
    if not path.exists():
        raise VggssError(f"{source}: no such weights; give the path of a state dict")
    state = read_torch_file(path)
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state.get(key), dict):
            state = state[key]
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise VggssError(f"{path}: no state dict inside; give a file of named tensors")
    return _without_classifier(state)


def _without_classifier(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def weights_path(source: str) -> Path:
    """Return the file of ``sample`` or of a path."""
    return SAMPLE_WEIGHTS if source == "sample" else Path(source)


def weights_name(source: str) -> str:
    """Return what a configuration records of ``source``: a file is its name and its checksum."""
    if source in ("none", "imagenet"):
        return source
    path = weights_path(source)
    if not path.is_file():
        raise VggssError(
            f"{source}: no such weights; give the path of a state dict, imagenet, sample or none"
        )
    return f"{path.name}@{sha256_of(path)[:12]}"
