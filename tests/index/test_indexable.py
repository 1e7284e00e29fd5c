import numpy as np
import pytest

from revsearch.embeddings import normalise
from revsearch.errors import InvalidSpec, SpaceMismatch
from revsearch.index.indexable import prepare_queries, require_indexable, squared_lengths


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, 1e30])
def test_rows_that_would_poison_an_index_are_named(clustered, metric, bad):
    vectors = clustered(9000, 8).gallery(metric).copy()
    vectors[[5, 8999]] = bad
    with pytest.raises(InvalidSpec, match=r"2 of 9000 vectors .* rows \[5, 8999\]"):
        require_indexable(vectors, metric)


def test_a_signalling_nan_is_found_without_a_warning(metric, recwarn):
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    vectors.view(np.uint32)[1, 0] = 0x7F800001
    with pytest.raises(InvalidSpec, match=r"rows \[1\]"):
        require_indexable(vectors, metric)
    assert not recwarn.list


def test_cosine_takes_unit_vectors_only(clustered):
    data = clustered(100, 2048)
    with pytest.raises(InvalidSpec, match="unit length"):
        require_indexable(data.raw, "cosine")
    assert np.allclose(require_indexable(normalise(data.raw), "cosine"), 1, atol=1e-6)


@pytest.mark.parametrize("vectors", [np.ones((0, 4)), np.ones(4), np.ones((3, 0)), np.ones((3, 4), np.float64)])
def test_wrong_shapes_and_types_are_refused(vectors):
    vectors = vectors if vectors.shape == (3, 4) else vectors.astype(np.float32)
    with pytest.raises(InvalidSpec, match="expected float32 vectors"):
        require_indexable(vectors, "l2")


def test_squared_lengths_are_those_of_a_naive_sum(clustered):
    vectors = clustered(5000, 12).raw
    assert squared_lengths(vectors)[4999] == pytest.approx(sum(float(x) ** 2 for x in vectors[4999]), rel=1e-12)


def test_queries_come_out_at_unit_length_for_cosine_only(clustered):
    queries = clustered(10, 16).queries
    assert np.allclose(np.linalg.norm(prepare_queries(queries, 16, "cosine"), axis=1), 1, atol=1e-6)
    assert np.array_equal(prepare_queries(queries, 16, "l2"), queries)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_queries_that_are_not_finite_are_refused(clustered, metric, bad):
    queries = clustered(10, 16).queries.copy()
    queries[7, 3] = bad
    with pytest.raises(InvalidSpec, match=r"1 of 100 queries .* rows \[7\]"):
        prepare_queries(queries, 16, metric)


def test_a_zero_query_has_no_cosine_but_has_a_distance():
    zero = np.zeros((1, 4), np.float32)
    assert np.array_equal(prepare_queries(zero, 4, "l2"), zero)
    with pytest.raises(InvalidSpec, match="no length"):
        prepare_queries(zero, 4, "cosine")


def test_another_dim_is_a_space_mismatch(metric):
    with pytest.raises(SpaceMismatch, match="vectors of 8 dims"):
        prepare_queries(np.ones((2, 7), np.float32), 8, metric)
