"""Ids that a list gives twice, found in 8 bytes a row."""

from array import array
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from revsearch.storage.tables.block import TableBlock

_SUSPECTS = 64  # rows looked at again; more than are named, since two ids may share a hash by chance


class SeenIds:
    """Hashes of the ids seen: Python's own, keyed by the process, so that no list can be made to collide."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, block: TableBlock) -> None:
        """See the ids of a block."""
        self._hashes.extend(map(hash, block.ids))

    def repeated(self, again: Callable[[], Iterable[TableBlock]], limit: int) -> list[tuple[str, int, int]]:
        """Return the first `limit` ids given twice, each with the places of its first and second row.

        `again` reads the blocks once more; it is called only where two hashes are equal.
        """
        suspects = _equal_to_earlier(np.frombuffer(self._hashes, np.int64))
        return _confirmed(suspects, again(), limit) if suspects else []


def _equal_to_earlier(hashes: NDArray[np.int64]) -> set[int]:
    """Return the hashes of the first rows whose hash an earlier row has."""
    ordered = np.sort(hashes)
    if not np.any(ordered[1:] == ordered[:-1]):
        return set()
    first = np.zeros(len(hashes), bool)
    first[np.unique(hashes, return_index=True)[1]] = True
    return set(hashes[np.flatnonzero(~first)[:_SUSPECTS]].tolist())


def _confirmed(suspects: set[int], blocks: Iterable[TableBlock], limit: int) -> list[tuple[str, int, int]]:
    seen: dict[str, int] = {}
    twice: dict[str, tuple[str, int, int]] = {}
    for block in blocks:
        for id, line in zip(block.ids, block.lines.tolist(), strict=True):
            if hash(id) not in suspects:
                continue
            if id in seen and id not in twice:
                twice[id] = (id, seen[id], line)
                if len(twice) == limit:
                    return list(twice.values())
            seen.setdefault(id, line)
    return list(twice.values())
