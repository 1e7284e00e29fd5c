import numpy as np
import pytest

from revsearch.errors import SpaceMismatch
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.tuned import TunedGraph


def pair(vectors, metric, M=16):
    graph = HnswGraph.build(vectors, metric, M=M, ef_construction=50, seed=0, threads=1)
    return graph, ExactIndex(vectors, metric)


def test_short_queries_are_answered_exactly():
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 16)), 60, axis=0).astype(np.float32)
    queries = rng.normal(size=(50, 16)).astype(np.float32)
    graph, exact = pair(vectors, "l2", M=4)
    tuned = TunedGraph(graph, exact, 500)
    rows, scores = tuned.search(queries, 500)
    short = graph.search(queries, 500, ef=500).short
    assert 0 < short.sum() < 50
    assert np.array_equal(rows[short], exact.search(queries[short], 500)[0])
    assert (rows >= 0).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("spread", [0, 1e-7, 1e-3])
def test_a_thousand_near_equal_vectors_always_give_k_results(metric, spread):
    rng = np.random.default_rng(0)
    vectors = (np.ones(16) / 4 + spread * rng.normal(size=(1000, 16))).astype(np.float32)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for k in (1, 10, 999, 2000):
        rows, scores = TunedGraph(*pair(vectors, metric), 10).search(vectors[:20], k)
        assert rows.shape == scores.shape == (20, min(k, 1000))
        assert all(len(set(row)) == len(row) for row in rows.tolist())


def test_an_untroubled_graph_never_asks_for_exact_search(clustered, metric, monkeypatch):
    data = clustered(1000, 16)
    tuned = TunedGraph(*pair(data.gallery(metric), metric), 50)
    monkeypatch.setattr(ExactIndex, "search", None)
    assert len(tuned) == 1000
    assert tuned.search(data.queries, 10)[0].shape == (100, 10)


def test_a_graph_of_other_vectors_is_refused(clustered):
    graph, _ = pair(clustered(100, 8).gallery("l2"), "l2")
    with pytest.raises(SpaceMismatch, match="the graph has"):
        TunedGraph(graph, ExactIndex(clustered(101, 8).gallery("l2"), "l2"), 10)
