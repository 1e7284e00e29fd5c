"""Embeddings: rows of a manifest with their vectors, every row embedded or rejected exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import IncompleteEmbeddings, InvalidSpec
from revsearch.manifest import Strings
from revsearch.rejects import Reason
from revsearch.space import EmbeddingSpace

Vectors = NDArray[np.float32]  # [n, dim]

_SMALLEST_NORM = float(np.sqrt(np.finfo(np.float32).tiny))
_LARGEST_NORM = float(np.sqrt(np.finfo(np.float32).max))


@dataclass(frozen=True)
class Embeddings:
    """Vectors as the encoder gave them (not normalised), in manifest order.

    Attributes:
        space: what may be compared with them.
        ids: str `[n]`.
        rows: int64 `[n]`, ascending manifest rows; rejected rows are left out.
        vectors: float32 `[n, dim]`, possibly memory-mapped; all finite, norm > 0.
    """

    space: EmbeddingSpace
    ids: Strings
    rows: NDArray[np.int64]
    vectors: Vectors

    def __post_init__(self) -> None:
        expected = (len(self.ids), self.space.dim)
        if self.vectors.shape != expected or self.rows.shape != expected[:1]:
            raise InvalidSpec(
                f"embeddings: expected vectors {expected}, found {self.vectors.shape}; rows {self.rows.shape}"
            )
        if np.any(np.diff(self.rows) <= 0):
            raise InvalidSpec("embeddings: rows are not strictly ascending: an id is there twice, or order is lost")

    def __len__(self) -> int:
        return len(self.rows)


def choose_parts(n_rows: int, parts: Sequence[NDArray[np.int64]]) -> list[NDArray[np.bool_]]:
    """Choose one part a row where parts overlap: the first in the given order that holds it.

    A driver that was killed and started again does the parts in flight twice; this makes that harmless.

    Args:
        n_rows: rows of the manifest.
        parts: the manifest rows each part holds, in a fixed order (by part name).

    Returns:
        For each part which of its rows count, bool `[len(part)]`.

    Raises:
        IncompleteEmbeddings: where a row is in no part; the first five are named.
        InvalidSpec: where a part holds a row that the manifest does not have.
    """
    taken = np.zeros(n_rows, bool)
    chosen = []
    for rows in parts:
        if len(outside := rows[(rows < 0) | (rows >= n_rows)]):
            raise InvalidSpec(f"a part holds manifest row {outside[0]}, but the manifest has {n_rows} rows")
        first = np.zeros(len(rows), bool)
        first[np.unique(rows, return_index=True)[1]] = True
        keep = first & ~taken[rows]
        taken[rows] = True
        chosen.append(keep)
    if not taken.all():
        missing = np.flatnonzero(~taken)
        raise IncompleteEmbeddings(
            f"{len(missing)} of {n_rows} rows are neither embedded nor rejected, first: {missing[:5].tolist()}"
        )
    return chosen


def vector_reasons(vectors: Vectors) -> list[Reason | None]:
    """Return for each vector `[n, dim]` why it may not enter an index, or None where it may.

    Indexes sum squares in float32: a vector whose sum overflows is as good as infinite there, one whose squares
    vanish as good as zero.
    """
    return [
        Reason.NOT_FINITE if not norm <= _LARGEST_NORM else Reason.ZERO_NORM if norm < _SMALLEST_NORM else None
        for norm in _norms(vectors)  # not a number is not less or equal either
    ]


def normalise(vectors: Vectors) -> Vectors:
    """Return vectors `[n, dim]` at unit Euclidean length, float32."""
    return np.asarray(vectors / _norms(vectors).astype(np.float32)[:, None], np.float32)


def _norms(vectors: Vectors) -> NDArray[np.float64]:
    """Return Euclidean lengths `[n]`, summed in float64: squares of small numbers vanish in float32."""
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)))
