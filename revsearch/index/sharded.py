"""Several indexes searched as one: graphs cannot be merged, their results can."""

from collections.abc import Sequence

import numpy as np

from revsearch.embeddings import Vectors
from revsearch.errors import InvalidSpec
from revsearch.index.searcher import Hits, Searcher


class ShardedIndex:
    """A `Searcher` over shards that hold consecutive rows: those of a shard follow those of the one before."""

    def __init__(self, shards: Sequence[Searcher]) -> None:
        """Search `shards` as one.

        Raises:
            InvalidSpec: where there is no shard.
        """
        if not shards:
            raise InvalidSpec("index: expected at least one shard, found none")
        self._shards = tuple(shards)
        self._first_rows = np.cumsum([0, *map(len, shards)])

    def __len__(self) -> int:
        return int(self._first_rows[-1])

    def search(self, queries: Vectors, k: int) -> Hits:
        """Return rows and scores `[q, min(k, n)]`, best first, ties by lower row (see `Searcher.search`).

        Shards are asked one after the other: each search takes all threads.
        """
        hits = [shard.search(queries, k) for shard in self._shards]
        rows = np.concatenate([rows + first for (rows, _), first in zip(hits, self._first_rows, strict=False)], axis=1)
        scores = np.concatenate([scores for _, scores in hits], axis=1)
        best = np.lexsort((rows, -scores))[:, :k]
        return np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
