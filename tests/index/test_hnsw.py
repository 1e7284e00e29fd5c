import threading

import numpy as np
import pytest

from revsearch.errors import CorruptArtifact, InvalidSpec, SpaceMismatch
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import ALL_THREADS, HnswGraph


def build(vectors, metric, *, M=16, ef_construction=100, seed=0, threads=1):
    return HnswGraph.build(vectors, metric, M=M, ef_construction=ef_construction, seed=seed, threads=threads)


@pytest.mark.parametrize(("dim", "M", "ef", "least"), [(32, 8, 40, 0.95), (32, 16, 80, 0.99), (200, 16, 80, 0.99)])
def test_finds_what_exact_search_finds(clustered, metric, dim, M, ef, least):
    data = clustered(5000, dim)
    hits = build(data.gallery(metric), metric, M=M, threads=2).search(data.queries, 10, ef=ef)
    rows, scores = ExactIndex(data.gallery(metric), metric).search(data.queries, 10)
    shared = [len(set(found) & set(true)) / 10 for found, true in zip(hits.rows, rows, strict=True)]
    assert np.mean(shared) >= least
    same = hits.rows == rows
    # cosine within 1e-6; l2 distances of about 10 within 1e-6 of their size
    assert np.allclose(hits.scores[same], scores[same], rtol=1e-6, atol=1e-6)
    assert not hits.short.any()


def test_order_dtypes_and_distinct_rows(clustered, metric):
    data = clustered(500, 8)
    hits = build(data.gallery(metric), metric).search(data.queries, 10, ef=10)
    assert (hits.rows.dtype, hits.scores.dtype) == (np.int64, np.float32)
    assert (np.diff(hits.scores, axis=1) <= 0).all()
    assert all(len(set(row)) == 10 for row in hits.rows.tolist())


def test_a_wider_search_is_remembered_by_no_one(clustered):
    data = clustered(3000, 64)
    graph = build(data.gallery("l2"), "l2", M=4, ef_construction=20)
    narrow = graph.search(data.queries, 5, ef=5)
    graph.search(data.queries, 5, ef=500)
    assert np.array_equal(graph.search(data.queries, 5, ef=5).rows, narrow.rows)


def test_k_beyond_the_gallery_gives_all_of_it(clustered, metric):
    data = clustered(30, 8)
    hits = build(data.gallery(metric), metric).search(data.queries, 100, ef=10)
    assert np.sort(hits.rows, axis=1).tolist() == [list(range(30))] * 100


def test_no_queries_give_no_rows(clustered, metric):
    hits = build(clustered(50, 8).gallery(metric), metric).search(np.zeros((0, 8), np.float32), 5, ef=10)
    assert hits.rows.shape == hits.scores.shape == (0, 5)
    assert hits.short.shape == (0,)


def test_one_vector_is_a_graph(metric):
    hits = build(np.array([[0, 1]], np.float32), metric).search(np.array([[0, 2]], np.float32), 10, ef=10)
    assert hits.rows.tolist() == [[0]]
    assert hits.scores.tolist() == [[1.0 if metric == "cosine" else -1.0]]


@pytest.mark.parametrize("k", [10, 500])
def test_queries_that_come_back_short_are_marked_not_raised(k):
    """Identical vectors keep their links among themselves, so that parts of the graph cannot be reached."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 16)), 60, axis=0).astype(np.float32)
    queries = rng.normal(size=(1500, 16)).astype(np.float32)  # more than a block
    hits = build(vectors, "l2", M=4, ef_construction=50).search(queries, k, ef=k)
    assert hits.short.any() == (k == 500)
    assert (hits.rows[hits.short] == -1).all()
    assert np.isneginf(hits.scores[hits.short]).all()
    assert (hits.rows[~hits.short] >= 0).all()


def test_a_wider_search_does_not_help_a_short_query():
    """Why short queries go to exact search at once: they have followed every link there is."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 16)), 60, axis=0).astype(np.float32)
    graph, queries = build(vectors, "l2", M=2, ef_construction=50), rng.normal(size=(50, 16)).astype(np.float32)
    short = graph.search(queries, 200, ef=200).short
    assert short.any()
    for ef in (400, 1200):
        assert np.array_equal(graph.search(queries, 200, ef=ef).short, short)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_vectors_that_poison_a_graph_are_refused(clustered, metric, bad):
    vectors = clustered(500, 8).gallery(metric).copy()
    vectors[77] = bad
    with pytest.raises(InvalidSpec, match=r"1 of 500 vectors .* rows \[77\]"):
        build(vectors, metric)


def test_another_dim_is_refused(clustered, metric):
    with pytest.raises(SpaceMismatch, match="vectors of 8 dims"):
        build(clustered(50, 8).gallery(metric), metric).search(np.ones((1, 9), np.float32), 5, ef=10)


def test_one_thread_and_one_seed_give_the_same_bytes(clustered, metric, tmp_path):
    vectors = clustered(9000, 8).gallery(metric)  # more than a block
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build(vectors, metric, ef_construction=20, seed=seed).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("threads", [1, 2, ALL_THREADS])
def test_a_saved_graph_answers_as_before(clustered, metric, tmp_path, threads):
    data = clustered(2000, 16)
    graph = build(data.gallery(metric), metric, threads=threads)
    graph.save(tmp_path / "graph.bin")
    again = HnswGraph.load(tmp_path / "graph.bin", n=2000, dim=16, metric=metric, threads=threads)
    assert (len(again), again.dim) == (2000, 16)
    before, after = graph.search(data.queries, 10, ef=50), again.search(data.queries, 10, ef=50)
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.scores, after.scores)


@pytest.mark.parametrize("asked", [{"n": 301}, {"n": 299}, {"dim": 15}, {"dim": 17}, {"metric": "cosine"}])
def test_loading_as_something_else_is_refused(clustered, tmp_path, asked):
    """hnswlib itself takes a wrong dim or metric and answers wrongly."""
    build(clustered(300, 16).raw, "l2").save(tmp_path / "graph.bin")
    with pytest.raises(CorruptArtifact):
        HnswGraph.load(tmp_path / "graph.bin", **{"n": 300, "dim": 16, "metric": "l2", **asked})


def test_searches_of_different_width_at_once_do_not_disturb_each_other(clustered):
    data = clustered(3000, 64)
    graph = build(data.gallery("l2"), "l2", M=4, ef_construction=20)
    alone = {ef: graph.search(data.queries, 5, ef=ef).rows for ef in (5, 300)}
    together: dict[int, list] = {5: [], 300: []}

    def ask(ef):
        together[ef].extend(graph.search(data.queries, 5, ef=ef).rows for _ in range(10))

    threads = [threading.Thread(target=ask, args=(ef,)) for ef in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(rows, alone[ef]) for ef, results in together.items() for rows in results)
    assert not np.array_equal(alone[5], alone[300])
