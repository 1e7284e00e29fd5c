"""Our own convolutional network, for training from scratch on pictures of any size from 32 pixels.

Group norms stand where batch norms usually do (Wu and He 2018, Group Normalization): they see one picture at a time,
so that several workers compute what one would, and training what embedding does.

Activations are SiLU: an autoencoder with ReLU rebuilds the mean picture for its first eight epochs (444 pictures at 64
pixels, width 16), one with SiLU leaves it in the second, and after 15 its error is .028 instead of .037.
"""

from itertools import pairwise
from math import gcd

from torch import nn

N_STAGES = 4  # each halves the sides and, from the second on, doubles the channels
MIN_SIZE = 32  # leaves 2 x 2 to pool

_GROUPS = 8


def conv_net(width: int) -> nn.Sequential:
    """Return a network `[b, 3, h, w]` to `[b, channels_of(width), h / 16, w / 16]`, two convolutions a stage."""
    channels = [3, *(width * 2**stage for stage in range(N_STAGES))]
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [*convolution(before, after, stride=2), *convolution(after, after)]
    return nn.Sequential(*layers)


def channels_of(width: int) -> int:
    """Return how many channels the network's feature map has."""
    return int(width * 2 ** (N_STAGES - 1))


def convolution(before: int, after: int, *, stride: int = 1) -> list[nn.Module]:
    """Return the layers of a 3 x 3 convolution with its norm and activation; a stride of 2 halves the sides."""
    return [
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(gcd(_GROUPS, after), after),
        nn.SiLU(),
    ]
