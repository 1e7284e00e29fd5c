"""From the lists that users were given to hits: which places hold a relevant image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings
from revsearch.ranking import Rankings
from revsearch.relevance import Relevance


@dataclass(frozen=True)
class ServedHits:
    """Ranked lists, judged, junk taken out.

    Attributes:
        hits: bool `[q, k]`, best first; False where the gallery was exhausted or junk left a place empty.
        depth: the largest k that every list still reaches: no metric is computed deeper.
    """

    hits: NDArray[np.bool_]
    depth: int


def served_hits(rankings: Rankings, gallery_ids: Strings, relevance: Relevance) -> ServedHits:
    """Judge each query's list; queries of `relevance` are those of the rankings, in order.

    Raises:
        InvalidSpec: where a ranked id is not in the gallery, or `relevance` is of another number of queries.
    """
    if len(relevance) != len(rankings):
        raise InvalidSpec(f"expected relevance of the {len(rankings)} ranked queries, found {len(relevance)}")
    place = {id: position for position, id in enumerate(gallery_ids)}
    hits = np.zeros(rankings.scores.shape, bool)
    depth = rankings.k
    for query, (id, ids, _) in enumerate(rankings):
        right, junk = relevance.judge(query, _positions(id, ids, place))
        kept = right[~junk]
        hits[query, : len(kept)] = kept
        if len(ids) == rankings.k:  # a shorter list holds the whole gallery: nothing is missing behind it
            depth = min(depth, len(kept))
    return ServedHits(hits, depth)


def _positions(query: str, ids: list[str], place: dict[str, int]) -> NDArray[np.int64]:
    unknown = [id for id in ids if id not in place]
    if unknown:
        raise InvalidSpec(
            f"rankings: query {query!r} lists {unknown[0]!r}, which is not in the gallery; "
            "evaluate them with the embeddings they were made from"
        )
    return np.array([place[id] for id in ids], np.int64)
