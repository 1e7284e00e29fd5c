"""The best k of scores that arrive in tiles."""

import numpy as np
from numpy.typing import NDArray


class TopK:
    """Running top-k of `q` queries over a gallery that is seen tile by tile, in row order.

    Attributes:
        rows: int64 `[q, k]`, best first, ties by lower row; -1 where fewer than k have been seen.
        scores: float32 `[q, k]`, falling; -inf where the row is -1.
    """

    def __init__(self, q: int, k: int) -> None:
        self.rows = np.full((q, k), -1, np.int64)
        self.scores = np.full((q, k), -np.inf, np.float32)

    def offer(self, tile: NDArray[np.float32], first_row: int) -> None:
        """Take in the scores `[q, t]` of gallery rows `first_row, first_row + 1, …`, above all rows seen before."""
        rows, scores = _survivors(tile, self._floor(tile))
        rows = np.concatenate([self.rows, np.where(rows < 0, -1, rows + first_row)], axis=1)
        scores = np.concatenate([self.scores, scores], axis=1)
        # Stable, and all in row order where scores are equal: ties fall to the lower row.
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.rows.shape[1]]
        self.rows = np.take_along_axis(rows, best, axis=1)
        self.scores = np.take_along_axis(scores, best, axis=1)

    def _floor(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what a score must reach to matter, `[q]`: the k-th best so far, or of the tile while there is none."""
        k = self.rows.shape[1]
        if self.rows[0, -1] < 0 and tile.shape[1] > k:
            return np.partition(tile, -k, axis=1)[:, -k]
        return self.scores[:, -1]


def _survivors(tile: NDArray[np.float32], floor: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return columns and scores `[q, m]` that reach the floor, in column order, padded with -1 and -inf.

    After the first tile few do: comparing is ten times cheaper than partitioning.
    """
    query, column = np.nonzero(tile >= floor[:, None])
    counts = np.bincount(query, minlength=len(tile))
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = np.full((len(tile), counts.max(initial=0)), -1, np.int64)
    scores = np.full(columns.shape, -np.inf, tile.dtype)
    columns[query, place] = column
    scores[query, place] = tile[query, column]
    return columns, scores
