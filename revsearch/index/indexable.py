"""Which vectors may enter an index, and which may be asked of it."""

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.errors import InvalidSpec, SpaceMismatch
from revsearch.specs import Metric

# normalise() leaves squared lengths within 1e-6 of 1; more than this is a vector that nobody normalised.
UNIT_TOLERANCE = 1e-5
# Squared distances up to (|a| + |b|)^2 = 4 |a|^2 must fit into float32.
MAX_SQUARED_LENGTH = float(np.finfo(np.float32).max) / 4
BLOCK_ROWS = 4096  # rows looked at together: 32 MiB of float32 at 2048 dims, so a memory-mapped matrix stays on disk
FIRST = 5  # rows named in a message


def squared_lengths(vectors: Vectors) -> NDArray[np.float64]:
    """Return the squared Euclidean length of each vector `[n, dim]` as float64 `[n]`; not finite where it is not."""
    lengths = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK_ROWS):
        with np.errstate(invalid="ignore"):  # a signalling NaN is found by its length, like any other
            block = vectors[start : start + BLOCK_ROWS].astype(np.float64)
        np.einsum("nd,nd->n", block, block, out=lengths[start : start + BLOCK_ROWS])
    return lengths


def admissible(lengths: NDArray[np.float64], metric: Metric) -> NDArray[np.bool_]:
    """Say which squared lengths `[n]` an indexed vector may have, bool `[n]`.

    Finite and above zero; for cosine exactly one, within `UNIT_TOLERANCE`.
    """
    if metric == "cosine":
        return np.asarray(np.abs(lengths - 1) <= UNIT_TOLERANCE)
    return np.asarray((lengths > 0) & (lengths <= MAX_SQUARED_LENGTH))  # NaN compares false


def require_indexable(vectors: Vectors, metric: Metric) -> NDArray[np.float64]:
    """Refuse vectors `[n, dim]` that would poison an index, and return their squared lengths, float64 `[n]`.

    One NaN row in 500 took a graph's recall@10 from .996 to .768, without a word from hnswlib.

    Raises:
        InvalidSpec: naming the first rows that are not finite, have no length, or (cosine) no unit length.
    """
    if vectors.ndim != 2 or 0 in vectors.shape or vectors.dtype != np.float32:
        raise InvalidSpec(f"index: expected float32 vectors [n, dim], found {vectors.dtype} {vectors.shape}")
    lengths = squared_lengths(vectors)
    if len(bad := np.flatnonzero(~admissible(lengths, metric))):
        wanted = "unit length" if metric == "cosine" else "length above zero"
        raise InvalidSpec(
            f"index: {len(bad)} of {len(vectors)} vectors cannot enter a {metric} index, rows "
            f"{bad[:FIRST].tolist()} of squared length {lengths[bad[:FIRST]].tolist()}; expected finite values "
            f"and {wanted}. Reject such rows, or normalise them, before the build."
        )
    return lengths


def prepare_queries(queries: Vectors, dim: int, metric: Metric) -> Vectors:
    """Return queries `[q, dim]` as an index compares them: float32, at unit length for cosine.

    Raises:
        SpaceMismatch: where they have another dim than the index.
        InvalidSpec: naming the first queries that are not finite, or (cosine) of zero length.
    """
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise SpaceMismatch(
            f"space mismatch: the index holds vectors of {dim} dims, the queries are {queries.shape}; "
            "embed the queries with the encoder of the gallery"
        )
    lengths = squared_lengths(queries)
    least = 0 if metric == "cosine" else -1
    if len(bad := np.flatnonzero(~((lengths > least) & (lengths <= MAX_SQUARED_LENGTH)))):
        raise InvalidSpec(
            f"search: {len(bad)} of {len(queries)} queries are not finite or have no length, "
            f"rows {bad[:FIRST].tolist()}; reject them before the search"
        )
    scale = np.sqrt(lengths) if metric == "cosine" else np.ones(len(queries))
    return np.ascontiguousarray(queries / scale[:, None], np.float32)
