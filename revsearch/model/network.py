"""The one network that a space stands for: pixels in, vectors out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from revsearch.model.architecture import Architecture
from revsearch.model.embedder import embedder
from revsearch.model.precision import in_precision, optimised
from revsearch.space import EmbeddingSpace, Preprocess
from revsearch.specs import Precision

_EXAMPLE_BATCH = 2


class Normalise(nn.Module):
    """From pixels to what the first layer takes: scaled to 0..1, mean subtracted, divided by the deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 `[b, h, w, 3]` to float32 `[b, 3, h, w]`, channels last in memory."""
        return self.planes(pixels.permute(0, 3, 1, 2))

    def planes(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 `[b, 3, h, w]` to float32 of the same shape and order in memory."""
        return ((pixels.float() / 255) - self.mean) / self.std


def build_network(
    space: EmbeddingSpace, weights: Path | None, precision: Precision, device: str, *, optimise: bool
) -> nn.Module:
    """Return the network of a space, uint8 `[b, size, size, 3]` to float32 `[b, dim]`, ready to run on `device`.

    Raises:
        CorruptArtifact: reason `weights`, where the file is not one of the space's architecture.
    """
    size, whole = space.preprocess.size, embedder(space, weights)
    stages = in_precision(whole.backbone, precision)
    network = nn.Sequential(Normalise(space.preprocess), stages, whole.pooling, whole.head).eval()
    network = network.requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    if not optimise or precision != "fp32" or Architecture.parse(space.encoder).family.last is not None:
        return network
    return optimised(network, torch.zeros(_EXAMPLE_BATCH, size, size, 3, dtype=torch.uint8, device=device))
