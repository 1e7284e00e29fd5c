import tracemalloc

import numpy as np
import pytest

from revsearch import significance
from revsearch.significance import Bootstrap


def test_the_interval_is_that_of_the_normal_where_queries_are_many() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(2000, 1))
    ((low, high),) = Bootstrap(2000, seed=1).intervals(values)
    error = values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_same_seed_gives_the_same_and_columns_share_draws() -> None:
    values = np.random.default_rng(0).random((50, 1))
    first = Bootstrap(200, seed=4).intervals(np.hstack([values, values]))
    assert np.array_equal(first[0], first[1])
    assert np.array_equal(first, Bootstrap(200, seed=4).intervals(np.hstack([values, values])))
    # A matrix of one column is multiplied by other code on some processors, which rounds otherwise.
    np.testing.assert_allclose(first[:1], Bootstrap(200, seed=4).intervals(values), rtol=1e-12)
    assert not np.array_equal(first[:1], Bootstrap(200, seed=5).intervals(values))


def test_clusters_are_drawn_whole() -> None:
    """Against a loop that draws clusters and averages their queries."""
    rng = np.random.default_rng(2)
    clusters = np.sort(rng.integers(8, size=60))
    values = rng.random(60) + clusters
    draws = np.random.default_rng(9)
    means = [
        np.concatenate([values[clusters == code] for code in draws.integers(8, size=8)]).mean() for _ in range(4000)
    ]
    interval = Bootstrap(4000, seed=0).intervals(values[:, None], clusters)[0]
    assert interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.15)
    assert np.ptp(interval) > 2 * np.ptp(Bootstrap(4000, seed=0).intervals(values[:, None])[0])


def test_a_single_cluster_leaves_queries_to_draw() -> None:
    values = np.arange(10.0)[:, None]
    by_query = Bootstrap(100, seed=0).intervals(values)
    assert np.array_equal(Bootstrap(100, seed=0).intervals(values, np.zeros(10, int)), by_query)


def test_one_query_has_no_width() -> None:
    assert Bootstrap(100, seed=0).intervals(np.array([[0.25]])).tolist() == [[0.25, 0.25]]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((10, 2))
    whole = Bootstrap(101, seed=0).intervals(values)
    monkeypatch.setattr(significance, "BLOCK_DRAWS", 35)
    assert Bootstrap(101, seed=0).intervals(values) == pytest.approx(whole, abs=1e-12)


@pytest.mark.slow
def test_memory_does_not_grow_with_resamples_times_queries() -> None:
    values = np.random.default_rng(0).random((100_000, 2))
    tracemalloc.start()
    Bootstrap(1000, seed=0).intervals(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20  # all draws at once would be 800 MB
