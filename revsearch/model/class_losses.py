"""Losses that learn a vector a class beside the embeddings."""

from collections.abc import Callable, Mapping
from typing import Literal

from pytorch_metric_learning.losses.arcface_loss import ArcFaceLoss
from pytorch_metric_learning.losses.proxy_anchor_loss import ProxyAnchorLoss
from torch import Tensor, nn

from revsearch.model.losses import Term

_PROXY_LOSSES: Mapping[str, Callable[..., nn.Module]] = {"arcface": ArcFaceLoss, "proxy-anchor": ProxyAnchorLoss}


class ProxyTerm(nn.Module):
    """A loss between embeddings and a vector a class, both brought to unit length; pytorch-metric-learning's.

    ArcFace (Deng et al. 2019) has scale 64 and a margin of 28.6 degrees, ProxyAnchor (Kim et al. 2020) scale 32 and a
    margin of 0.1, as in their papers.
    """

    def __init__(self, loss: Literal["arcface", "proxy-anchor"], dim: int, n_classes: int) -> None:
        super().__init__()
        self._loss = _PROXY_LOSSES[loss](num_classes=n_classes, embedding_size=dim)

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        return Term(self._loss(embeddings, classes))


class ClassTerm(nn.Module):
    """Cross-entropy of a linear layer on the embeddings as they are, with smoothed labels (Szegedy et al. 2016)."""

    def __init__(self, dim: int, n_classes: int, label_smoothing: float) -> None:
        super().__init__()
        self._scores = nn.Linear(dim, n_classes)
        self._loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        return Term(self._loss(self._scores(embeddings), classes))
