import numpy as np

from revsearch.postings import Postings, is_in


def test_by_key_gives_equal_keys_and_none_gives_nothing() -> None:
    postings = Postings.by_key(["b", None, "a", "z"], ["a", "b", None, "a", "b"])
    assert [postings.of(query).tolist() for query in range(4)] == [[1, 4], [], [0, 3], []]
    assert postings.counts().tolist() == [2, 0, 2, 0]


def test_by_key_of_nothing() -> None:
    postings = Postings.by_key(["a"], [])
    assert postings.of(0).tolist() == []
    assert postings.counts().tolist() == [0]


def test_queries_of_a_key_share_one_list() -> None:
    postings = Postings.by_key(["a", "a"], ["a", "a", "b"])
    assert np.shares_memory(postings.of(0), postings.of(1))


def test_from_lists_sorts_and_drops_doubles() -> None:
    lists = [np.array([5, 1, 5]), np.array([], np.int64), np.array([0])]
    postings = Postings.from_lists(lists)
    assert [postings.of(query).tolist() for query in range(3)] == [[1, 5], [], [0]]
    assert postings.counts().tolist() == [2, 0, 1]


def test_is_in_agrees_with_numpy() -> None:
    rng = np.random.default_rng(0)
    some, many = rng.integers(50, size=20), np.unique(rng.integers(50, size=30))
    assert np.array_equal(is_in(some, many), np.isin(some, many))
    assert not is_in(some, many[:0]).any()
