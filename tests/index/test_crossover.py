import pytest

from revsearch.index.crossover import choose_kind


@pytest.mark.parametrize(
    ("n", "dim", "kind"),
    [
        (1, 2048, "exact"),
        (1_000, 2048, "exact"),
        (10_000, 96, "exact"),
        (10_001, 96, "hnsw"),
        (5_000, 512, "exact"),
        (10_000, 512, "hnsw"),
        (5_000, 2048, "hnsw"),
        (1_000_000, 512, "hnsw"),
    ],
)
def test_small_galleries_are_searched_exactly(n, dim, kind):
    assert choose_kind(n, dim) == kind
