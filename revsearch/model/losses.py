"""Losses with a margin, on a batch of embeddings brought to unit length, and what a loss tells of itself.

The losses are pytorch-metric-learning's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pytorch_metric_learning.losses.contrastive_loss import ContrastiveLoss
from pytorch_metric_learning.losses.triplet_margin_loss import TripletMarginLoss
from pytorch_metric_learning.reducers.avg_non_zero_reducer import AvgNonZeroReducer
from pytorch_metric_learning.reducers.mean_reducer import MeanReducer
from torch import Tensor, nn

from revsearch.model.miners import build_distance, build_miner, count_distinct
from revsearch.train_specs import Distance, Miner

_AT_MARGIN = 0.01  # distances this near count as equal; at unit length they reach 2

_triplet_loss: Callable[..., nn.Module] = TripletMarginLoss
_contrastive_loss: Callable[..., nn.Module] = ContrastiveLoss
_mean: Callable[[], nn.Module] = MeanReducer
_mean_of_active: Callable[[], nn.Module] = AvgNonZeroReducer


@dataclass(frozen=True, slots=True)
class Term:
    """A loss on one batch; what it has no notion of is None.

    Attributes:
        value: the loss, a scalar with its gradient.
        n_distinct_triplets: different triplets that the miner gave.
        active_share: share of the triplets (pairs) that still pull: see each loss.
        at_margin: whether all distances were equal, so that the loss was the margin itself.
    """

    value: Tensor
    n_distinct_triplets: int | None = None
    active_share: float | None = None
    at_margin: bool | None = None


class TripletTerm(nn.Module):
    """Triplet loss: a positive is to be nearer to its anchor than a negative, by a margin (Schroff et al. 2015).

    A triplet's loss is `max(0, d(a, p) - d(a, n) + margin)`; with a soft margin it is `ln(1 + exp(d(a, p) - d(a, n)))`
    and never zero (Hermans et al. 2017). The batch's loss is the mean of its hard triplets, and of all or the semi-hard
    ones the mean of those that are not zero: most of them are soon satisfied, and would drown the others.

    Active are triplets whose loss is not zero; with a soft margin those whose negative is no farther than the
    positive, and all semi-hard ones.
    """

    def __init__(self, miner: Miner, distance: Distance, margin: float | None) -> None:
        """Take a margin, or None for a soft one."""
        super().__init__()
        soft = margin is None
        self._distance = build_distance(distance)
        self._mine = build_miner(miner, distance, margin)
        self._margin = 0.0 if margin is None else margin
        self._all_active = soft and miner == "semihard"
        self._loss = _triplet_loss(
            margin=self._margin,
            smooth_loss=soft,
            distance=self._distance,
            reducer=_mean() if miner == "hard" else _mean_of_active(),
        )

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        triplets = self._mine(embeddings.detach(), classes)
        value = self._loss(embeddings, classes, triplets)
        excess = self._excess(embeddings.detach(), *triplets)
        return Term(
            value,
            n_distinct_triplets=count_distinct(triplets, len(embeddings)),
            active_share=1.0 if self._all_active and len(excess) else _share(excess + self._margin > 0),
            at_margin=_share(excess.abs() < _AT_MARGIN) == 1,
        )

    def _excess(self, embeddings: Tensor, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Return how much farther the positive is than the negative: `[t]`."""
        matrix = self._distance(embeddings)
        excess: Tensor = self._distance.margin(matrix[anchors, positives], matrix[anchors, negatives])  # type: ignore[operator]  # a method, which nn.Module declares as Tensor or Module
        return excess


class ContrastiveTerm(nn.Module):
    """Contrastive loss on all pairs: alike ones nearer than one margin, others farther than another.

    Hadsell, Chopra, LeCun: Dimensionality reduction by learning an invariant mapping, CVPR 2006, in its unsquared
    form. Alike pairs and others are averaged apart, each over those whose loss is not zero: these are the active ones.
    """

    def __init__(self, positive_margin: float, negative_margin: float) -> None:
        """Take both margins, Euclidean distances between embeddings of unit length."""
        super().__init__()
        self._distance = build_distance("euclidean")
        self._positive_margin, self._negative_margin = positive_margin, negative_margin
        self._loss = _contrastive_loss(
            pos_margin=positive_margin, neg_margin=negative_margin, distance=self._distance, reducer=_mean_of_active()
        )

    def forward(self, embeddings: Tensor, classes: Tensor) -> Term:
        """Measure embeddings `[b, dim]` of images of these classes, int64 `[b]`."""
        distances = self._distance(embeddings.detach())
        alike = classes[:, None] == classes[None, :]
        active = torch.where(alike, distances > self._positive_margin, distances < self._negative_margin)
        pairs = ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
        return Term(
            self._loss(embeddings, classes),
            active_share=_share(active[pairs]),
            at_margin=_share(distances[pairs] < _AT_MARGIN) == 1,
        )


def _share(holds: Tensor) -> float:
    """Return the share of true values, 0 of none."""
    return holds.float().mean().item() if len(holds) else 0.0
