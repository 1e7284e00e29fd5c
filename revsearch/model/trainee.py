"""The network that is trained: views in, embeddings out, and of an autoencoder what it rebuilt of them."""

from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from revsearch.model.architecture import Architecture
from revsearch.model.autoencoder import Decoder
from revsearch.model.embedder import Embedder, embedder, fresh_embedder
from revsearch.model.freezing import freeze, hold_frozen, n_trained_blocks
from revsearch.model.head import head_layer, keep_geometry
from revsearch.model.network import Normalise
from revsearch.model.seeding import seeded
from revsearch.space import EmbeddingSpace
from revsearch.train_specs import AutoencoderSpec, FineTuneSpec, TrainSpec


class Output(NamedTuple):
    """What a network gives of a batch.

    Attributes:
        embeddings: float32 `[b, dim]`, of any length.
        rebuilt: float32 `[b, 3, s, s]`, pixels in 0..1; None where there is no decoder.
    """

    embeddings: Tensor
    rebuilt: Tensor | None


class Trainee(nn.Module):
    """A space's network in training.

    Attributes:
        embedder: what the encoder will be; its state dict is the encoder's weights file.
        decoder: the other half of an autoencoder, else None.
    """

    def __init__(self, normalise: Normalise, embedder: Embedder, decoder: Decoder | None, *, hold_norms: bool) -> None:
        """Put the parts together.

        Args:
            hold_norms: batch norms of the backbone keep their statistics while training.
        """
        super().__init__()
        self.normalise, self.embedder, self.decoder = normalise, embedder, decoder
        self._hold_norms = hold_norms

    def forward(self, views: Tensor) -> Output:
        """Embed views, uint8 `[b, 3, s, s]`."""
        x = self.normalise.planes(views.contiguous(memory_format=torch.channels_last))
        embeddings = self.embedder(x)
        rebuilt = None if self.decoder is None else self.decoder(embeddings, views.shape[-1]).float()
        return Output(embeddings.float(), rebuilt)

    def train(self, mode: bool = True) -> Self:
        """Change the mode of all but what is frozen, which evaluates always."""
        super().train(mode)
        if mode:
            hold_frozen(self.embedder.backbone, norms=self._hold_norms)
        return self


def start_trainee(
    spec: TrainSpec, space: EmbeddingSpace, start: EmbeddingSpace | None, start_weights: Path | None, device: str
) -> Trainee:
    """Return the network of a space before its first step; the same for the same spec, space and weights.

    What is not taken over from the start is drawn from the spec's seed. Blocks that are to keep what they know are
    frozen already.

    Args:
        space: what is to be trained, as `planned_space` gives it.
        start: what it starts from; None from scratch.
        start_weights: the start's weights file; None for random weights, which it names by their seed.
        device: torch's name of it.

    Raises:
        CorruptArtifact: reason `weights`, where the file is not one of the start's architecture.
    """
    with seeded(spec.seed):
        network = fresh_embedder(space) if start is None else _continued(space, start, start_weights)
        decoder = _decoder(spec, space)
    freeze(network, Architecture.parse(space.encoder), n_trained_blocks(spec, start))
    trainee = Trainee(Normalise(space.preprocess), network, decoder, hold_norms=_holds_norms(spec, start))
    return trainee.to(device).to(memory_format=torch.channels_last).train()


def _continued(space: EmbeddingSpace, start: EmbeddingSpace, weights: Path | None) -> Embedder:
    """Take over the start, with a new head where the space has one that the start has not."""
    network, top = embedder(start, weights), Architecture.parse(space.encoder).top
    if top != Architecture.parse(start.encoder).top:
        network.head = head_layer(top, start.dim, space.dim)
        keep_geometry(network.head)
    return network


def _decoder(spec: TrainSpec, space: EmbeddingSpace) -> Decoder | None:
    return Decoder(spec.width, space.dim, spec.output) if isinstance(spec, AutoencoderSpec) else None


def _holds_norms(spec: TrainSpec, start: EmbeddingSpace | None) -> bool:
    """Say whether batch norms keep their statistics: those of random weights say nothing of any picture."""
    if not isinstance(spec, FineTuneSpec) or start is None:
        return False
    if spec.batch_norm is None:
        return not start.weights.startswith("random-")
    return spec.batch_norm == "frozen"
