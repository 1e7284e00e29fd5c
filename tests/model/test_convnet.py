import pytest
import torch

from revsearch.model.convnet import MIN_SIZE, N_STAGES, channels_of, conv_net


@pytest.mark.parametrize("width", [4, 5, 32])
@pytest.mark.parametrize("size", [MIN_SIZE, 45, 96])
def test_each_stage_halves_the_sides(width: int, size: int) -> None:
    side = size
    for _ in range(N_STAGES):
        side = -(-side // 2)
    with torch.device("meta"):
        assert conv_net(width)(torch.zeros(2, 3, size, size)).shape == (2, channels_of(width), side, side)


def test_channels_begin_with_the_width_and_double() -> None:
    widths = [layer.out_channels for layer in conv_net(6) if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [6, 6, 12, 12, 24, 24, 48, 48]


@torch.inference_mode()
def test_a_picture_does_not_see_the_others_of_its_batch() -> None:
    torch.manual_seed(0)
    network, x = conv_net(8).train(), torch.randn(4, 3, 40, 40)
    apart = torch.cat([network(row[None]) for row in x])
    torch.testing.assert_close(network(x), apart, rtol=1e-4, atol=1e-5)
