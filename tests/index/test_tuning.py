import numpy as np
import pytest

from revsearch.index import tuning as tuning_module
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.tuning import ann_recall_at_k, tune_ef


def pair(vectors, metric, M):
    graph = HnswGraph.build(vectors, metric, M=M, ef_construction=20, seed=0, threads=1)
    return graph, ExactIndex(vectors, metric)


def naive_recall(found, exact):
    return sum(len(set(ours) & set(theirs)) for ours, theirs in zip(found, exact, strict=True)) / exact.size


@pytest.mark.parametrize("target", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("k", [1, 10])
def test_reaches_the_target_by_naive_counting_and_not_much_narrower(clustered, metric, k, target):
    data = clustered(3000, 32)
    graph, exact = pair(data.gallery(metric), metric, M=4)
    tuning = tune_ef(graph, exact, data.queries, k, target)
    truth = exact.search(data.queries, k)[0]
    assert tuning.ann_recall >= target
    assert (tuning.k, tuning.n_queries, tuning.target) == (k, 100, target)
    # ties apart, of which these vectors have none
    found = naive_recall(graph.search(data.queries, k, ef=tuning.ef).rows, truth)
    assert found == pytest.approx(tuning.ann_recall)
    narrower = tuning.ef - max(1, tuning.ef // 20)
    if narrower >= k:
        assert naive_recall(graph.search(data.queries, k, ef=narrower).rows, truth) < target


def test_an_unreachable_target_gives_the_best_there_is(monkeypatch):
    """A cluster far off, which no link leads to: no ef finds it."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.zeros((400, 8)), rng.normal(size=(400, 8)) + 100]).astype(np.float32)
    vectors[:400, 0] = 1
    graph, exact = pair(vectors, "l2", M=2)
    monkeypatch.setattr(tuning_module, "MAX_EF", 64)
    tuning = tune_ef(graph, exact, vectors[400:450], 20, 1.0)
    assert tuning.ann_recall < 1
    assert tuning.ef <= 64
    recalls = [
        ann_recall_at_k(*graph.search(vectors[400:450], 20, ef=ef)[:2], *exact.search(vectors[400:450], 20))
        for ef in (20, 40, 64)
    ]
    assert tuning.ann_recall == max(recalls)


def test_k_beyond_the_gallery_is_tuned_at_the_gallery(clustered):
    data = clustered(40, 8)
    tuning = tune_ef(*pair(data.gallery("l2"), "l2", 8), data.queries, 100, 0.99)
    assert (tuning.ef, tuning.k, tuning.ann_recall) == (40, 40, 1.0)


def test_no_queries_leave_the_narrowest_search(clustered):
    tuning = tune_ef(*pair(clustered(40, 8).raw, "l2", 8), np.zeros((0, 8), np.float32), 10, 0.99)
    assert (tuning.ef, tuning.n_queries) == (10, 0)


@pytest.mark.parametrize(
    ("found", "scores", "recall"),
    [
        ([1, 2, 3], [0.9, 0.8, 0.7], 1.0),
        ([3, 2, 1], [0.9, 0.8, 0.7], 1.0),
        ([1, 2, 9], [0.9, 0.8, 0.7], 1.0),  # ties with the third
        ([1, 2, 9], [0.9, 0.8, 0.7 - 5e-7], 1.0),
        ([1, 2, 9], [0.9, 0.8, 0.7 - 5e-6], 2 / 3),
        ([7, 8, 9], [0.6, 0.5, 0.4], 0.0),
        ([1, 2, 3], [0.9, 0.8, 0.69], 1.0),  # the row itself, its score off
    ],
)
def test_ann_recall_counts_ties_as_found(found, scores, recall):
    exact = np.array([[1, 2, 3]]), np.array([[0.9, 0.8, 0.7]], np.float32)
    assert ann_recall_at_k(np.array([found]), np.array([scores], np.float32), *exact) == pytest.approx(recall)


def test_ties_of_large_distances_are_relative():
    exact = np.array([[1]]), np.array([[-1000]], np.float32)
    assert ann_recall_at_k(np.array([[2]]), np.array([[-1000.0005]], np.float32), *exact) == 1
    assert ann_recall_at_k(np.array([[2]]), np.array([[-1000.01]], np.float32), *exact) == 0
