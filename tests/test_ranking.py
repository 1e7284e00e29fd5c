import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.errors import InvalidSpec
from revsearch.ranking import Members, Rankings, base_name_lists, expand_twins

Lists = list[list[tuple[str, float]]]


def rankings(lists: Lists, k: int = 3) -> Rankings:
    """Put lists into places as they are, unlike `Rankings.from_lists`."""
    ids = np.full((len(lists), k), None, object)
    scores = np.full((len(lists), k), -np.inf)
    for row, pairs in enumerate(lists):
        for place, (id, score) in enumerate(pairs):
            ids[row, place], scores[row, place] = id, score
    return Rankings(np.array([f"q{row}" for row in range(len(lists))], object), ids, scores)


def pairs(found: Rankings) -> Lists:
    return [list(zip(ids, scores.tolist(), strict=True)) for _, ids, scores in found]


def test_places_nobody_filled_are_not_listed() -> None:
    lists: Lists = [[("a", 0.9), ("b", 0.9), ("c", 0.1)], [("b", 0.5)], []]
    found = rankings(lists)
    assert pairs(found) == lists
    assert (len(found), found.k) == (3, 3)
    assert [query for query, _, _ in found] == ["q0", "q1", "q2"]


WRONG: dict[str, tuple[Lists, str]] = {
    "scores rise": ([[("a", 0.1), ("b", 0.2)]], "'q0' do not fall"),
    "ties not by id": ([[], [("b", 0.1), ("a", 0.1)]], "'q1' do not fall, or ties are not by id"),
    "an id twice": ([[("a", 0.2), ("a", 0.1)]], "'q0' has a gallery id twice"),
    "not a number": ([[("a", float("nan"))]], "'q0' has a score that is not a number"),
}


@pytest.mark.parametrize(("lists", "message"), WRONG.values(), ids=list(WRONG))
def test_lists_that_are_no_ranking_are_refused(lists: Lists, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        rankings(lists)


def test_a_query_twice_and_other_shapes_are_refused() -> None:
    ids, scores = np.full((2, 3), None, object), np.full((2, 3), -np.inf)
    with pytest.raises(InvalidSpec, match="a query id is there twice"):
        Rankings(np.array(["q", "q"], object), ids, scores)
    for queries, wrong in ((["q"], scores), (["q", "r"], scores[:, :2])):
        with pytest.raises(InvalidSpec, match=r"expected ids and scores \["):
            Rankings(np.array(queries, object), ids, wrong)


CLOSE = st.sampled_from([0.5, 0.5 + 1e-8, 0.5 - 4e-7, 0.25, -0.0, 0.0, -1.0])  # ties at 6 decimals, and not
CANDIDATES = st.dictionaries(st.sampled_from("abcdefgh"), CLOSE)


def naive_best(candidates: list[tuple[str, float]], k: int) -> list[tuple[str, float]]:
    """Take the best again and again: the higher score at 6 decimals, the smaller id where scores tie."""
    left = [(id, round(score, 6)) for id, score in candidates]
    best: list[tuple[str, float]] = []
    while left and len(best) < k:
        top = left[0]
        for id, score in left[1:]:
            if score > top[1] or (score == top[1] and id < top[0]):
                top = (id, score)
        left.remove(top)
        best.append(top)
    return best


@settings(max_examples=60)
@given(st.lists(CANDIDATES, max_size=4), st.integers(1, 5))
def test_the_best_k_are_kept_whatever_their_order(candidates: list[dict[str, float]], k: int) -> None:
    lists = [list(each.items()) for each in candidates]
    queries = [f"q{row}" for row in range(len(lists))]
    found = Rankings.from_lists(queries, lists, k)
    assert found.k == k
    assert pairs(found) == [naive_best(each, k) for each in lists]


def members_of(groups: list[list[str]]) -> Members:
    ids = [id for group in groups for id in sorted(group)]
    return Members(np.array(ids, object), np.cumsum([0, *map(len, groups)]))


@settings(max_examples=60)
@given(st.data())
def test_twins_are_expanded_as_a_plain_search_over_all_rows_would_list_them(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.text("abc/é", min_size=1, max_size=3), min_size=1, max_size=9, unique=True))
    n_vectors = data.draw(st.integers(1, len(ids)))
    vector_of = dict(zip(ids, [*range(n_vectors), *(0 for _ in ids[n_vectors:])], strict=True))
    groups = [[id for id in ids if vector_of[id] == vector] for vector in range(n_vectors)]
    n_queries, k = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 4))
    scores = np.array([[data.draw(CLOSE) for _ in groups] for _ in range(n_queries)]).reshape(n_queries, n_vectors)
    selves = [data.draw(st.none() | st.sampled_from(ids)) for _ in range(n_queries)]
    queries = [f"q{row}" for row in range(n_queries)]

    # An index gives the best k vectors, and one more where self may be among them.
    wanted = min(n_vectors, k + 1)
    nearest = np.argsort(-np.round(scores, 6), axis=1, kind="stable")
    if wanted < n_vectors:  # where vectors tie at the cut, the index may give either: let it give all
        wanted = n_vectors
    found = expand_twins(
        queries,
        selves,
        nearest[:, :wanted],
        np.take_along_axis(scores, nearest, 1)[:, :wanted],
        members_of(groups),
        k,
    )
    plain = [
        naive_best([(id, float(row[vector_of[id]])) for id in ids if id != self_id], k)
        for row, self_id in zip(scores, selves, strict=True)
    ]
    assert pairs(found) == plain


