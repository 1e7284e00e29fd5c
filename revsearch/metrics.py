"""Metrics: one function each, one figure a query. A metric's name carries its convention; means are taken later.

q queries; R a query's number of relevant gallery images; rel(i) in {0, 1} whether place i (from 1) holds one;
P(i) the precision of the first i places. Junk is taken out before: later images move up. Queries without a relevant
image are left out by the caller.

Served metrics come from `hits` `[q, k]`, the lists that users were given. Full-rank metrics come from `ranks`, the
0-based ranks of all relevant images in the whole gallery, ascending within a query, queries one after another:
`[sum(n_relevant)]`.
"""

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]  # [q, k], best first
Ranks = NDArray[np.int64]  # [sum(n_relevant)]
Counts = NDArray[np.int64]  # [q], R of each query, at least 1
Figures = NDArray[np.float64]  # [q]


def hit_rate_at_k(hits: Hits, k: int) -> Figures:
    """1 where one of the first k is relevant.

    Top-k accuracy of course competitions, R@k of metric-learning papers (Jégou et al. 2011), CMC@k.
    """
    return np.asarray(_first(hits, k).any(axis=1), np.float64)


def precision_at_k(hits: Hits, k: int) -> Figures:
    """Relevant ones among the first k, divided by k, also where fewer than k are relevant at all (Manning 2008)."""
    return np.asarray(_first(hits, k).sum(axis=1) / k, np.float64)


def recall_at_k(hits: Hits, n_relevant: Counts, k: int) -> Figures:
    """Relevant ones among the first k, divided by R (Manning et al. 2008, 8.3)."""
    return np.asarray(_first(hits, k).sum(axis=1) / _at_least_one(n_relevant), np.float64)


def ap_at_k(hits: Hits, n_relevant: Counts, k: int) -> Figures:
    """`Σ_{i<=k} rel(i) P(i) / min(R, k)`: 1 where the list could not be better."""
    first = _first(hits, k)
    precision = np.cumsum(first, axis=1) / np.arange(1, k + 1)
    return np.asarray((precision * first).sum(axis=1) / np.minimum(_at_least_one(n_relevant), k), np.float64)


def ap_plain(ranks: Ranks, n_relevant: Counts) -> Figures:
    """`(1/R) Σ rel(i) P(i)` over the whole gallery: its mean is mAP (Manning et al. 2008, 8.4)."""
    return _mean_of(_precisions(ranks, n_relevant), n_relevant)


def ap_trapezoid(ranks: Ranks, n_relevant: Counts) -> Figures:
    """Area under the precision-recall curve by trapezoids (Philbin et al. 2007: Oxford, Paris, Market).

    The j-th hit (from 0) at rank r (from 0) adds `((j / r if r > 0 else 1) + (j + 1) / (r + 1)) / 2 / R`.
    """
    before = np.where(ranks > 0, _ordinals(n_relevant) / np.maximum(ranks, 1), 1.0)
    return _mean_of((before + _precisions(ranks, n_relevant)) / 2, n_relevant)


def map_at_r(ranks: Ranks, n_relevant: Counts) -> Figures:
    """`(1/R) Σ_{i<=R} rel(i) P(i)` (Musgrave et al. 2020)."""
    return _mean_of(_precisions(ranks, n_relevant) * (ranks < np.repeat(n_relevant, n_relevant)), n_relevant)


def r_precision(ranks: Ranks, n_relevant: Counts) -> Figures:
    """Relevant ones among the first R, divided by R (Manning et al. 2008, 8.4)."""
    return _mean_of((ranks < np.repeat(n_relevant, n_relevant)).astype(np.float64), n_relevant)


def ns4_self_in(ranks: Ranks, n_relevant: Counts) -> Figures:
    """Relevant ones among the first 4, the query itself among them: 0 to 4 (Nistér & Stewénius 2006, UKBench)."""
    return _sum_of((ranks < 4).astype(np.float64), n_relevant)


def ns3_self_out(ranks: Ranks, n_relevant: Counts) -> Figures:
    """Relevant ones among the first 3, the query itself left out: 0 to 3, and `ns4_self_in` less 1."""
    return _sum_of((ranks < 3).astype(np.float64), n_relevant)


def _first(hits: Hits, k: int) -> Hits:
    if not 1 <= k <= hits.shape[1]:
        raise ValueError(f"expected k of 1 to {hits.shape[1]}, the length of the lists, found {k}")
    return hits[:, :k]


def _at_least_one(n_relevant: Counts) -> Counts:
    if np.any(n_relevant < 1):
        raise ValueError(f"queries without a relevant image must be left out, found {np.sum(n_relevant < 1)}")
    return n_relevant


def _ordinals(n_relevant: Counts) -> NDArray[np.int64]:
    """Return for each rank how many hits of its query come before it, `[sum(n_relevant)]`."""
    starts = np.cumsum(n_relevant) - n_relevant
    return np.asarray(np.arange(n_relevant.sum()) - np.repeat(starts, n_relevant), np.int64)


def _precisions(ranks: Ranks, n_relevant: Counts) -> NDArray[np.float64]:
    """Return the precision at each hit, `[sum(n_relevant)]`."""
    return np.asarray((_ordinals(n_relevant) + 1) / (ranks + 1), np.float64)


def _sum_of(figures: NDArray[np.float64], n_relevant: Counts) -> Figures:
    owners = np.repeat(np.arange(len(n_relevant)), _at_least_one(n_relevant))
    return np.asarray(np.bincount(owners, figures, minlength=len(n_relevant)), np.float64)


def _mean_of(figures: NDArray[np.float64], n_relevant: Counts) -> Figures:
    return np.asarray(_sum_of(figures, n_relevant) / n_relevant, np.float64)
