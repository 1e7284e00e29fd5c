"""Approximate search in one HNSW graph (Malkov & Yashunin 2016), by hnswlib."""

import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

import hnswlib
import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.index.graph_check import require_sound_graph
from revsearch.index.graph_save import save_verified
from revsearch.index.indexable import prepare_queries, require_indexable
from revsearch.index.searcher import Rows, Scores
from revsearch.specs import Metric

# "cosine" would normalise again, in a float32 sum of its own: up to 3e-6 beside exact search at 2048 dims. Of unit
# vectors the inner product is the cosine, and "ip" stores them as they are.
SPACES: dict[Metric, str] = {"cosine": "ip", "l2": "l2"}
BUILD_BLOCK = 8192  # rows inserted in one call: hnswlib cannot be interrupted within one
QUERY_BLOCK = 1024  # queries asked in one call: one that comes back short fails the whole call
ALL_THREADS = 0  # hnswlib then takes every CPU this process may run on


class GraphHits(NamedTuple):
    """What a graph found.

    Attributes:
        rows: `[q, k]`, best first; -1 in queries that came back short.
        scores: `[q, k]`, falling; -inf in queries that came back short.
        short: bool `[q]`, fewer than k nodes can be reached: ask elsewhere.
    """

    rows: Rows
    scores: Scores
    short: NDArray[np.bool_]


class HnswGraph:
    """A graph over n vectors. It is built once and then only read: inserting is not safe beside searching."""

    def __init__(self, graph: Any, metric: Metric, threads: int) -> None:
        """Wrap a filled hnswlib index; use `build` or `load`."""
        self._graph = graph
        self._threads = threads
        self._one_search = threading.Lock()  # ef is a state of the graph, not an argument of a search
        self.metric = metric

    @classmethod
    def build(cls, vectors: Vectors, metric: Metric, *, M: int, ef_construction: int, seed: int, threads: int) -> Self:
        """Build over vectors `[n, dim]`, float32; unit length for cosine.

        The same vectors and seed give the same bytes with one thread only: with more, the order of insertion varies.

        Args:
            M: links a node on the upper levels; twice as many on the lowest.
            ef_construction: width of the search for a new node's neighbours.
            threads: of this build and of searches; `ALL_THREADS` for all CPUs.

        Raises:
            InvalidSpec: where a vector is not finite, has no length, or (cosine) no unit length.
        """
        require_indexable(vectors, metric)
        graph = hnswlib.Index(SPACES[metric], vectors.shape[1])
        graph.init_index(len(vectors), M=M, ef_construction=ef_construction, random_seed=seed)
        for start in range(0, len(vectors), BUILD_BLOCK):
            graph.add_items(vectors[start : start + BUILD_BLOCK], num_threads=threads)
        return cls(graph, metric, threads)

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, threads: int = ALL_THREADS) -> Self:
        """Load the graph of n vectors of dim that `save` wrote; verify its checksum before.

        Raises:
            CorruptArtifact: where the file is not there, or is not of that form (`require_sound_graph`).
        """
        require_sound_graph(path, n=n, dim=dim, metric=metric)
        graph = hnswlib.Index(SPACES[metric], dim)
        graph.load_index(str(path), max_elements=n)
        return cls(graph, metric, threads)

    def save(self, path: Path) -> None:
        """Write the graph to a local file, and read it back before it counts as written.

        Raises:
            DiskFull, InvalidSpec, CorruptArtifact: see `save_verified`.
        """
        save_verified(self._graph, path, self.metric)

    def __len__(self) -> int:
        return int(self._graph.element_count)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._graph.dim)

    def search(self, queries: Vectors, k: int, *, ef: int) -> GraphHits:
        """Return the top `min(k, n)` that a search of width `max(ef, k)` finds for each query `[q, dim]`.

        A query whose search ends with fewer is marked short. A wider search would not help it: one that found fewer
        than ef nodes has followed every link there is from its entry.

        Raises:
            SpaceMismatch, InvalidSpec: see `Searcher.search`.
        """
        queries = prepare_queries(queries, self.dim, self.metric)
        shape = len(queries), min(k, len(self))
        hits = GraphHits(np.full(shape, -1), np.full(shape, -np.inf, np.float32), np.zeros(len(queries), bool))
        with self._one_search:
            self._graph.set_ef(max(ef, shape[1]))
            for start in range(0, len(queries), QUERY_BLOCK):
                self._ask(queries, hits, slice(start, min(start + QUERY_BLOCK, len(queries))))
        return hits

    def _ask(self, queries: Vectors, hits: GraphHits, asked: slice) -> None:
        """Fill the hits of a slice of queries; halve the slice until the short ones stand alone."""
        try:
            rows, distances = self._graph.knn_query(queries[asked], k=hits.rows.shape[1], num_threads=self._threads)
        except RuntimeError as error:
            if "contiguous 2D array" not in str(error):  # all that hnswlib says where one query found fewer than k
                raise
            middle = (asked.start + asked.stop) // 2
            if middle == asked.start:
                hits.short[middle] = True
                return
            self._ask(queries, hits, slice(asked.start, middle))
            self._ask(queries, hits, slice(middle, asked.stop))
            return
        hits.rows[asked] = rows
        # hnswlib's distances: 1 - inner product, and the squared Euclidean distance
        hits.scores[asked] = 1 - distances if self.metric == "cosine" else 0 - np.sqrt(distances)
