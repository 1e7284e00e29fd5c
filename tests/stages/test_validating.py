"""Validation rows ranked all against all: against a naive loop, and against the index that serves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, normalise
from revsearch.evaluation import MetricValue
from revsearch.index.exact import ExactIndex
from revsearch.stages.validating import AP, HIT, AllAgainstAll

N, DIM = 60, 8
ROUNDING = 1e-9  # figures are ratios of small integers: equal ranks give equal figures


@pytest.fixture
def classes() -> NDArray[np.int64]:
    """Four classes, one with a single image, and some rows without a class."""
    drawn = np.random.default_rng(1).integers(0, 4, N)
    drawn[[3, 17, 30]] = -1
    drawn[5] = 4
    return drawn


@pytest.fixture
def vectors(classes: NDArray[np.int64]) -> Vectors:
    """Vectors of many lengths, those of a class a little alike; two of them equal."""
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(6, DIM))
    drawn = (centres[classes] + 1.5 * rng.normal(size=(N, DIM))) * rng.uniform(0.1, 30, (N, 1))
    drawn[8] = drawn[40]
    return drawn.astype(np.float32)


def naive(classes: NDArray[np.int64], vectors: Vectors) -> dict[int, tuple[float, float]]:
    """Return hit at 1 and average precision of each row that has another of its class, one sorted list each."""
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found = {}
    for query in range(len(classes)):
        others = [row for row in range(len(classes)) if row != query]
        scores = {row: round(float(units[query] @ units[row]), 6) for row in others}
        ranked = sorted(others, key=lambda row: (-scores[row], row))
        hits = [classes[query] >= 0 and classes[row] == classes[query] for row in ranked]
        if any(hits):
            precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
            found[query] = (float(hits[0]), sum(precisions) / len(precisions))
    return found


def test_figures_are_those_of_a_naive_loop(classes: NDArray[np.int64], vectors: Vectors) -> None:
    judge, expected = AllAgainstAll(classes), naive(classes, vectors)
    assert judge.queries.tolist() == list(expected)
    figures, means = judge.figures(vectors), judge.means(vectors)
    for column, name in enumerate((HIT, AP)):
        values = np.array([each[column] for each in expected.values()])
        np.testing.assert_allclose(figures[name], values, atol=ROUNDING)
        assert means[name] == pytest.approx(values.mean(), abs=ROUNDING)


def test_metrics_are_the_means_with_intervals_of_the_seed(classes: NDArray[np.int64], vectors: Vectors) -> None:
    judge = AllAgainstAll(classes)
    metrics, means = judge.metrics(vectors, 0), judge.means(vectors)
    assert list(metrics) == [HIT, AP]
    for name, metric in metrics.items():
        assert metric.value == pytest.approx(means[name], abs=ROUNDING)
        assert (metric.n, metric.source) == (len(judge.queries), "exact")
        assert 0 <= metric.low < metric.value < metric.high <= 1
    assert judge.metrics(vectors, 0) == metrics


def test_one_class_is_drawn_by_query(vectors: Vectors) -> None:
    """Nothing else is there to be found; and with others that are not asked for, intervals have a width."""
    alone = AllAgainstAll(np.zeros(N, np.int64)).metrics(vectors, 0)
    assert [(each.value, each.low, each.high) for each in alone.values()] == [(1.0, 1.0, 1.0)] * 2
    judge = AllAgainstAll(np.where(np.arange(N) < 12, 0, -1))
    among, other = (judge.metrics(vectors, seed)[AP] for seed in (0, 1))
    assert among.n == 12
    assert among.low < among.value < among.high
    assert (among.low, among.high) != (other.low, other.high)


def test_rows_without_a_class_are_not_alike(vectors: Vectors) -> None:
    judge = AllAgainstAll(np.full(N, -1))
    assert not len(judge.queries)
    assert [len(found) for found in judge.neighbours(vectors, np.array([0, 9]), 4)] == [4, 4]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_vector_that_is_no_direction_makes_a_candidate_worth_nothing(
    classes: NDArray[np.int64], vectors: Vectors, value: float
) -> None:
    vectors[11] = value
    judge = AllAgainstAll(classes)
    assert judge.means(vectors) == {HIT: 0.0, AP: 0.0}
    worth_nothing = MetricValue(0.0, 0.0, 0.0, len(judge.queries), "exact")
    assert judge.metrics(vectors, 0) == {HIT: worth_nothing, AP: worth_nothing}
    assert judge.neighbours(vectors, np.array([0, 11]), 3) == [[], []]


@pytest.mark.parametrize("k", [1, 6, N + 5])
def test_neighbours_are_those_of_the_index_but_for_the_row_itself(
    classes: NDArray[np.int64], vectors: Vectors, k: int
) -> None:
    units, rows = normalise(vectors), np.array([40, 0, 8])
    found = AllAgainstAll(classes).neighbours(vectors, rows, k)
    places, scores = ExactIndex(units, "cosine").search(units[rows], N)
    for row, neighbours, order, values in zip(rows, found, places, scores, strict=True):
        others = order != row
        assert [place for place, _ in neighbours] == order[others][:k].tolist()
        assert [score for _, score in neighbours] == values[others][:k].tolist()
    assert found[0][0] == (8, 1.0)  # its twin
    assert found[2][0] == (40, 1.0)


def test_more_twins_than_neighbours_leave_the_row_itself_out() -> None:
    found = AllAgainstAll(np.zeros(9, np.int64)).neighbours(np.ones((9, 3), np.float32), np.array([0, 8]), 2)
    assert [[place for place, _ in each] for each in found] == [[1, 2], [0, 1]]
