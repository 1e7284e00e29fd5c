"""How near vectors are, by metric: quickly in float32, and to the last digit in float64.

A key is what a matrix product gives without a root, higher is nearer: the cosine, or `2 q·g - |g|²`, which is
`|q|² - distance²`. A score is what users see: the cosine, or minus the Euclidean distance, rounded to float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.specs import Metric

Floats = NDArray[np.floating[Any]]
# A squared distance below this share of both squared lengths is what float64 products of equal vectors leave over.
SAME = 1e-14


def keys(queries: Floats, vectors: Floats, lengths: NDArray[np.float64], metric: Metric) -> Floats:
    """Return keys `[q, t]` of queries `[q, dim]` and vectors `[t, dim]` of squared lengths `[t]`, in their dtype."""
    products: Floats = queries @ vectors.T
    if metric == "l2":
        products *= 2
        products -= lengths.astype(products.dtype)
    return products


def keys_to_scores(
    keys: Floats, asked: NDArray[np.float64], lengths: NDArray[np.float64], metric: Metric
) -> NDArray[np.float32]:
    """Turn float64 keys `[q, t]` into scores; `asked` `[q]` and `lengths` `[t]` are squared lengths."""
    if metric == "cosine":
        return keys.astype(np.float32)
    squared = asked[:, None] - keys
    squared[squared < SAME * (asked[:, None] + lengths)] = 0
    return (0 - np.sqrt(squared)).astype(np.float32)


def scores_to_keys(scores: NDArray[np.float32], asked: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Turn one score a query `[q]` into its key; `asked` `[q]` are the queries' squared lengths."""
    wide = scores.astype(np.float64)
    return wide if metric == "cosine" else asked - wide**2


def key_noise(asked: NDArray[np.float64], largest: float, dim: int, metric: Metric) -> NDArray[np.float64]:
    """Return how far a float32 key may be off, `[q]`, for vectors of squared length up to `largest`.

    Rounding errors of a sum add up like a random walk (Higham & Mary 2019): eps * sqrt(dim) * |q| |g|.
    """
    reach = np.sqrt(asked * largest)
    step = float(np.finfo(np.float32).eps) * np.sqrt(dim)
    return np.asarray(step * (reach if metric == "cosine" else 2 * reach + largest), np.float64)


def pair_scores(queries: Vectors, vectors: Vectors, metric: Metric) -> NDArray[np.float32]:
    """Score each query `[q, dim]` with its own vectors `[q, c, dim]` in float64, for l2 by differences: `[q, c]`.

    Equal vectors score equally, and an l2 score of equal vectors is zero.
    """
    wide, theirs = queries.astype(np.float64), vectors.astype(np.float64)
    if metric == "cosine":
        return np.asarray(np.matmul(theirs, wide[:, :, None])[:, :, 0], np.float32)
    theirs -= wide[:, None]
    return np.asarray(0 - np.sqrt(np.einsum("qcd,qcd->qc", theirs, theirs)), np.float32)
