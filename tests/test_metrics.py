from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_precision,
    retrieval_r_precision,
    retrieval_recall,
)

from revsearch.metrics import (
    ap_at_k,
    ap_plain,
    ap_trapezoid,
    hit_rate_at_k,
    map_at_r,
    ns3_self_out,
    ns4_self_in,
    precision_at_k,
    r_precision,
    recall_at_k,
)

N, Q = 40, 30


def random_lists(seed: int) -> NDArray[np.bool_]:
    """Whole rankings `[q, n]` of queries with 1 to about n / 2 relevant images."""
    rng = np.random.default_rng(seed)
    lists = rng.random((Q, N)) < rng.uniform(0.02, 0.5, size=(Q, 1))
    lists[np.arange(Q), rng.integers(N, size=Q)] = True
    return lists


def ranks_of(lists: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.nonzero(lists)[1], lists.sum(axis=1)


def looped_ap(hits: NDArray[np.bool_], depth: int, divisor: int) -> float:
    total, found = 0.0, 0
    for place in range(1, depth + 1):
        if hits[place - 1]:
            found += 1
            total += found / place
    return total / divisor


def looped_trapezoid(hits: NDArray[np.bool_]) -> float:
    total, found = 0.0, 0
    for rank, hit in enumerate(hits):
        if hit:
            before = found / rank if rank else 1.0
            found += 1
            total += (before + found / (rank + 1)) / 2
    return total / found


@pytest.mark.parametrize(("ranks", "plain", "trapezoid"), [([0, 2, 5], 0.722, 0.678), ([1, 2, 3], 0.639, 0.514)])
def test_the_two_average_precisions_of_the_protocol(ranks: list[int], plain: float, trapezoid: float) -> None:
    n_relevant = np.array([3])
    assert ap_plain(np.array(ranks), n_relevant)[0] == pytest.approx(plain, abs=5e-4)
    assert ap_trapezoid(np.array(ranks), n_relevant)[0] == pytest.approx(trapezoid, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_full_rank_metrics_agree_with_loops(seed: int) -> None:
    lists = random_lists(seed)
    ranks, n_relevant = ranks_of(lists)
    for query, hits in enumerate(lists):
        R = int(hits.sum())
        assert ap_plain(ranks, n_relevant)[query] == pytest.approx(looped_ap(hits, N, R))
        assert ap_trapezoid(ranks, n_relevant)[query] == pytest.approx(looped_trapezoid(hits))
        assert map_at_r(ranks, n_relevant)[query] == pytest.approx(looped_ap(hits, R, R))
        assert r_precision(ranks, n_relevant)[query] == pytest.approx(sum(hits[:R]) / R)
        assert ns4_self_in(ranks, n_relevant)[query] == sum(hits[:4])
        assert ns3_self_out(ranks, n_relevant)[query] == sum(hits[:3])


@pytest.mark.parametrize("k", [1, 3, 10, N])
def test_served_metrics_agree_with_loops(k: int) -> None:
    lists = random_lists(0)
    R = lists.sum(axis=1)
    for query, hits in enumerate(lists):
        found = sum(hits[:k])
        assert hit_rate_at_k(lists, k)[query] == (found > 0)
        assert precision_at_k(lists, k)[query] == pytest.approx(found / k)
        assert recall_at_k(lists, R, k)[query] == pytest.approx(found / R[query])
        assert ap_at_k(lists, R, k)[query] == pytest.approx(looped_ap(hits, k, min(R[query], k)))


@pytest.mark.parametrize("k", [1, 5, 10])
def test_served_metrics_agree_with_torchmetrics(k: int) -> None:
    lists = random_lists(1)
    R = lists.sum(axis=1)
    ours = (hit_rate_at_k(lists, k), precision_at_k(lists, k), recall_at_k(lists, R, k))
    theirs = (retrieval_hit_rate, retrieval_precision, retrieval_recall)
    for figures, theirs_of_one in zip(ours, theirs, strict=True):
        assert figures == pytest.approx(judged_by(theirs_of_one, lists, top_k=k), abs=1e-6)


def test_full_rank_metrics_agree_with_torchmetrics() -> None:
    lists = random_lists(2)
    ranks, n_relevant = ranks_of(lists)
    assert ap_plain(ranks, n_relevant) == pytest.approx(judged_by(retrieval_average_precision, lists), abs=1e-6)
    assert r_precision(ranks, n_relevant) == pytest.approx(judged_by(retrieval_r_precision, lists), abs=1e-6)


def judged_by(metric: Callable[..., torch.Tensor], lists: NDArray[np.bool_], **options: int) -> NDArray[np.float64]:
    falling = torch.arange(N, 0, -1, dtype=torch.float32)
    return np.array([float(metric(falling, torch.from_numpy(hits), **options)) for hits in lists])


def test_perfect_lists_score_one() -> None:
    ranks, n_relevant = np.array([0, 1, 2, 0]), np.array([3, 1])
    for metric in (ap_plain, ap_trapezoid, map_at_r, r_precision):
        assert metric(ranks, n_relevant).tolist() == [1.0, 1.0]
    assert ap_at_k(np.array([[True, True, False]]), np.array([7]), 2).tolist() == [1.0]


def test_no_queries_give_no_figures() -> None:
    nothing = np.empty(0, np.int64)
    assert ap_plain(nothing, nothing).shape == (0,)
    assert recall_at_k(np.empty((0, 3), bool), nothing, 3).shape == (0,)


@pytest.mark.parametrize("k", [0, 4])
def test_a_depth_beyond_the_lists_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="expected k of 1 to 3"):
        hit_rate_at_k(np.zeros((2, 3), bool), k)


def test_queries_without_a_relevant_image_are_refused() -> None:
    with pytest.raises(ValueError, match="must be left out, found 1"):
        ap_plain(np.array([0]), np.array([1, 0]))
    with pytest.raises(ValueError, match="must be left out, found 2"):
        recall_at_k(np.zeros((2, 3), bool), np.array([0, 0]), 3)
