import pytest
import torch

from revsearch.model.autoencoder import Decoder, bottleneck


@pytest.mark.parametrize("size", [32, 45, 64, 100])
@pytest.mark.parametrize("width", [4, 5])
def test_pictures_of_any_size_are_rebuilt_at_their_size(size: int, width: int) -> None:
    with torch.device("meta"):
        embeddings = bottleneck(width, 7)(torch.zeros(2, 3, size, size))
        assert embeddings.shape == (2, 7)
        assert Decoder(width, 7, "sigmoid")(embeddings, size).shape == (2, 3, size, size)


def test_a_sigmoid_keeps_pixels_in_their_range_and_a_linear_layer_does_not() -> None:
    torch.manual_seed(0)
    far = 1e4 * torch.randn(4, 7)
    pixels = Decoder(4, 7, "sigmoid")(far, 32)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert Decoder(4, 7, "linear")(far, 32).abs().max() > 1


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_learns_to_rebuild_a_few_pictures(output) -> None:
    torch.manual_seed(0)
    pictures = torch.rand(4, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    encode, decode = bottleneck(8, 8), Decoder(8, 8, output)
    optimizer = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=3e-3)
    losses = []
    for _ in range(100):
        loss = torch.nn.functional.mse_loss(decode(encode(2 * pictures - 1), 32), pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * (pictures - pictures.mean(0)).square().mean()  # the mean picture would give all of it
