"""How wide a graph must be searched: the smallest ef whose results are close enough to exact ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from revsearch.embeddings import Vectors
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.searcher import Rows, Scores
from revsearch.index.tuned import TunedGraph

SAME_SCORE = 1e-6  # scores nearer than this, relative where they are above one, are ties
FINE_ENOUGH = 20  # the ef found is at most 1/20 above the smallest: less than what recall varies by between samples

# A search this wide computes about 100,000 distances: where it is too narrow, a wider one is slower than exact search.
MAX_EF = 4096


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found.

    Attributes:
        ef: width of the search.
        ann_recall: overlap with exact search at that ef, 0..1; below `target` where no ef reaches it.
        target: the ann_recall asked for.
        n_queries: queries it was measured on.
        k: places compared.
    """

    ef: int
    ann_recall: float
    target: float
    n_queries: int
    k: int


def ann_recall_at_k(found_rows: Rows, found_scores: Scores, exact_rows: Rows, exact_scores: Scores) -> float:
    """Return the share of the exact top-k that was found, 0..1, all arguments `[q, k]`; 1 where there is no query.

    A row that exact search does not have, but whose score ties with its k-th, counts as found: which of equal
    vectors is listed is chance.
    """
    if not exact_rows.size:
        return 1.0
    last = exact_scores[:, -1:].astype(np.float64)
    ties = found_scores >= last - SAME_SCORE * np.maximum(1, np.abs(last))
    shared = [np.isin(found, exact) for found, exact in zip(found_rows, exact_rows, strict=True)]
    return float(np.mean(ties | np.stack(shared)))


def tune_ef(graph: HnswGraph, exact: ExactIndex, queries: Vectors, k: int, target: float) -> Tuning:
    """Find the smallest ef, within 5 %, at which queries `[q, dim]` reach `target` as they would be served.

    ef is doubled from k until it does, then halved into. Where even the largest (n, or `MAX_EF`) does not, the try
    with the highest recall is returned: compare its `ann_recall` with `target`.

    Raises:
        SpaceMismatch, InvalidSpec: see `Searcher.search`, `TunedGraph`.
    """
    k = min(k, len(graph))
    truth = exact.search(queries, k)

    def measure(ef: int) -> Tuning:
        found = TunedGraph(graph, exact, ef).search(queries, k)
        return Tuning(ef, ann_recall_at_k(*found, *truth), target, len(queries), k)

    tries = _double(measure, k, min(len(graph), max(MAX_EF, k)))
    if tries[-1].ann_recall < target:
        return max(tries, key=lambda tuning: (tuning.ann_recall, -tuning.ef))
    return _bisect(measure, tries[-2].ef if len(tries) > 1 else 0, tries[-1])


def _double(measure: Callable[[int], Tuning], ef: int, largest: int) -> list[Tuning]:
    """Measure ef, twice ef, … until the target is reached, or the largest ef has been tried."""
    tries = [measure(ef)]
    while tries[-1].ann_recall < tries[-1].target and tries[-1].ef < largest:
        tries.append(measure(min(2 * tries[-1].ef, largest)))
    return tries


def _bisect(measure: Callable[[int], Tuning], too_low: int, reached: Tuning) -> Tuning:
    """Return the smallest ef that reaches the target between one that is too low and one that does."""
    too_low = max(too_low, reached.k - 1)  # searches are never narrower than k
    while reached.ef - too_low > max(1, reached.ef // FINE_ENOUGH):
        middle = measure((too_low + reached.ef) // 2)
        if middle.ann_recall >= middle.target:
            reached = middle
        else:
            too_low = middle.ef
    return reached
