"""A convolutional autoencoder: picture to bottleneck, and bottleneck to picture. The bottleneck is the embedding."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from revsearch.model.convnet import N_STAGES, channels_of, conv_net, convolution
from revsearch.train_specs import Output

_SIDE = 4  # of the map that the bottleneck is made of: where things are matters to what is rebuilt


def bottleneck(width: int, dim: int) -> nn.Sequential:
    """Return the encoder's half, `[b, 3, h, w]` to `[b, dim]`."""
    flat = channels_of(width) * _SIDE**2
    return nn.Sequential(*conv_net(width), nn.AdaptiveAvgPool2d(_SIDE), nn.Flatten(), nn.Linear(flat, dim))


class Decoder(nn.Module):
    """The decoder's half: each stage enlarges by repeating pixels, then convolves.

    Transposed convolutions would leave checkerboards (Odena, Dumoulin, Olah 2016, Deconvolution and Checkerboard
    Artifacts).
    """

    def __init__(self, width: int, dim: int, output: Output) -> None:
        super().__init__()
        channels = [width * 2**stage for stage in reversed(range(N_STAGES))]
        self.start = nn.Sequential(nn.Linear(dim, channels[0] * _SIDE**2), nn.Unflatten(1, (channels[0], _SIDE, _SIDE)))
        self.stages = nn.ModuleList(nn.Sequential(*convolution(*pair)) for pair in pairwise(channels))
        self.last = nn.Conv2d(channels[-1], 3, 3, padding=1)
        self.output = nn.Sigmoid() if output == "sigmoid" else nn.Identity()

    def forward(self, embeddings: Tensor, size: int) -> Tensor:
        """Rebuild pictures `[b, 3, size, size]` from `[b, dim]`; pixels lie in 0..1, or are trained to."""
        x = self.start(embeddings)
        for stage, convolve in enumerate(self.stages):
            x = convolve(_enlarge(x, size, N_STAGES - 1 - stage))
        pixels: Tensor = self.output(self.last(_enlarge(x, size, 0)))
        return pixels


def _enlarge(x: Tensor, size: int, n_halvings: int) -> Tensor:
    """Repeat pixels up to the sides of a picture that was halved so often, rounded up as convolutions do."""
    return functional.interpolate(x, size=-(-size // 2**n_halvings), mode="nearest")
