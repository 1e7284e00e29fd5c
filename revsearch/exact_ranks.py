"""Exact ranks of all relevant images in the whole gallery, by counting, tile by tile, what is better.

Full-rank metrics are defined over the whole gallery; only the ranks of relevant images enter them. So no list is
sorted: an image's rank is the number of images, junk left out, that beat it, by score or, where scores are equal to
6 decimals, by a lower gallery position.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.metrics import Counts, Ranks
from revsearch.relevance import Relevance
from revsearch.score_tiles import GALLERY_TILE, ScoreTile, score_tiles
from revsearch.specs import Metric

BLOCK_QUERIES = 1024  # the gallery is read twice for so many queries
BLOCK_PAIRS = 2**21  # queries with more relevant images than this together go into different blocks: 130 MB
FEW = 16  # up to so many thresholds are compared one by one, which is quicker than sorting a tile


@dataclass(frozen=True)
class Pairs:
    """(query, gallery) pairs of a block, queries one after another, positions ascending within each.

    Attributes:
        queries: int64 `[pairs]`, rows of the block.
        positions: int64 `[pairs]`, gallery positions.
        order: int64 `[pairs]`, the pairs by position.
    """

    queries: NDArray[np.int64]
    positions: NDArray[np.int64]
    order: NDArray[np.int64]

    def inside(self, tile: ScoreTile) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return the pairs that lie in a tile, and where in it they lie."""
        bounds = np.searchsorted(self.positions, [tile.gallery.start, tile.gallery.stop], sorter=self.order)
        some = self.order[slice(*bounds)]
        queries = self.queries[some]
        some = some[(queries >= tile.queries.start) & (queries < tile.queries.stop)]
        return some, (self.queries[some] - tile.queries.start, self.positions[some] - tile.gallery.start)


@dataclass(frozen=True)
class BlockRelevance:
    """A block's relevant, junk and own gallery rows as pairs."""

    relevant: Pairs
    junk: Pairs
    own: Pairs  # each query's own row, where it counts
    n_relevant: Counts  # [q]

    @classmethod
    def of(cls, relevance: Relevance, rows: NDArray[np.int64]) -> Self:
        """Collect the pairs of the queries `rows` `[q]` of a relevance."""
        relevant, junk = zip(*(relevance.of(int(row)) for row in rows), strict=True)
        own = [relevance.self_of(int(row)) for row in rows]
        return cls(_pairs(relevant), _pairs(junk), _pairs(own), np.array([len(some) for some in relevant]))


def rank_blocks(n_relevant: Counts) -> Iterator[NDArray[np.int64]]:
    """Yield the queries that have a relevant image in blocks `relevant_ranks` can take at once."""
    rows = np.flatnonzero(n_relevant)
    total = np.cumsum(n_relevant[rows])
    start = 0
    while start < len(rows):
        before = total[start] - n_relevant[rows[start]]
        fitting = int(np.searchsorted(total, before + BLOCK_PAIRS, side="right"))
        stop = max(start + 1, min(start + BLOCK_QUERIES, fitting))
        yield rows[start:stop]
        start = stop


def relevant_ranks(
    queries: Vectors, gallery: Vectors, relevance: Relevance, rows: NDArray[np.int64], metric: Metric
) -> tuple[Ranks, Counts]:
    """Rank every relevant image of a block of queries in the whole gallery, junk taken out.

    With `self_in` the query's own row is forced to the first place: exact duplicates tie with it.

    Args:
        queries: float32 `[q, dim]`, as the encoder gave them.
        gallery: float32 `[n, dim]`, possibly memory-mapped, in id order: equal scores are ranked by position.
        relevance: of all queries.
        rows: int64 `[q]`, which of its queries these are, at least one.
        metric: `cosine`, or `l2` for minus the Euclidean distance. Ties by position are exact up to distances of
            2 million.

    Returns:
        0-based ranks `[sum(n_relevant)]`, ascending within a query, queries one after another; `n_relevant` `[q]`.
    """
    block = BlockRelevance.of(relevance, rows)
    scores = _relevant_scores(queries, gallery, block, metric)
    ranks = np.zeros(len(scores), np.int64)
    ends = np.cumsum(block.n_relevant)
    for tile in score_tiles(queries, gallery, metric):
        _count_better(tile, block, scores, ends, ranks)
    return ranks[np.lexsort((ranks, block.relevant.queries))], block.n_relevant


def _relevant_scores(queries: Vectors, gallery: Vectors, block: BlockRelevance, metric: Metric) -> NDArray[np.float64]:
    """Return the score of each relevant pair, `[sum(n_relevant)]`, infinite where a query is to come first itself."""
    positions, places = np.unique(block.relevant.positions, return_inverse=True)
    pairs = Pairs(block.relevant.queries, places, block.relevant.order)
    scores = np.empty(len(places))
    for tile in score_tiles(queries, gallery, metric, positions):
        some, where = pairs.inside(tile)
        scores[some] = tile.scores[where]
    own = np.full(len(queries), -1, np.int64)
    own[block.own.queries] = block.own.positions
    scores[block.relevant.positions == own[block.relevant.queries]] = np.inf
    return scores


def _count_better(
    tile: ScoreTile, block: BlockRelevance, scores: NDArray[np.float64], ends: NDArray[np.int64], ranks: Ranks
) -> None:
    """Add to each relevant pair's rank how many images of the tile beat it.

    A key is `score * tile width - column`: one number that falls with the score and, among equals, with the position.
    """
    keys = tile.scores
    keys[block.junk.inside(tile)[1]] = -np.inf
    keys[block.own.inside(tile)[1]] = np.inf
    keys *= GALLERY_TILE
    keys -= np.arange(keys.shape[1])
    for row, query in enumerate(range(tile.queries.start, tile.queries.stop)):
        mine = slice(ends[query] - block.n_relevant[query], ends[query])
        ahead = np.clip(block.relevant.positions[mine] - tile.gallery.start, 0, GALLERY_TILE)
        ranks[mine] += _n_above(keys[row], scores[mine] * GALLERY_TILE - ahead)


def _n_above(keys: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count for each threshold `[r]` the keys `[t]` above it."""
    if len(thresholds) <= FEW:
        return np.asarray(np.count_nonzero(keys > thresholds[:, None], axis=1), np.int64)
    high = np.sort(keys[keys > thresholds.min()])  # relevant images rank high: few keys are left to sort
    return np.asarray(len(high) - np.searchsorted(high, thresholds, side="right"), np.int64)


def _pairs(lists: Sequence[NDArray[np.int64]]) -> Pairs:
    positions = np.concatenate(lists)
    return Pairs(
        np.repeat(np.arange(len(lists)), [len(some) for some in lists]), positions, np.argsort(positions, kind="stable")
    )
