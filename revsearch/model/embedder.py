"""The network of a space, from normalised pixels to vectors: what is trained, saved and loaded as one."""

from pathlib import Path

from torch import Tensor, nn

from revsearch.model.architecture import Architecture
from revsearch.model.backbone import backbone, probe
from revsearch.model.convnet import channels_of
from revsearch.model.families import without_values
from revsearch.model.head import head_layer
from revsearch.model.pooling import pooling_layer
from revsearch.model.values import filled, learned, random
from revsearch.model.weights import load_state
from revsearch.space import EmbeddingSpace

_RANDOM = "random-"


class Embedder(nn.Module):
    """Backbone, pooling and head. The keys of its state dict begin with `backbone.` and `head.`."""

    def __init__(self, backbone: nn.Module, pooling: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.pooling, self.head = backbone, pooling, head

    def forward(self, x: Tensor) -> Tensor:
        """Embed normalised pictures `[b, 3, h, w]` as `[b, dim]`, of any length."""
        vectors: Tensor = self.head(self.pooling(self.backbone(x)))
        return vectors


def embedder(space: EmbeddingSpace, weights: Path | None) -> Embedder:
    """Return the network of a space with its values, float32, in evaluation mode.

    Args:
        space: architecture, input size, pooling and dim.
        weights: its state dict: of the whole model where it is torchvision's, else of an `Embedder`; None for the
            random weights that the space names by their seed.

    Raises:
        CorruptArtifact: reason `weights`, where the file is not one of the space's architecture.
    """
    architecture, size = Architecture.parse(space.encoder), space.preprocess.size
    if weights is None:
        model = random(architecture.trunk, size, int(space.weights.removeprefix(_RANDOM)))
    elif architecture.as_published:
        model = learned(architecture.trunk, size, weights)
    else:
        return filled(empty_embedder(space), load_state(weights), weights, f"an encoder {architecture}")
    return Embedder(backbone(architecture.trunk, model), pooling_layer(space.pooling), nn.Identity()).eval()


def fresh_embedder(space: EmbeddingSpace) -> Embedder:
    """Return the network of a space with new values, drawn from torch's generator on the current default device."""
    architecture = Architecture.parse(space.encoder)
    trunk = architecture.build_trunk(space.preprocess.size, space.dim)
    head = head_layer(architecture.top, _n_channels(architecture, space), space.dim)
    return Embedder(trunk, pooling_layer(space.pooling), head).eval()


def empty_embedder(space: EmbeddingSpace) -> Embedder:
    """Return the network of a space on the meta device: shapes without values, in no time."""
    with without_values():
        return fresh_embedder(space).to("meta")


def _n_channels(architecture: Architecture, space: EmbeddingSpace) -> int:
    if architecture.top in (None, "identity"):
        return space.dim
    return channels_of(architecture.width) if architecture.own else probe(architecture.trunk, space.preprocess.size)[1]
