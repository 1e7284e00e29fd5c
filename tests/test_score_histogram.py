import numpy as np
import pytest

from revsearch.relevance import Relevance
from revsearch.score_histogram import score_histogram
from revsearch.specs import Metric


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_every_pair_is_counted_once_but_junk(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    keys = (np.arange(60) % 6).tolist()
    relevance = Relevance.by_key(keys, keys, np.arange(60))
    rows = np.array([5, 17, 40])
    found = score_histogram(vectors[rows], vectors, relevance, rows, metric, bins=10)
    assert found.matches.sum() == 3 * 9
    assert found.others.sum() == 3 * 50
    matches = np.zeros(10, int)
    for row in rows:
        for position in relevance.of(int(row))[0]:
            a, b = vectors[row].astype(float), vectors[position].astype(float)
            score = a @ b / np.linalg.norm(a) / np.linalg.norm(b) if metric == "cosine" else -np.linalg.norm(a - b)
            matches[np.searchsorted(found.edges, score, side="right") - 1] += 1
    assert np.array_equal(found.matches, matches)


def test_perfect_scores_fall_into_the_last_bin() -> None:
    vectors = np.ones((2, 3), np.float32)
    relevance = Relevance.by_key(["a"], ["a", "b"], np.array([-1]))
    for metric in ("cosine", "l2"):
        found = score_histogram(vectors[:1], vectors, relevance, np.arange(1), metric, bins=4)
        assert (found.matches.tolist(), found.others.tolist()) == ([0, 0, 0, 1], [0, 0, 0, 1])