def test_one_vector_more_than_k_is_enough_where_self_is_left_out() -> None:
    members = members_of([["self"], ["b1", "b2"], ["c"], ["d"]])
    vectors, scores = np.array([[0, 2, 1]]), np.array([[1.0, 0.8, 0.7]])
    found = expand_twins(["self"], ["self"], vectors, scores, members, 2)
    assert pairs(found) == [[("c", 0.8), ("b1", 0.7)]]
    twin = expand_twins(["self"], [None], vectors, scores, members, 2)
    assert pairs(twin) == [[("self", 1.0), ("c", 0.8)]]


def test_a_gallery_of_nothing_but_the_query_gives_an_empty_list() -> None:
    found = expand_twins(["a"], ["a"], np.array([[0]]), np.array([[1.0]]), members_of([["a"]]), 3)
    assert pairs(found) == [[]]
    assert len(found) == 1


def test_members_are_found_by_vector() -> None:
    members = members_of([["a", "c"], [], ["b"]])
    assert len(members) == 3
    assert [members.of(vector) for vector in range(3)] == [["a", "c"], [], ["b"]]


def test_lists_by_base_name() -> None:
    found = Rankings.from_lists(
        ["query/x/1.jpg", "2.jpg"], [[("gallery/y/1.jpg", 0.5), ("g/3.jpg", 0.9)], [("g/3.jpg", 0.1)]], 2
    )
    assert base_name_lists(found) == {"1.jpg": ["3.jpg", "1.jpg"], "2.jpg": ["3.jpg"]}


@pytest.mark.parametrize(
    ("queries", "lists", "kind"),
    [
        (["a/1.jpg", "b/1.jpg"], [[], []], "query"),
        (["q"], [[("a/1.jpg", 0.5), ("b/1.jpg", 0.4)]], "gallery"),
        (["q", "r"], [[("a/1.jpg", 0.5)], [("b/1.jpg", 0.5)]], "gallery"),
    ],
)
def test_base_names_that_are_not_unique_are_refused(queries: list[str], lists: Lists, kind: str) -> None:
    with pytest.raises(InvalidSpec, match=f"base names of {kind} images are not unique: 'a/1.jpg' and 'b/1.jpg'"):
        base_name_lists(Rankings.from_lists(queries, lists, 3))
