"""Postings: for each query a list of gallery positions, kept once however many queries share it."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]  # of gallery rows, ascending, none twice


@dataclass(frozen=True)
class Postings:
    """Lists of gallery positions in one array: memory grows with queries + gallery, not with their product.

    Attributes:
        codes: int64 `[q]`, the list of each query; -1 where it has none.
        starts: int64 `[lists + 1]`; list c is `positions[starts[c]:starts[c + 1]]`.
        positions: int64, ascending within each list.
    """

    codes: NDArray[np.int64]
    starts: NDArray[np.int64]
    positions: Positions

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, query: int) -> Positions:
        """Return the gallery positions of one query, a view."""
        code = self.codes[query]
        return self.positions[:0] if code < 0 else self.positions[self.starts[code] : self.starts[code + 1]]

    def counts(self) -> NDArray[np.int64]:
        """Return how many positions each query has, `[q]`."""
        sizes = np.append(np.diff(self.starts), 0)  # code -1 takes the last one
        return np.asarray(sizes[self.codes], np.int64)

    @classmethod
    def by_key(cls, query_keys: Iterable[Hashable], gallery_keys: Iterable[Hashable]) -> Self:
        """Give each query the gallery rows of equal key; None equals nothing."""
        known: dict[Hashable, int] = {}
        gallery = np.fromiter(
            (-1 if key is None else known.setdefault(key, len(known)) for key in gallery_keys), np.int64
        )
        codes = np.fromiter((-1 if key is None else known.get(key, -1) for key in query_keys), np.int64)
        order = np.argsort(gallery, kind="stable")
        return cls(codes, np.searchsorted(gallery[order], np.arange(len(known) + 1)), order)

    @classmethod
    def from_lists(cls, lists: Sequence[Positions]) -> Self:
        """Give each query its own list, in any order and with doubles."""
        sorted_lists = [np.unique(positions) for positions in lists]
        starts = np.cumsum([0, *map(len, sorted_lists)])
        return cls(np.arange(len(lists)), starts, np.concatenate([np.empty(0, np.int64), *sorted_lists]))


def is_in(positions: NDArray[np.int64], postings: Positions) -> NDArray[np.bool_]:
    """Say for each of a few positions whether it is in a long ascending list, `[p]`."""
    if not len(postings):
        return np.zeros(len(positions), bool)
    found = np.minimum(np.searchsorted(postings, positions), len(postings) - 1)
    return np.asarray(postings[found] == positions, bool)
