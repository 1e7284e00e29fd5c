import numpy as np
import pytest

from revsearch.index.topk import TopK


def naive(scores, k):
    return [sorted(range(len(row)), key=lambda column: (-row[column], column))[:k] for row in scores]


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("tile", [1, 7, 40, 100])
@pytest.mark.parametrize("n_values", [2, 5, 10_000])  # few values: many ties
def test_tiles_give_what_sorting_gives(k, tile, n_values):
    scores = np.random.default_rng(k + tile).integers(n_values, size=(6, 40)).astype(np.float32)
    best = TopK(6, k)
    for start in range(0, 40, tile):
        best.offer(scores[:, start : start + tile], start)
    assert best.rows.tolist() == naive(scores, k)
    assert np.array_equal(best.scores, np.take_along_axis(scores, best.rows, axis=1))


def test_places_nobody_filled_are_marked():
    best = TopK(2, 4)
    best.offer(np.array([[0.1, 0.2], [0.4, 0.3]], np.float32), 10)
    assert best.rows.tolist() == [[11, 10, -1, -1], [10, 11, -1, -1]]
    assert best.scores[0, 2:].tolist() == [-np.inf, -np.inf]
