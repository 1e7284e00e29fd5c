import tracemalloc
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.postings import Postings
from revsearch.relevance import Relevance, twins
from revsearch.truth import Truth

NOWHERE = np.full(3, -1)


def strings(*ids: str) -> Strings:
    return np.array(ids, object)


def listed(relevance: Relevance) -> list[tuple[list[int], list[int]]]:
    return [(wanted.tolist(), junk.tolist()) for wanted, junk in map(relevance.of, range(len(relevance)))]


def test_equal_keys_match_and_none_never_does() -> None:
    relevance = Relevance.by_key(["a", None, "b"], ["b", None, "a", "a"], NOWHERE)
    assert listed(relevance) == [([2, 3], []), ([], []), ([0], [])]
    assert relevance.n_relevant().tolist() == [2, 0, 1]


def test_self_is_taken_out_or_counts() -> None:
    keys = ["a", "a", "b"]
    out = Relevance.by_key(keys, keys, np.arange(3))
    assert listed(out) == [([1], [0]), ([0], [1]), ([], [2])]
    assert out.n_relevant().tolist() == [1, 1, 0]
    assert listed(out.with_self_in()) == [([0, 1], []), ([0, 1], []), ([2], [])]
    assert out.with_self_in().n_relevant().tolist() == [2, 2, 1]


def test_twins_become_junk_but_self_stays_what_it_was() -> None:
    contents = np.repeat(np.array([[1], [1], [2], [3]], np.uint8), 32, axis=1)
    keys = ["a"] * 4
    relevance = Relevance.by_key(keys, keys, np.arange(4))
    same = twins(contents, contents)
    assert relevance.n_queries_with(same) == 2
    assert listed(relevance.with_junk(same))[0] == ([2, 3], [0, 1])
    assert listed(relevance.with_junk(same).with_self_in())[0] == ([0, 2, 3], [1])


def test_a_query_outside_the_gallery_has_twins_in_it() -> None:
    contents = np.arange(3 * 32, dtype=np.uint8).reshape(3, 32)
    relevance = Relevance.by_key(["a", "a", "a"], ["a", "a"], NOWHERE)
    assert relevance.n_queries_with(twins(contents, contents[[2, 0]])) == 2


def test_truth_names_relevant_hard_and_junk() -> None:
    truth = {"q1": Truth(("g3", "g1"), ("g0",), ("g2",)), "q0": Truth(("g1",))}
    relevance = Relevance.from_truth(truth, strings("q0", "q1", "q2"), strings("g0", "g1", "g2", "g3"), NOWHERE)
    assert listed(relevance) == [([1], []), ([0, 1, 3], [2]), ([], [])]
    assert relevance.n_relevant().tolist() == [1, 3, 0]


def test_truth_of_rejected_rows_does_not_count() -> None:
    truth = {"q0": Truth(("g1", "gone")), "q-gone": Truth(("g1",))}
    known = ["q0", "q-gone", "g1", "gone"]
    relevance = Relevance.from_truth(truth, strings("q0"), strings("g1"), NOWHERE[:1], known)
    assert relevance.n_relevant().tolist() == [1]


def test_truth_may_leave_self_out_of_its_lists() -> None:
    relevance = Relevance.from_truth({"a": Truth(("b",))}, strings("a"), strings("a", "b"), np.array([0]))
    assert listed(relevance.with_self_in()) == [([0, 1], [])]
    assert relevance.with_self_in().n_relevant().tolist() == [2]


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ({"x.jpg": Truth(())}, "1 query ids are not in the manifest, first: ['x.jpg']; did you mean query/x.jpg?"),
        ({"query/x.jpg": Truth(("galery/1.jpg",))}, "1 gallery ids are not in the manifest, first: ['galery/1.jpg']"),
        ({"query/x.jpg": Truth(tuple(map(str, range(9))))}, "9 gallery ids are not in the manifest, first: ['0', '1',"),
        ({"query/x.jpg": Truth((), junk=("galery/2.jpeg",))}, "did you mean gallery/1.jpeg?"),
    ],
)
def test_unknown_ids_are_refused_with_the_nearest_name(truth: dict[str, Truth], said: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Relevance.from_truth(truth, strings("query/x.jpg"), strings("gallery/1.jpeg"), NOWHERE[:1])
    assert said in str(caught.value)


def test_lists_of_another_number_of_queries_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="expected lists of 3 queries, found 1"):
        Relevance.by_key(["a"], ["a"], NOWHERE)


def random_relevance(seed: int, self_in: bool) -> tuple[Relevance, list[set[int]], list[set[int]]]:
    """A relevance with everything in it, and its relevant and junk positions as sets made by loops."""
    rng = np.random.default_rng(seed)
    n, q = 60, 25
    gallery = [None if key == 0 else int(key) for key in rng.integers(6, size=n)]
    queries = [None if key == 0 else int(key) for key in rng.integers(8, size=q)]
    own = np.where(rng.random(q) < 0.5, rng.integers(n, size=q), -1)
    junk = [np.flatnonzero(rng.random(n) < 0.1) for _ in range(q)]
    relevance = Relevance.by_key(queries, gallery, own).with_junk(Postings.from_lists(junk))
    out: list[set[int]] = []
    wanted: list[set[int]] = []
    for query in range(q):
        same = {p for p in range(n) if queries[query] is not None and gallery[p] == queries[query]}
        mine = set() if own[query] < 0 else {int(own[query])}
        out.append(set(junk[query].tolist()) - mine if self_in else set(junk[query].tolist()) | mine)
        found = same - out[-1]
        wanted.append(found | mine if self_in and same else found)
    return (relevance.with_self_in() if self_in else relevance), wanted, out


@pytest.mark.parametrize("self_in", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_every_view_agrees_with_sets(seed: int, self_in: bool) -> None:
    relevance, wanted, junk = random_relevance(seed, self_in)
    assert listed(relevance) == [(sorted(right), sorted(out)) for right, out in zip(wanted, junk, strict=True)]
    assert relevance.n_relevant().tolist() == [len(right) for right in wanted]
    everything = np.arange(60)
    for query in range(len(relevance)):
        right, out = relevance.judge(query, everything)
        assert set(np.flatnonzero(right)) == wanted[query]
        assert set(np.flatnonzero(out)) == junk[query]


@pytest.mark.slow
def test_a_hundred_thousand_queries_against_a_million_images_stay_small() -> None:
    rng = np.random.default_rng(0)
    labels: list[Any] = [f"class {code}" for code in range(1000)]
    gallery = [labels[code] for code in rng.integers(1000, size=1_000_000)]
    queries = [labels[code] for code in rng.integers(1000, size=100_000)]
    tracemalloc.start()
    relevance = Relevance.by_key(queries, gallery, np.arange(100_000))
    n_relevant = relevance.n_relevant()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_relevant.min() > 800
    assert peak < 100 * 2**20  # 1.1 M codes, positions and their sorting; pairs would be 800 MB
