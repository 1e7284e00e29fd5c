"""A graph searched at a tuned width, with exact search behind it."""

from revsearch.embeddings import Vectors
from revsearch.errors import SpaceMismatch
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.searcher import Hits


class TunedGraph:
    """A `Searcher` that always gives k results: queries the graph leaves short are searched exactly.

    Attributes:
        ef: width of the search.
    """

    def __init__(self, graph: HnswGraph, exact: ExactIndex, ef: int) -> None:
        """Search `graph` at width `ef`; `exact` holds the same vectors in the same order.

        Raises:
            SpaceMismatch: where the two differ in rows, dim or metric.
        """
        ours, theirs = (len(graph), graph.dim, graph.metric), (*exact.vectors.shape, exact.metric)
        if ours != theirs:
            raise SpaceMismatch(f"space mismatch: the graph has (n, dim, metric) {ours}, its vectors have {theirs}")
        self._graph = graph
        self._exact = exact
        self.ef = ef

    def __len__(self) -> int:
        return len(self._graph)

    def search(self, queries: Vectors, k: int) -> Hits:
        """Return rows and scores `[q, min(k, n)]`, best first (see `Searcher.search`)."""
        rows, scores, short = self._graph.search(queries, k, ef=self.ef)
        if short.any():
            rows[short], scores[short] = self._exact.search(queries[short], k)
        return rows, scores
