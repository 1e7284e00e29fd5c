import numpy as np
import pytest

from revsearch.embeddings import normalise
from revsearch.errors import SpaceMismatch
from revsearch.index import exact as exact_module
from revsearch.index.exact import ExactIndex


def naive(gallery, queries, metric, k):
    """Score by plain loops over float64, round to float32, sort by (score, row)."""
    rows, scores = [], []
    for query in np.asarray(queries, np.float64):
        if metric == "cosine":
            query = query / np.sqrt((query**2).sum())
            row_scores = [np.float32((vector * query).sum()) for vector in gallery.astype(np.float64)]
        else:
            row_scores = [np.float32(0 - np.sqrt(((vector - query) ** 2).sum())) for vector in gallery.astype(float)]
        order = sorted(range(len(gallery)), key=lambda row: (-row_scores[row], row))[:k]
        rows.append(order)
        scores.append([row_scores[row] for row in order])
    return np.array(rows), np.array(scores, np.float32)


@pytest.mark.parametrize("n", [1, 7, 300, 900])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_equals_naive_loops(clustered, metric, n, k):
    data = clustered(n, 16, n_queries=15)
    rows, scores = ExactIndex(data.gallery(metric), metric).search(data.queries, k)
    expected_rows, expected_scores = naive(data.gallery(metric), data.queries, metric, k)
    assert rows.shape == (15, min(k, n))
    # cosine queries are normalised in float32: 6e-8 off; l2 distances here are about 20
    assert np.allclose(scores, expected_scores, rtol=1e-6, atol=1e-6)
    assert np.array_equal(rows, expected_rows)


def test_dtypes_and_order(clustered, metric):
    data = clustered(500, 8)
    rows, scores = ExactIndex(data.gallery(metric), metric).search(data.queries, 10)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("dim", [3, 96, 515])
@pytest.mark.parametrize("copies", [2, 5, 700])  # 700: more than the spare candidates, decided in float64
def test_duplicates_tie_and_fall_to_the_lower_row(clustered, metric, dim, copies, monkeypatch):
    monkeypatch.setattr(exact_module, "GALLERY_TILE", 256)  # so that the copies lie in several tiles
    gallery = clustered(2000, dim).gallery(metric).copy()
    places = np.sort(np.random.default_rng(1).permutation(2000)[:copies])
    gallery[places] = gallery[places[0]]
    rows, scores = ExactIndex(gallery, metric).search(gallery[places[:1]], 20)
    assert rows[0, : min(copies, 20)].tolist() == places[:20].tolist()
    assert len(set(scores[0, : min(copies, 20)])) == 1
    assert len(set(rows[0])) == 20


def test_a_vector_is_at_distance_zero_from_itself_also_far_from_the_origin():
    gallery = (np.random.default_rng(0).normal(size=(400, 64)) + 1000).astype(np.float32)
    for k in (5, 300):  # by float32 candidates, and by float64 alone
        rows, scores = ExactIndex(gallery, "l2").search(gallery[:20], k)
        assert rows[:, 0].tolist() == list(range(20))
        assert (scores[:, 0] == 0).all()


def test_near_equal_distances_that_float32_cannot_tell_apart_are_ordered_right():
    """Offsets of 1e-5 on vectors of length 1,000: a float32 |q|² - 2qg + |g|² sees none of them."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=32) * 200
    gallery = np.concatenate([centre + rng.normal(size=(600, 32)) * 1e-2, rng.normal(size=(600, 32))])
    gallery = gallery.astype(np.float32)
    queries = centre[None].astype(np.float32)
    rows, scores = ExactIndex(gallery, "l2").search(queries, 10)
    expected_rows, expected_scores = naive(gallery, queries, "l2", 10)
    assert np.array_equal(rows, expected_rows)
    assert np.allclose(scores, expected_scores, rtol=1e-5)


@pytest.mark.parametrize(("query_tile", "gallery_tile"), [(1, 400), (7, 50), (64, 999), (512, 4096)])
def test_tiles_do_not_show(clustered, metric, monkeypatch, query_tile, gallery_tile):
    data = clustered(1000, 24)
    whole = ExactIndex(data.gallery(metric), metric).search(data.queries, 7)
    monkeypatch.setattr(exact_module, "QUERY_TILE", query_tile)
    monkeypatch.setattr(exact_module, "GALLERY_TILE", gallery_tile)
    tiled = ExactIndex(data.gallery(metric), metric).search(data.queries, 7)
    assert np.array_equal(whole[0], tiled[0])
    assert np.array_equal(whole[1], tiled[1])


def test_memory_mapped_vectors_are_searched_where_they_lie(clustered, metric, tmp_path):
    data = clustered(800, 8)
    np.save(tmp_path / "vectors.npy", data.gallery(metric))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    found = ExactIndex(mapped, metric).search(data.queries, 5)
    assert np.array_equal(found[0], ExactIndex(data.gallery(metric), metric).search(data.queries, 5)[0])


def test_queries_need_not_be_normalised_for_cosine(clustered):
    data = clustered(500, 8)
    index = ExactIndex(data.gallery("cosine"), "cosine")
    rows, scores = index.search(data.queries, 5)
    again, same = index.search(normalise(data.queries), 5)
    assert np.array_equal(rows, again)
    assert np.allclose(scores, same, atol=2e-7)


def test_no_queries_give_no_rows(clustered, metric):
    rows, scores = ExactIndex(clustered(50, 8).gallery(metric), metric).search(np.zeros((0, 8), np.float32), 5)
    assert rows.shape == scores.shape == (0, 5)


def test_another_dim_is_refused(clustered, metric):
    with pytest.raises(SpaceMismatch):
        ExactIndex(clustered(50, 8).gallery(metric), metric).search(np.ones((1, 9), np.float32), 5)
