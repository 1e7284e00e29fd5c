"""How scores of right pairs and of wrong pairs lie: the picture behind a good or a bad ranking."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.exact_ranks import BlockRelevance
from revsearch.relevance import Relevance
from revsearch.score_tiles import STEPS, score_tiles
from revsearch.specs import Metric


@dataclass(frozen=True)
class ScoreCounts:
    """Pairs counted by score.

    Attributes:
        edges: float64 `[bins + 1]`, scores; higher is better.
        matches: int64 `[bins]`, pairs of a query and a relevant image.
        others: int64 `[bins]`, pairs of a query and any other image, junk left out.
    """

    edges: NDArray[np.float64]
    matches: NDArray[np.int64]
    others: NDArray[np.int64]


def score_histogram(
    queries: Vectors,
    gallery: Vectors,
    relevance: Relevance,
    rows: NDArray[np.int64],
    metric: Metric,
    bins: int = 100,
) -> ScoreCounts:
    """Count the scores of some queries `[q, dim]`, `rows` of a relevance, with the whole gallery `[n, dim]`.

    A few hundred seeded queries draw the picture of all.
    """
    block = BlockRelevance.of(relevance, rows)
    bounds = (-1.0, 1.0) if metric == "cosine" else (-_longest(queries) - _longest(gallery), 0.0)
    edges = np.linspace(*bounds, bins + 1)
    matches, others = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    for tile in score_tiles(queries, gallery, metric):
        scores = tile.scores / STEPS
        found = np.histogram(scores[block.relevant.inside(tile)[1]], bins, bounds)[0]
        scores[block.junk.inside(tile)[1]] = np.nan  # no bin takes it
        matches += found
        others += np.histogram(scores, bins, bounds)[0] - found
    return ScoreCounts(edges, matches, others)


def _longest(vectors: Vectors) -> float:
    """Return the largest Euclidean length; no two vectors are further apart than theirs added up."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return float(np.sqrt(squares.max(initial=0)))
