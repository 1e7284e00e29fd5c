"""Which triplets of a batch count: pytorch-metric-learning's miners, and the distances they look through."""

from collections.abc import Callable, Mapping
from math import inf

import torch
from pytorch_metric_learning.distances.cosine_similarity import CosineSimilarity
from pytorch_metric_learning.distances.lp_distance import LpDistance
from pytorch_metric_learning.miners.batch_hard_miner import BatchHardMiner
from pytorch_metric_learning.miners.triplet_margin_miner import TripletMarginMiner
from torch import Tensor, nn

from revsearch.train_specs import Distance, Miner

Triplets = tuple[Tensor, Tensor, Tensor]  # anchors, positives, negatives: places in the batch, int64 [t] each
Mine = Callable[[Tensor, Tensor], Triplets]  # embeddings [b, dim] and their classes int64 [b] -> triplets

SEMIHARD_WINDOW = 0.2
"""How much farther than the positive a semi-hard negative may be where the margin is soft, and names no bound: the
margin of Schroff et al. 2015, FaceNet."""

_DISTANCES: Mapping[Distance, Callable[..., nn.Module]] = {"cosine": CosineSimilarity, "euclidean": LpDistance}
_HARD: Callable[..., Mine] = BatchHardMiner
_WITHIN: Callable[..., Mine] = TripletMarginMiner


def build_distance(distance: Distance) -> nn.Module:
    """Return the distance between all embeddings `[b, dim]` of a batch, brought to unit length: `[b, b]`.

    Cosine is a similarity there; its `margin(x, y)` is in both cases how much farther x is than y.
    """
    return _DISTANCES[distance]()


def build_miner(miner: Miner, distance: Distance, margin: float | None) -> Mine:
    """Return what picks triplets; it passes no gradient.

    - `all`: every (anchor, positive, negative), b (K - 1) (b - K) of them in a batch of classes of K; finding them, and
      the semi-hard ones among them, takes b^3 bytes (b = 1,000: 1 GB).
    - `semihard`: those whose negative is farther than the positive, but by no more than the margin
      (Schroff et al. 2015, FaceNet).
    - `hard`: for each anchor its farthest positive and its nearest negative (Hermans et al. 2017, In defense of the
      triplet loss).

    Args:
        miner: which.
        distance: what near and far mean; the loss's own.
        margin: of the loss; None where it is soft, then `SEMIHARD_WINDOW` bounds the semi-hard ones.
    """
    measure = build_distance(distance)
    if miner == "hard":
        return _HARD(distance=measure)
    if miner == "semihard":
        window = SEMIHARD_WINDOW if margin is None else margin
        return _WITHIN(margin=window, type_of_triplets="semihard", distance=measure)
    return _WITHIN(margin=inf, type_of_triplets="all", distance=measure)


def count_distinct(triplets: Triplets, n_images: int) -> int:
    """Return how many different triplets there are among those of a batch of so many images."""
    anchors, positives, negatives = triplets
    return len(torch.unique((anchors * n_images + positives) * n_images + negatives))
