import pytest
import torch

from revsearch.errors import InvalidSpec
from revsearch.model.architecture import Architecture


@pytest.mark.parametrize(
    ("name", "trunk", "width", "top"),
    [
        ("mobilenet_v2", "mobilenet_v2", 0, None),
        ("mobilenet_v2+identity", "mobilenet_v2", 0, "identity"),
        ("resnext101_32x8d+linear", "resnext101_32x8d", 0, "linear"),
        ("cnn-w32", "cnn-w32", 32, None),
        ("cnn-w8+mlp", "cnn-w8", 8, "mlp"),
        ("autoencoder-w512", "autoencoder-w512", 512, None),
    ],
)
def test_names_are_read_and_written_alike(name: str, trunk: str, width: int, top: str | None) -> None:
    found = Architecture.parse(name)
    assert (found.trunk, found.width, found.top) == (trunk, width, top)
    assert str(found) == name
    assert found.own == (width > 0)
    assert found.as_published == (name == "mobilenet_v2")


@pytest.mark.parametrize("name", ["color-histogram", "cnn-w", "resnet18+conv", "resnet18+", "+linear", "", "a+b+c"])
def test_what_is_no_network_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="--encoder: expected a neural network, found"):
        Architecture.parse(name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("squeezenet1_1+linear", (2, 512, 3, 3)), ("cnn-w4", (2, 32, 4, 4)), ("autoencoder-w4", (2, 7))],
)
def test_trunks_give_a_map_or_a_bottleneck(name: str, shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        trunk = Architecture.parse(name).build_trunk(64, 7)
        assert trunk(torch.zeros(2, 3, 64, 64)).shape == shape
