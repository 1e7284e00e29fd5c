"""Scores of queries against a gallery, tile by tile: a q x n matrix never exists."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, normalise
from revsearch.ranking import SCORE_DECIMALS
from revsearch.specs import Metric

GALLERY_TILE = 4096  # with the query tile 8 MiB of float64 scores
QUERY_TILE = 256
STEPS = 10**SCORE_DECIMALS  # steps a unit of score: scores are compared as whole numbers
# A squared distance below this share of both squared lengths is what float64 products of equal vectors leave over.
SAME = 1e-14


@dataclass(frozen=True)
class ScoreTile:
    """Some queries against some gallery rows.

    Attributes:
        queries: the rows of the query block.
        gallery: the positions in the gallery (or in `positions`, where given).
        scores: float64 `[queries, gallery]`, whole numbers: scores in millionths, higher is better.
    """

    queries: slice
    gallery: slice
    scores: NDArray[np.float64]


def score_tiles(
    queries: Vectors, gallery: Vectors, metric: Metric, positions: NDArray[np.int64] | None = None
) -> Iterator[ScoreTile]:
    """Score queries `[q, dim]` against a gallery `[n, dim]`, possibly memory-mapped, or against some of its rows.

    Products are float64, so that rounding to float32, as an index answers, and to 6 decimals, as rankings are kept,
    gives the same whatever the shape of a tile and whatever computed it.
    """
    n = len(gallery) if positions is None else len(positions)
    asked = _prepared(queries, metric)
    for start in range(0, n, GALLERY_TILE):
        columns = slice(start, min(start + GALLERY_TILE, n))
        tile = _prepared(gallery[columns if positions is None else positions[columns]], metric)
        for first in range(0, len(asked), QUERY_TILE):
            rows = slice(first, min(first + QUERY_TILE, len(asked)))
            yield ScoreTile(rows, columns, _rounded(_scores(asked[rows], tile, metric)))


def _prepared(vectors: Vectors, metric: Metric) -> NDArray[np.float64]:
    return np.asarray(normalise(vectors) if metric == "cosine" else vectors, np.float64)


def _scores(queries: NDArray[np.float64], gallery: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    products: NDArray[np.float64] = queries @ gallery.T
    return products if metric == "cosine" else _minus_distances(products, _squares(queries), _squares(gallery))


def _minus_distances(
    products: NDArray[np.float64], asked: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn products `[q, t]` of vectors of squared lengths `[q]` and `[t]` into minus the Euclidean distance."""
    both = asked[:, None] + lengths
    squared = both - 2 * products
    squared[squared < SAME * both] = 0
    return np.asarray(-np.sqrt(squared), np.float64)


def _squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("nd,nd->n", vectors, vectors), np.float64)


def _rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = scores.astype(np.float32).astype(np.float64)
    steps *= STEPS
    return np.rint(steps, out=steps)
