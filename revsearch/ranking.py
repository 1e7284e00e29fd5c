"""Rankings: for each query its top-k gallery ids, best first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings

SCORE_DECIMALS = 6  # scores are compared at this precision, so that equal vectors tie whatever computed them


@dataclass(frozen=True)
class Rankings:
    """Top-k lists.

    Attributes:
        query_ids: str `[q]`, no id twice.
        gallery_ids: str `[q, k]`, best first, no id twice in a row; None where a gallery had fewer than k.
        scores: float64 `[q, k]`, rounded to 6 decimals, falling, ties by id; -inf where the id is None. Higher is
            better: cosine similarity, or minus the Euclidean distance.
    """

    query_ids: Strings
    gallery_ids: Strings  # [q, k]
    scores: NDArray[np.float64]  # [q, k]

    def __post_init__(self) -> None:
        if self.gallery_ids.shape != self.scores.shape or len(self.query_ids) != len(self.scores):
            raise InvalidSpec(
                f"rankings: expected ids and scores [{len(self.query_ids)}, k], "
                f"found {self.gallery_ids.shape} and {self.scores.shape}"
            )
        if len(set(self.query_ids)) != len(self.query_ids):
            raise InvalidSpec("rankings: a query id is there twice")
        for query, ids, scores in self:
            if len(set(ids)) != len(ids):
                raise InvalidSpec(f"rankings: query {query!r} has a gallery id twice")
            if np.isnan(scores).any():
                raise InvalidSpec(f"rankings: query {query!r} has a score that is not a number")
            pairs = list(zip(-scores, ids, strict=True))
            if pairs != sorted(pairs):
                raise InvalidSpec(f"rankings: scores of query {query!r} do not fall, or ties are not by id")

    def __len__(self) -> int:
        return len(self.query_ids)

    def __iter__(self) -> Iterator[tuple[str, list[str], NDArray[np.float64]]]:
        """Yield query id, gallery ids and scores of each query, without the places nobody filled."""
        for query, ids, scores in zip(self.query_ids, self.gallery_ids, self.scores, strict=True):
            filled = [id is not None for id in ids]
            yield query, ids[filled].tolist(), scores[filled]

    @property
    def k(self) -> int:
        """Places a query."""
        return int(self.scores.shape[1])

    @classmethod
    def from_lists(cls, query_ids: list[str], lists: list[list[tuple[str, float]]], k: int) -> Self:
        """Build rankings from `(gallery id, score)` lists in any order; the best `k` are kept."""
        ids = np.full((len(lists), k), None, object)
        scores = np.full((len(lists), k), -np.inf)
        for row, candidates in enumerate(lists):
            best = sorted((-round(float(score), SCORE_DECIMALS), id) for id, score in candidates)[:k]
            for place, (negative, id) in enumerate(best):
                ids[row, place], scores[row, place] = id, -negative
        return cls(np.array(query_ids, object), ids, scores)


@dataclass(frozen=True)
class Members:
    """Which gallery ids share a vector: an index holds one vector a content hash, rankings name every member.

    Attributes:
        ids: str `[m]`, sorted by vector, then by id.
        starts: int64 `[n + 1]`; the members of vector v are `ids[starts[v]:starts[v + 1]]`.
    """

    ids: Strings
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, vector: int) -> list[str]:
        """Return the ids that share vector `vector`."""
        members: list[str] = self.ids[self.starts[vector] : self.starts[vector + 1]].tolist()
        return members


def expand_twins(
    query_ids: list[str],
    selves: list[str | None],
    vectors: NDArray[np.int64],
    scores: NDArray[np.floating],
    members: Members,
    k: int,
) -> Rankings:
    """Turn nearest vectors into rankings of ids: every member at its vector's score, by id, cut at k.

    Args:
        query_ids: `[q]`.
        selves: `[q]`, the gallery id that is the query itself and is left out, or None.
        vectors: `[q, k']`, best first; k' is one more than k where queries may be in the gallery.
        scores: `[q, k']`.
        members: the ids of each vector.
        k: places a query.
    """
    lists = []
    for self_id, row, row_scores in zip(selves, vectors, scores, strict=True):
        pairs = [(id, score) for vector, score in zip(row, row_scores, strict=True) for id in members.of(int(vector))]
        lists.append([(id, float(score)) for id, score in pairs if id != self_id])
    return Rankings.from_lists(query_ids, lists, k)


def base_name_lists(rankings: Rankings) -> dict[str, list[str]]:
    """Return `{query base name: [gallery base names, best first]}`, the form course competitions take.

    Raises:
        InvalidSpec: where two queries, or two ranked gallery images, share a base name.
    """
    for kind, ids in (("query", set(rankings.query_ids)), ("gallery", {id for _, row, _ in rankings for id in row})):
        names: dict[str, str] = {}
        for id in sorted(ids):
            if (other := names.setdefault(_base_name(id), id)) != id:
                raise InvalidSpec(
                    f"base names of {kind} images are not unique: {other!r} and {id!r}; the long form always works"
                )
    return {_base_name(query): [_base_name(id) for id in ids] for query, ids, _ in rankings}


def _base_name(id: str) -> str:
    return id.rsplit("/", 1)[-1]
