"""From a feature map to one vector."""

from torch import Tensor, nn

from revsearch.space import Pooling


class Average(nn.Module):
    """Global average pooling (`gap`): the mean of each channel."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool `[b, c, h, w]` to `[b, c]`."""
        return features.mean((2, 3))


class Maximum(nn.Module):
    """Global maximum pooling (`max`, called MAC where it is used for retrieval)."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool `[b, c, h, w]` to `[b, c]`."""
        return features.amax((2, 3))


class GeneralizedMean(nn.Module):
    """GeM: the p-mean of each channel; 1 is the average, infinity the maximum.

    Radenović, Tolias, Chum: Fine-tuning CNN image retrieval with no human annotation, TPAMI 2018 (p = 3).
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p, self.eps = p, eps

    def forward(self, features: Tensor) -> Tensor:
        """Pool `[b, c, h, w]` to `[b, c]`; what lies below `eps` counts as `eps`."""
        return features.clamp(min=self.eps).pow(self.p).mean((2, 3)).pow(1 / self.p)


def pooling_layer(pooling: Pooling) -> nn.Module:
    """Return the layer that pools; `native` changes nothing, since the backbone gives a vector already."""
    layers: dict[Pooling, type[nn.Module]] = {
        "gap": Average,
        "max": Maximum,
        "gem": GeneralizedMean,
        "native": nn.Identity,
    }
    return layers[pooling]()
