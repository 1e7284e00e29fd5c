"""Losses on all similarities of a batch of embeddings, brought to unit length; pytorch-metric-learning's."""

from collections.abc import Callable, Iterator

import torch
from pytorch_metric_learning.losses.multi_similarity_loss import MultiSimilarityLoss
from pytorch_metric_learning.losses.ntxent_loss import NTXentLoss
from torch import Tensor, nn

from revsearch.model.losses import Term

_AT_ONCE = 4096  # anchors times images that NT-Xent compares in one go: all 60 of a batch, 4 of 1,000

_multi_similarity_loss: Callable[..., nn.Module] = MultiSimilarityLoss
_nt_xent_loss: Callable[..., nn.Module] = NTXentLoss


class MultiSimilarityTerm(nn.Module):
    """Multi-similarity loss on all pairs, set as in its paper (Wang et al. 2019, equation 6; without its mining)."""

    def __init__(self) -> None:
        super().__init__()
        self._loss = _multi_similarity_loss(alpha=2, beta=50, base=0.5)

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        return Term(self._loss(embeddings, classes))


class NTXentTerm(nn.Module):
    """NT-Xent: of each alike pair against the anchor's negatives, temperature 0.07 (Sohn 2016; Chen et al. 2020).

    The library compares every alike pair with every pair of others: 1 GB for a batch of 250, 16 times that for twice
    the batch. Anchors do not meet in this loss: a few at a time, it is the same and memory grows with the square alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loss = _nt_xent_loss(temperature=0.07)

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        value, n_alike = embeddings.sum() * 0, 0
        for rows in _rows(len(classes)):
            pairs = _pairs(classes, rows)
            mean = self._loss(embeddings[rows], classes[rows], pairs, embeddings, classes)
            value, n_alike = value + mean * len(pairs[0]), n_alike + len(pairs[0])
        return Term(value / max(1, n_alike))


def _rows(n_images: int) -> Iterator[slice]:
    """Yield the rows of a batch, a few together."""
    size = max(1, _AT_ONCE // n_images)
    return (slice(first, first + size) for first in range(0, n_images, size))


def _pairs(classes: Tensor, rows: slice) -> tuple[Tensor, ...]:
    """Return alike pairs and others of some anchors: numbers among these, and places in the batch; twice."""
    alike = classes[rows, None] == classes
    self_pairs = torch.eye(len(classes), dtype=torch.bool, device=classes.device)[rows]
    return *torch.where(alike & ~self_pairs), *torch.where(~alike)
