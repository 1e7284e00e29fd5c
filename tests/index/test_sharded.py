import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.sharded import ShardedIndex
from revsearch.index.tuned import TunedGraph


def split(vectors, metric, bounds):
    return ShardedIndex([ExactIndex(part, metric) for part in np.split(vectors, bounds)])


@pytest.mark.parametrize("bounds", [[], [500], [1, 999], [100, 350, 351, 800]])
@pytest.mark.parametrize("k", [1, 10, 2000])
def test_shards_together_equal_exact_search(clustered, metric, bounds, k):
    data = clustered(1000, 16)
    vectors = data.gallery(metric).copy()
    vectors[[5, 400, 900]] = vectors[5]  # ties across shards
    queries = np.concatenate([data.queries, vectors[5:6]])
    sharded = split(vectors, metric, bounds)
    rows, scores = sharded.search(queries, k)
    expected_rows, expected_scores = ExactIndex(vectors, metric).search(queries, k)
    assert len(sharded) == 1000
    assert np.allclose(scores, expected_scores, rtol=1e-6, atol=1e-6)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    assert rows[-1, :3].tolist() == [5, 400, 900][: min(k, 3)]
    # whether scores are settled by pairs or by products depends on the size of a shard: their last digit may differ
    swapped = rows != expected_rows
    assert np.allclose(scores[swapped], expected_scores[swapped], rtol=3e-7, atol=3e-7)
    assert swapped.mean() < 1e-3


def test_graphs_are_searched_as_one(clustered, metric):
    data = clustered(2000, 16)
    vectors = data.gallery(metric)
    shards = [
        TunedGraph(HnswGraph.build(part, metric, M=16, ef_construction=50, seed=0, threads=1), exact, 60)
        for part in np.split(vectors, [700])
        for exact in [ExactIndex(part, metric)]
    ]
    rows, _ = ShardedIndex(shards).search(data.queries, 10)
    expected, _ = ExactIndex(vectors, metric).search(data.queries, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, expected, strict=True)]) >= 0.99


def test_no_shards_are_no_index():
    with pytest.raises(InvalidSpec, match="at least one shard"):
        ShardedIndex([])
