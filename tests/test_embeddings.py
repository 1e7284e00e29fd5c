import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.embeddings import Embeddings, choose_parts, normalise, vector_reasons
from revsearch.errors import IncompleteEmbeddings, InvalidSpec
from revsearch.rejects import Reason
from revsearch.space import EmbeddingSpace, Preprocess

SPACE = EmbeddingSpace("e", "random-0", Preprocess("crop", 8, 8, "bilinear", (0, 0, 0), (1, 1, 1)), "gap", 2)


def embeddings(rows: list[int], n_vectors: int, dim: int = 2) -> Embeddings:
    ids = np.array([f"{row}.jpg" for row in rows], object)
    return Embeddings(SPACE, ids, np.array(rows, np.int64), np.ones((n_vectors, dim), np.float32))


def test_rows_keep_the_order_of_the_manifest() -> None:
    assert len(embeddings([0, 3, 7], 3)) == 3
    assert len(embeddings([], 0)) == 0
    for rows in ([0, 3, 3], [3, 0]):
        with pytest.raises(InvalidSpec, match="strictly ascending"):
            embeddings(rows, len(rows))


@pytest.mark.parametrize(("n_vectors", "dim"), [(2, 2), (3, 3), (4, 2)])
def test_vectors_of_another_shape_are_refused(n_vectors: int, dim: int) -> None:
    with pytest.raises(InvalidSpec, match=r"expected vectors \(3, 2\)"):
        embeddings([0, 1, 2], n_vectors, dim)


def naive_choice(parts: list[list[int]]) -> list[list[bool]]:
    seen: set[int] = set()
    chosen: list[list[bool]] = []
    for part in parts:
        chosen.append([])
        for row in part:
            chosen[-1].append(row not in seen)
            seen.add(row)
    return chosen


@settings(max_examples=80)
@given(st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.lists(st.integers(0, max(n - 1, 0)))))))
def test_each_row_counts_once_in_the_first_part_that_holds_it(case: tuple[int, list[list[int]]]) -> None:
    n_rows, parts = case
    if n_rows == 0:
        parts = [[] for _ in parts]
    arrays = [np.array(part, np.int64) for part in parts]
    missing = sorted(set(range(n_rows)) - {row for part in parts for row in part})
    if missing:
        with pytest.raises(IncompleteEmbeddings) as caught:
            choose_parts(n_rows, arrays)
        assert f"{len(missing)} of {n_rows} rows" in str(caught.value)
        assert str(missing[:5]) in str(caught.value)
    else:
        assert [keep.tolist() for keep in choose_parts(n_rows, arrays)] == naive_choice(parts)


@pytest.mark.parametrize(("part", "bad"), [([0, 1, 5], 5), ([-1, 0, 1], -1)])
def test_a_row_that_the_manifest_does_not_have_is_named(part: list[int], bad: int) -> None:
    with pytest.raises(InvalidSpec, match=f"manifest row {bad}, but the manifest has 2 rows"):
        choose_parts(2, [np.array(part)])


FAULTS = {
    "nan": ([1, np.nan], Reason.NOT_FINITE),
    "inf": ([np.inf, 1], Reason.NOT_FINITE),
    "minus inf": ([1, -np.inf], Reason.NOT_FINITE),
    "nan among zeros": ([0, np.nan], Reason.NOT_FINITE),
    "zeros": ([0, 0], Reason.ZERO_NORM),
    "minus zero": ([-0.0, 0], Reason.ZERO_NORM),
    "a square that overflows": ([3e19, 0], Reason.NOT_FINITE),
    "squares whose sum overflows": ([1.5e19, 1.5e19], Reason.NOT_FINITE),
    "squares that vanish": ([1e-30, 1e-30], Reason.ZERO_NORM),
    "large": ([1e18, -1e18], None),
    "small": ([1e-18, -1e-18], None),
    "usual": ([0.3, -0.4], None),
}


@pytest.mark.parametrize(("vector", "reason"), FAULTS.values(), ids=list(FAULTS))
def test_a_vector_that_may_not_enter_an_index_is_told_from_its_neighbours(
    vector: list[float], reason: Reason | None
) -> None:
    vectors = np.array([[1, 2], vector, [3, 4]], np.float32)
    with np.errstate(all="raise"):
        assert vector_reasons(vectors) == [None, reason, None]


def test_what_float16_cannot_hold_is_not_finite() -> None:
    given = np.array([[65504, 1], [65520, 1], [-1e6, 1], [1e-9, 1e-9]], np.float32)
    with np.errstate(over="ignore"):
        stored = given.astype(np.float16).astype(np.float32)
    assert vector_reasons(stored) == [None, Reason.NOT_FINITE, Reason.NOT_FINITE, Reason.ZERO_NORM]


def test_no_vectors_have_no_reasons() -> None:
    assert vector_reasons(np.empty((0, 4), np.float32)) == []


@settings(max_examples=100)
@given(st.lists(st.floats(width=32), min_size=3, max_size=3))
def test_every_vector_without_a_reason_can_be_normalised(values: list[float]) -> None:
    vectors = np.array([values], np.float32)
    if vector_reasons(vectors) == [None]:
        unit = normalise(vectors)
        assert unit.dtype == np.float32
        exact = np.array(values, np.float64)
        # the length to 1e-5, since the squares of tiny numbers lose digits
        np.testing.assert_allclose(unit[0], exact / np.sqrt((exact**2).sum()), atol=1e-5)


def test_tiny_vectors_are_as_long_as_others_once_normalised() -> None:
    """Their squares vanish in float32, and with them a part of the length."""
    vectors = np.full((2, 2048), 2.45e-21, np.float32)
    assert vector_reasons(vectors) == [None, None]
    lengths = np.linalg.norm(normalise(vectors).astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_normalise_divides_each_vector_by_its_own_length() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    expected = [[value / sum(v * v for v in row) ** 0.5 for value in row] for row in vectors.tolist()]
    np.testing.assert_allclose(normalise(vectors), expected, rtol=1e-6)
