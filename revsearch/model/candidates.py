"""What a training run may hand out: the start, and weights between the start's and the trained ones.

Weights averaged between a pretrained start and what fine-tuning made of it were more accurate than either where images
are unlike those fine-tuned on (Wortsman et al. 2022, Robust fine-tuning of zero-shot models: CLIP's classifiers, under
distribution shift). Whether they rank classes that were never trained on better is for each run's validation to say.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from revsearch.model.learner import Learner
from revsearch.model.loader import Batch
from revsearch.model.trainee import Trainee


def mixed(learner: Learner, share: float) -> Trainee:
    """Return a network `share` of the way from the start's weights to the trained ones, ready to embed."""
    network = copy.deepcopy(learner.trainee).eval()
    if share == 1:
        return network
    start, trained = learner.start.state_dict(), learner.trainee.state_dict()
    network.load_state_dict({name: _between(start[name], value, share) for name, value in trained.items()})
    return network


def chosen(learner: Learner, weights: Mapping[str, Tensor] | None) -> Trainee:
    """Return the network that a run hands out: with these weights; the start where there are none."""
    network = copy.deepcopy(learner.start if weights is None else learner.trainee).eval()
    if weights is not None:
        network.load_state_dict(dict(weights))
    return network


def weights_of(network: Trainee) -> dict[str, Tensor]:
    """Return a copy of a network's weights, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def save_weights(network: Trainee, path: Path) -> None:
    """Write the weights of a network's embedder, which is the encoder, as safetensors."""
    weights = network.embedder.state_dict()
    safetensors.torch.save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, path)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a network makes of pictures.

    Attributes:
        vectors: float32 `[n, dim]`.
        errors: mean squared error of each reconstruction, float32 `[n]`; None where there is no decoder.
    """

    vectors: NDArray[np.float32]
    errors: NDArray[np.float32] | None


@torch.inference_mode()
def embed(networks: Sequence[Trainee], batches: Iterable[Batch], device: str) -> list[Embedded]:
    """Embed the same pictures by several networks; each is decoded once."""
    outputs: list[list[tuple[Tensor, Tensor | None]]] = [[] for _ in networks]
    for batch in batches:
        views = batch.views.to(device, non_blocking=True)
        for network, found in zip(networks, outputs, strict=True):
            output = network(views)
            found.append((output.embeddings.cpu(), _errors(output.rebuilt, views)))
    return [_together(found) for found in outputs]


@torch.inference_mode()
def reconstruct(network: Trainee, batch: Batch, device: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pictures of a batch and what the network rebuilds of them, uint8 `[b, size, size, 3]` each.

    Raises:
        ValueError: where the network has no decoder.
    """
    rebuilt = network(batch.views.to(device)).rebuilt
    if rebuilt is None:
        raise ValueError("expected an autoencoder, found a network without a decoder")
    shown = (rebuilt.clamp(0, 1) * 255).round().byte().cpu()
    originals, pictures = (each.permute(0, 2, 3, 1).contiguous().numpy() for each in (batch.views, shown))
    return originals, pictures


def _errors(rebuilt: Tensor | None, views: Tensor) -> Tensor | None:
    return None if rebuilt is None else (rebuilt - views / 255).square().mean((1, 2, 3)).cpu()


def _together(found: Sequence[tuple[Tensor, Tensor | None]]) -> Embedded:
    if not found:
        return Embedded(np.empty((0, 0), np.float32), None)
    errors = [each for _, each in found if each is not None]
    vectors = torch.cat([vectors for vectors, _ in found]).numpy()
    return Embedded(vectors, torch.cat(errors).numpy() if errors else None)


def _between(start: Tensor, trained: Tensor, share: float) -> Tensor:
    return torch.lerp(start, trained, share) if trained.is_floating_point() else trained
