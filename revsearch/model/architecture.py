"""Names of networks, as an embedding space carries them: a trunk, and what stands on it once it was trained.

mobilenet_v2                torchvision's model, its weights a file of the whole model
mobilenet_v2+linear         the same, trained here: its weights a file of an `Embedder`
cnn-w32, cnn-w32+mlp        our own convolutional network, 32 channels first
autoencoder-w32             our own, whose last layer is the bottleneck
"""

import re
from dataclasses import dataclass
from typing import Literal, Self, get_args

from torch import nn

from revsearch.errors import InvalidSpec
from revsearch.model.autoencoder import bottleneck
from revsearch.model.backbone import backbone
from revsearch.model.convnet import conv_net
from revsearch.model.families import PLAIN, Family, build, family_of

Top = Literal["identity", "linear", "mlp"]

_NAME = re.compile(
    rf"(?P<trunk>(?:autoencoder|cnn)-w(?P<width>\d+)|[a-z0-9_]+)(?:\+(?P<top>{'|'.join(get_args(Top))}))?"
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network by name.

    Attributes:
        trunk: torchvision's name of a model, `cnn-w<width>` or `autoencoder-w<width>`.
        width: channels of the first convolution of our own networks, 0 of torchvision's.
        top: what stands on the pooled features; None where nothing does and the name does not say so.
    """

    trunk: str
    width: int = 0
    top: Top | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the network of a space's `encoder`.

        Raises:
            InvalidSpec: where it is computed by a formula and not by a network.
        """
        if (found := _NAME.fullmatch(name)) is None:
            raise InvalidSpec(
                f"--encoder: expected a neural network, found {name}, which has nothing to learn; name a torchvision "
                "model, or an encoder that was trained"
            )
        top: Top | None = next((each for each in get_args(Top) if each == found["top"]), None)
        return cls(found["trunk"], int(found["width"] or 0), top)

    def __str__(self) -> str:
        return self.trunk if self.top is None else f"{self.trunk}+{self.top}"

    @property
    def own(self) -> bool:
        """Whether the trunk is one of ours, and not torchvision's."""
        return self.width > 0

    @property
    def native(self) -> bool:
        """Whether the trunk is an autoencoder's, which ends on the embedding itself."""
        return self.trunk.startswith("autoencoder-")

    @property
    def as_published(self) -> bool:
        """Whether weights are torchvision's: of a whole model, classifier included."""
        return not self.own and self.top is None

    @property
    def family(self) -> Family:
        """What sets the trunk apart."""
        return PLAIN if self.own else family_of(self.trunk)

    def build_trunk(self, size: int, dim: int) -> nn.Module:
        """Build the trunk, `[b, 3, size, size]` to `[b, c, h, w]` or `[b, c]`, on the current default device.

        Args:
            dim: length of an autoencoder's bottleneck; other trunks have their own number of channels.
        """
        if self.native:
            return bottleneck(self.width, dim)
        return conv_net(self.width) if self.own else backbone(self.trunk, build(self.trunk, size))
