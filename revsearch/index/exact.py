"""Exact search: every query against every vector, in tiles."""

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.index.closeness import key_noise, keys, keys_to_scores, pair_scores, scores_to_keys
from revsearch.index.indexable import prepare_queries, require_indexable, squared_lengths
from revsearch.index.searcher import Hits, Rows
from revsearch.index.topk import TopK
from revsearch.specs import Metric

QUERY_TILE = 512  # a memory-mapped gallery is read once for so many queries
GALLERY_TILE = 4096  # with it a tile of scores is 8 MiB in float32; q x n scores never exist
SPARE = 8  # candidates beyond k that float32 may have put in the wrong order
SETTLE_ELEMENTS = 2**18  # candidates' components held in float64 at once: 2 MiB, which stays in the cache


class ExactIndex:
    """Top-k by comparing with every vector: the truth that graphs are held against.

    float32 products find k + `SPARE` candidates, float64 settles their scores and order. Where float32 cannot tell
    whether a row left out belongs in (many near-equal vectors), the query is done again in float64 from the start.
    So equal vectors have equal scores wherever they lie.
    """

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        """Index vectors `[n, dim]`, float32, possibly memory-mapped; unit length for cosine.

        Raises:
            InvalidSpec: where a vector is not finite, has no length, or (cosine) no unit length.
        """
        self._lengths = require_indexable(vectors, metric)
        self._largest = float(self._lengths.max())
        self.vectors = vectors
        self.metric = metric

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, queries: Vectors, k: int) -> Hits:
        """Return rows and scores `[q, min(k, n)]`, best first, ties by lower row (see `Searcher.search`)."""
        queries = prepare_queries(queries, self.vectors.shape[1], self.metric)
        rows = np.empty((len(queries), min(k, len(self))), np.int64)
        scores = np.empty(rows.shape, np.float32)
        for start in range(0, len(queries), QUERY_TILE):
            tile = slice(start, start + QUERY_TILE)
            rows[tile], scores[tile] = self._search_tile(queries[tile], rows.shape[1])
        return rows, scores

    def _search_tile(self, queries: Vectors, k: int) -> Hits:
        if (k + SPARE) * 8 >= len(self):  # settling an eighth of the gallery costs more than float64 products of it all
            return self._search_float64(queries, k)
        candidates = self._nearest(queries, k + SPARE, np.float32)
        rows, scores = self._settle(queries, candidates.rows, k)
        crowded = self._is_crowded(queries, candidates.scores[:, -1], scores[:, -1])
        if crowded.any():
            rows[crowded], scores[crowded] = self._search_float64(queries[crowded], k)
        return rows, scores

    def _search_float64(self, queries: Vectors, k: int) -> Hits:
        best = self._nearest(queries, k, np.float64)
        return best.rows, best.scores

    def _nearest(self, queries: Vectors, k: int, dtype: type[np.float32 | np.float64]) -> TopK:
        """Return the top-k by keys that are computed in float32, or by scores that are computed in float64."""
        best = TopK(len(queries), k)
        asked = squared_lengths(queries)
        for start in range(0, len(self), GALLERY_TILE):
            vectors, lengths = self.vectors[start : start + GALLERY_TILE], self._lengths[start : start + GALLERY_TILE]
            near = keys(np.asarray(queries, dtype), np.asarray(vectors, dtype), lengths, self.metric)
            best.offer(near if dtype is np.float32 else keys_to_scores(near, asked, lengths, self.metric), start)
        return best

    def _is_crowded(
        self, queries: Vectors, last_keys: NDArray[np.float32], kth_scores: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Say for which queries `[q]` the last candidate is so near the k-th hit that better rows may be left out."""
        asked = squared_lengths(queries)
        noise = key_noise(asked, self._largest, queries.shape[1], self.metric)
        return np.asarray(last_keys + noise >= scores_to_keys(kth_scores, asked, self.metric))

    def _settle(self, queries: Vectors, candidates: Rows, k: int) -> Hits:
        """Return the best k of each query's candidates `[q, c]`, by scores computed in float64."""
        candidates = np.sort(candidates, axis=1)  # in row order, so that a stable sort gives ties to the lower row
        scores = np.empty(candidates.shape, np.float32)
        step = max(1, SETTLE_ELEMENTS // (candidates.shape[1] * queries.shape[1]))
        for start in range(0, len(queries), step):
            some = slice(start, start + step)
            scores[some] = pair_scores(queries[some], self.vectors[candidates[some]], self.metric)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(candidates, best, axis=1), np.take_along_axis(scores, best, axis=1)
