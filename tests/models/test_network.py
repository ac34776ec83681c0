"""The two-stream network: shapes, names, weights."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from torchvision.models import resnet18  # noqa: E402

from vggss_tools.errors import InvalidInput, VggssError  # noqa: E402
from vggss_tools.models.lvs import LVS, Architecture, own_maps, pair_maps  # noqa: E402
from vggss_tools.models.resnet import (  # noqa: E402
    ResNet18,
    load_image_weights,
    weights_name,
    width_of,
)

SMALL = Architecture("resnet18-quarter", size=64, spectrogram="compact")


def test_the_full_network_has_the_papers_feature_maps() -> None:
    """At 224 px the picture becomes 14 x 14 x 512, the sound 17 x 13 x 512 (section 5.3)."""
    network = LVS(Architecture()).eval()
    with torch.inference_mode():
        assert network.image(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 14, 14)
        assert network.sound(torch.zeros(1, 1, 257, 200)).shape == (1, 512, 17, 13)
    assert Architecture().map_size == 14


@pytest.mark.parametrize(("stride", "side"), [(8, 8), (16, 4), (32, 2)])
def test_the_stride_sets_the_map(stride: int, side: int) -> None:
    """A smaller stride gives a finer map."""
    architecture = Architecture("resnet18-quarter", 64, stride, "compact")
    with torch.inference_mode():
        features = LVS(architecture).eval().encode_images(torch.rand(1, 3, 64, 64))
    assert features.shape == (1, 128, side, side)
    assert architecture.map_size == side


def test_maps_are_cosines_of_relu_features() -> None:
    """Every similarity lies in 0..1, and the own maps are the diagonal of all pairs."""
    torch.manual_seed(0)
    network = LVS(SMALL)
    images, sounds = torch.randn(3, 3, 64, 64), torch.randn(3, 1, 129, 100)
    maps = network(images, sounds)
    assert maps.shape == (3, 3, 4, 4)
    assert maps.dtype == torch.float32
    assert 0 <= maps.min() <= maps.max() <= 1 + 1e-6
    places, heard = torch.randn(3, 5, 4, 4), torch.randn(3, 5)
    diagonal = pair_maps(places, heard)[range(3), range(3)]
    assert torch.allclose(own_maps(places, heard), diagonal, atol=1e-6)


def test_sounds_of_any_length_are_heard() -> None:
    """The global pool takes the full-length spectrograms of testing as well."""
    with torch.inference_mode():
        assert LVS(SMALL).eval().encode_sounds(torch.rand(2, 1, 129, 333)).shape == (2, 128)


def test_names_and_values_are_torchvisions(tmp_path: Path) -> None:
    """Weights of torchvision's ResNet-18 load by name, and the features are then its own."""
    torch.manual_seed(1)
    theirs = resnet18().eval()
    path = tmp_path / "resnet18.pth"
    torch.save(theirs.state_dict(), path)
    ours = ResNet18(stride=32).eval()
    load_image_weights(ours, str(path))
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs.layer4(
            theirs.layer3(
                theirs.layer2(
                    theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x)))))
                )
            )
        )
        assert torch.equal(ours(x), expected)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    """Weights that do not fit name the tensor and the remedy."""
    path = tmp_path / "full.pth"
    torch.save({"model_state_dict": ResNet18(64).state_dict()}, path)
    with pytest.raises(VggssError, match="--image-backbone"):
        load_image_weights(ResNet18(16), str(path))


def test_files_without_such_weights_are_refused(tmp_path: Path) -> None:
    """A file of other tensors, of no tensors, or no file at all, is one line each."""
    other = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, other)
    with pytest.raises(VggssError, match="not the weights of a ResNet-18"):
        load_image_weights(ResNet18(16), str(other))
    torch.save({"epoch": 3}, other)
    with pytest.raises(VggssError, match="no state dict"):
        load_image_weights(ResNet18(16), str(other))
    text = tmp_path / "text.pth"
    text.write_text("hello")
    with pytest.raises(InvalidInput, match="not a readable checkpoint"):
        load_image_weights(ResNet18(16), str(text))
    with pytest.raises(VggssError, match="no such weights"):
        weights_name(str(tmp_path / "absent.pth"))


def test_imagenet_is_for_the_full_width_only() -> None:
    """There are no ImageNet weights for narrower networks, and the message says what to do."""
    with pytest.raises(VggssError, match="--image-weights none"):
        load_image_weights(ResNet18(16), "imagenet")


def test_imagenet_without_a_network_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the weights cannot be downloaded, the message says how to bring them."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing downloaded before
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # a port that nobody listens on
    with pytest.raises(VggssError, match="give its path with --image-weights") as raised:
        load_image_weights(ResNet18(64), "imagenet")
    assert "\n" not in raised.value.message


def test_none_leaves_the_network_as_it_is() -> None:
    """``none`` starts from the seed's own weights."""
    network = ResNet18(16)
    before = network.conv1.weight.clone()
    load_image_weights(network, "none")
    assert torch.equal(network.conv1.weight, before)


def test_the_name_of_weights_holds_their_checksum(tmp_path: Path) -> None:
    """A configuration tells two files of one name apart."""
    path = tmp_path / "w.pth"
    path.write_bytes(b"one")
    first = weights_name(str(path))
    path.write_bytes(b"two")
    assert first.startswith("w.pth@")
    assert weights_name(str(path)) != first
    assert weights_name("imagenet") == "imagenet"


def test_unknown_choices_are_refused() -> None:
    """An unknown backbone or stride names the known ones."""
    with pytest.raises(VggssError, match="resnet18-quarter"):
        width_of("resnet50")
    with pytest.raises(ValueError, match="8, 16 or 32"):
        ResNet18(stride=4)
