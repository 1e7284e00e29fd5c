import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.ranking import Rankings
from revsearch.relevance import Relevance
from revsearch.served import served_hits

GALLERY = np.array(["a", "b", "c", "d"], object)


def ranked(*lists: str, k: int) -> Rankings:
    """Lists of one-letter ids, best first."""
    scored = [[(id, -float(place)) for place, id in enumerate(ids)] for ids in lists]
    return Rankings.from_lists([f"q{row}" for row in range(len(lists))], scored, k)


def test_places_of_relevant_images_are_hits() -> None:
    relevance = Relevance.by_key(["x", "y"], ["x", "y", "x", None], np.full(2, -1))
    served = served_hits(ranked("abc", "dab", k=3), GALLERY, relevance)
    assert served.hits.tolist() == [[True, False, True], [False, False, True]]
    assert served.depth == 3


def test_junk_moves_later_places_up_and_shortens_the_depth() -> None:
    relevance = Relevance.by_key(["x", "x"], ["x"] * 4, np.array([1, -1]))
    served = served_hits(ranked("bac", "abc", k=3), GALLERY, relevance)
    assert served.hits.tolist() == [[True, True, False], [True, True, True]]
    assert served.depth == 2


def test_a_list_of_the_whole_gallery_is_long_enough() -> None:
    relevance = Relevance.by_key(["x"], ["x"] * 4, np.array([1]))
    served = served_hits(ranked("bacd", k=9), GALLERY, relevance)
    assert served.hits[0].tolist() == [True] * 3 + [False] * 6
    assert served.depth == 9


def test_ids_that_are_not_in_the_gallery_are_refused() -> None:
    relevance = Relevance.by_key(["x"], ["x"] * 4, np.array([-1]))
    with pytest.raises(InvalidSpec, match="query 'q0' lists 'z', which is not in the gallery"):
        served_hits(ranked("az", k=2), GALLERY, relevance)


def test_relevance_of_other_queries_is_refused() -> None:
    relevance = Relevance.by_key(["x"], ["x"] * 4, np.array([-1]))
    with pytest.raises(InvalidSpec, match="expected relevance of the 2 ranked queries, found 1"):
        served_hits(ranked("a", "b", k=1), GALLERY, relevance)
