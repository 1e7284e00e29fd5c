import numpy as np
import pytest

from revsearch import score_tiles as module
from revsearch.score_tiles import score_tiles
from revsearch.specs import Metric


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_tiles_hold_all_scores_in_millionths(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GALLERY_TILE", 7)
    monkeypatch.setattr(module, "QUERY_TILE", 3)
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(8, 5)).astype(np.float32), rng.normal(size=(20, 5)).astype(np.float32)
    found = np.full((8, 20), np.nan)
    for tile in score_tiles(queries, gallery, metric):
        found[tile.queries, tile.gallery] = tile.scores
    for q, query in enumerate(queries.astype(float)):
        for g, image in enumerate(gallery.astype(float)):
            cosine = query @ image / np.linalg.norm(query) / np.linalg.norm(image)
            score = cosine if metric == "cosine" else -np.linalg.norm(query - image)
            assert found[q, g] == pytest.approx(score * 1e6, abs=1)
    assert np.array_equal(found, np.rint(found))


@pytest.mark.parametrize("length", [1.0, 1e-3, 1e4])
def test_equal_vectors_have_distance_zero(length: float) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32) * np.float32(length)
    (tile,) = score_tiles(vectors, vectors, "l2")
    assert np.all(np.diag(tile.scores) == 0)


def test_some_rows_of_a_gallery() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(9, 4)).astype(np.float32)
    (everything,) = score_tiles(queries, gallery, "cosine")
    (some,) = score_tiles(queries, gallery, "cosine", np.array([2, 8]))
    assert np.array_equal(some.scores, everything.scores[:, [2, 8]])
