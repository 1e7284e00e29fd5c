"""What a preset minimises: the terms of its loss, weighted, on the embeddings of a whole global batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from revsearch.model.class_losses import ClassTerm, ProxyTerm
from revsearch.model.losses import ContrastiveTerm, Term, TripletTerm
from revsearch.model.seeding import seeded
from revsearch.model.similarity_losses import MultiSimilarityTerm, NTXentTerm
from revsearch.train_specs import (
    AutoencoderSpec,
    ClassifierSpec,
    ContrastiveSpec,
    Reconstruction,
    TrainSpec,
    TripletAutoencoderSpec,
    TripletSpec,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a step's loss is made of.

    Attributes:
        loss: what is minimised, a scalar with its gradient.
        parts: its terms before their weights, without gradients.
        n_distinct_triplets: different triplets that the miner gave; None where nothing is mined.
        active_share: share of the triplets (pairs) that still pull; None where there are none by design.
        at_margin: whether all distances were equal, what a collapsed network gives; None as above.
    """

    loss: Tensor
    parts: Mapping[str, Tensor]
    n_distinct_triplets: int | None = None
    active_share: float | None = None
    at_margin: bool | None = None


class Objective(nn.Module):
    """A preset's loss: telling classes apart, rebuilding pictures, staying near the start; whichever it has."""

    def __init__(
        self,
        classes: nn.Module | None = None,
        *,
        name: str = "",
        weight: float = 1.0,
        reconstruction: Reconstruction | None = None,
        distil: float = 0.0,
    ) -> None:
        """Put the terms together.

        Args:
            classes: a loss on embeddings and classes that gives a `Term`; None where classes are ignored.
            name: its name among the parts.
            weight: its weight.
            reconstruction: what is minimised between views and their reconstructions; None: nothing.
            distil: weight of staying near the start's embeddings; 0: free to go.
        """
        super().__init__()
        self._classes, self._name, self._weight = classes, name, weight
        self._reconstruction, self._distil = reconstruction, distil

    def forward(
        self,
        embeddings: Tensor,
        classes: Tensor,
        *,
        rebuilt: Tensor | None = None,
        views: Tensor | None = None,
        start: Tensor | None = None,
    ) -> Measured:
        """Measure a batch.

        Args:
            embeddings: float32 `[B, dim]`, gathered from all workers.
            classes: int64 `[B]`.
            rebuilt: this worker's own reconstructions, float32 `[b, 3, s, s]` in 0..1.
            views: the pictures they are held against, uint8 `[b, 3, s, s]`.
            start: what the start network makes of the same views, float32 `[B, dim]`.

        Raises:
            ValueError: where a term lacks what it is measured on.
        """
        term = self._classes(embeddings, classes) if self._classes is not None else None
        weighted: dict[str, tuple[float, Tensor]] = {}
        if term is not None:
            weighted[self._name] = self._weight, term.value
        if self._reconstruction is not None:
            weighted["reconstruction"] = 1.0, _reconstruction_loss(self._reconstruction, rebuilt, views)
        if self._distil:
            weighted["distil"] = self._distil, _distance_to_start(embeddings, start)
        return _measured(weighted, term)


def build_objective(spec: TrainSpec, dim: int, n_classes: int) -> Objective:
    """Build a preset's objective; what it learns itself begins at random, the same for the same seed.

    Args:
        spec: the preset.
        dim: length of an embedding.
        n_classes: how many classes are trained on; their numbers are 0 to n_classes - 1.

    Raises:
        TypeError: for a spec that is no preset.
    """
    with seeded(spec.seed):
        return _build(spec, dim, n_classes)


def _build(spec: TrainSpec, dim: int, n_classes: int) -> Objective:
    match spec:
        case TripletAutoencoderSpec():
            triplet = TripletTerm(spec.miner, spec.distance, spec.margin)
            weight = spec.triplet_weight
            return Objective(triplet, name="triplet", weight=weight, reconstruction=spec.reconstruction)
        case AutoencoderSpec():
            return Objective(reconstruction=spec.reconstruction)
        case TripletSpec():
            return Objective(_metric_term(spec, dim, n_classes), name=spec.loss, distil=spec.distil)
        case ContrastiveSpec():
            pairs = ContrastiveTerm(spec.positive_margin, spec.negative_margin)
            return Objective(pairs, name="contrastive", distil=spec.distil)
        case ClassifierSpec():
            return Objective(ClassTerm(dim, n_classes, spec.label_smoothing), name="classification")
    raise TypeError(f"expected one of the presets' specs, found {type(spec).__name__}")


def _metric_term(spec: TripletSpec, dim: int, n_classes: int) -> nn.Module:
    match spec.loss:
        case "triplet":
            return TripletTerm(spec.miner, spec.distance, spec.margin)
        case "multi-similarity":
            return MultiSimilarityTerm()
        case "nt-xent":
            return NTXentTerm()
        case "arcface" | "proxy-anchor":
            return ProxyTerm(spec.loss, dim, n_classes)


def _measured(weighted: Mapping[str, tuple[float, Tensor]], term: Term | None) -> Measured:
    loss = torch.stack([weight * value for weight, value in weighted.values()]).sum()
    parts = {name: value.detach() for name, (_, value) in weighted.items()}
    if term is None:
        return Measured(loss, parts)
    return Measured(loss, parts, term.n_distinct_triplets, term.active_share, term.at_margin)


def _reconstruction_loss(kind: Reconstruction, rebuilt: Tensor | None, views: Tensor | None) -> Tensor:
    """Return the mean over all pixels and channels, both in 0..1."""
    if rebuilt is None or views is None:
        raise ValueError("reconstruction: expected views and their reconstructions, found none")
    pictures = views.to(rebuilt.dtype) / 255
    return functional.mse_loss(rebuilt, pictures) if kind == "mse" else functional.l1_loss(rebuilt, pictures)


def _distance_to_start(embeddings: Tensor, start: Tensor | None) -> Tensor:
    """Return one minus the cosine to the start's embeddings, in the mean."""
    if start is None or start.shape != embeddings.shape:
        found = None if start is None else tuple(start.shape)
        raise ValueError(f"distil: expected the start's embeddings {tuple(embeddings.shape)}, found {found}")
    return (1 - functional.cosine_similarity(embeddings, start)).mean()
