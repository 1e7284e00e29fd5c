"""Rankings as long Parquet parts (query_row, query_id, rank, gallery_id, score), a block of queries each.

A query whose list is empty (the gallery held nothing but itself) has one row, of rank 1, without a gallery id.
"""

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from revsearch.ranking import Rankings
from revsearch.storage import parquet
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.card import Part
from revsearch.storage.store import Store

_COLUMNS = ("query_row", "query_id", "rank", "gallery_id", "score")


def encode_rankings(rankings: Rankings, rows: NDArray[np.int64]) -> bytes:
    """Serialise a block of rankings; `rows` `[q]` are the queries' manifest rows."""
    written = rankings.gallery_ids != None  # noqa: E711  # element by element
    written[:, 0] = True  # also of an empty list, whose query would be lost
    query, place = np.nonzero(written)
    return parquet.to_bytes(
        pa.table(
            {
                "query_row": pa.array(rows[query], pa.int64()),
                "query_id": pa.array(rankings.query_ids[query], pa.string()),
                "rank": pa.array(place + 1, pa.int32()),
                "gallery_id": pa.array(rankings.gallery_ids[query, place], pa.string()),
                "score": pa.array(rankings.scores[query, place], pa.float64()),
            }
        )
    )


def read_query_rows(path: Path) -> NDArray[np.int64]:
    """Return the manifest rows of the queries a part holds, int64 `[q]` ascending."""
    return np.unique(parquet.read(path, ["query_row"])["query_row"].to_numpy())


class StoredRankings:
    """Rankings in parts, read part by part."""

    def __init__(self, store: Store, prefix: str, parts: Sequence[Part]) -> None:
        """Take the parts that lie below `prefix`."""
        self.store, self.prefix = store, prefix
        self._parts = sorted((part for part in parts if part.name.startswith("part-")), key=lambda part: part.name)
        self._scratch = tempfile.TemporaryDirectory(prefix="revsearch-")

    @classmethod
    def of(cls, store: Store, artifact: Artifact) -> Self:
        """Take a committed artifact's parts."""
        return cls(store, str(artifact), artifact.card.parts)

    @cached_property
    def k(self) -> int:
        """Places a query: as many as the longest list has, whatever was asked for, and at least one."""
        ranks = (parquet.read(path, ["rank"])["rank"].to_numpy() for path in self._paths)
        return max((int(each.max(initial=1)) for each in ranks), default=1)

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], Rankings]]:
        """Yield the rankings of each part with its queries' manifest rows, int64 `[q]`; each query comes once."""
        seen = np.empty(0, np.int64)
        for path in self._paths:
            rows, rankings = _decode(path, self.k)
            fresh = ~np.isin(rows, seen)
            seen = np.union1d(seen, rows)
            yield rows[fresh], Rankings(rankings.query_ids[fresh], rankings.gallery_ids[fresh], rankings.scores[fresh])

    def whole(self) -> tuple[NDArray[np.int64], Rankings]:
        """Return all rankings with their queries' manifest rows, in manifest order."""
        blocks = list(self.blocks())
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in blocks)])
        order = np.argsort(rows)
        return rows[order], Rankings(
            np.concatenate([np.empty(0, object), *(block.query_ids for _, block in blocks)])[order],
            np.concatenate([np.empty((0, self.k), object), *(block.gallery_ids for _, block in blocks)])[order],
            np.concatenate([np.empty((0, self.k)), *(block.scores for _, block in blocks)])[order],
        )

    @cached_property
    def _paths(self) -> list[Path]:
        return [fetch(self.store, self.prefix, part, Path(self._scratch.name)) for part in self._parts]


def _decode(path: Path, k: int) -> tuple[NDArray[np.int64], Rankings]:
    table = parquet.read(path, _COLUMNS)
    rows, first, query = np.unique(table["query_row"].to_numpy(), return_index=True, return_inverse=True)
    place = table["rank"].to_numpy() - 1
    ids = np.full((len(rows), k), None, object)
    scores = np.full((len(rows), k), -np.inf)
    ids[query, place] = parquet.strings(table, "gallery_id")
    scores[query, place] = table["score"].to_numpy()
    return rows, Rankings(parquet.strings(table, "query_id")[first], ids, scores)
