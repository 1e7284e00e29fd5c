"""GalleryIndex opened: its files checked against the card before any byte reaches the index library."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.errors import CorruptArtifact
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph
from revsearch.index.searcher import Searcher
from revsearch.index.sharded import ShardedIndex
from revsearch.index.tuned import TunedGraph
from revsearch.index.tuning import ann_recall_at_k, tune_ef
from revsearch.ranking import Members, Rankings, expand_twins
from revsearch.space import EmbeddingSpace
from revsearch.specs import Metric
from revsearch.storage.arrays import map_matrix
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.member_table import decode_members
from revsearch.storage.store import Store

MAX_TUNING_QUERIES = 500
# What a few hundred queries reach, the next may miss by chance; up to this width more costs next to nothing.
MIN_EF = 64


@dataclass(frozen=True)
class IndexFacts:
    """What an index's card says of it.

    Attributes:
        kind: `exact` or `hnsw`.
        bounds: int `[shards + 1]`, vectors `bounds[i]:bounds[i + 1]` are in sub-graph i.
        graphs: part names of the sub-graphs, in order; none where it is exact.
        sources: by manifest id, the embeddings whose rows are indexed.
    """

    kind: str
    metric: Metric
    space: EmbeddingSpace
    n_vectors: int
    bounds: list[int]
    graphs: list[str]
    sources: Mapping[str, str]

    @classmethod
    def of(cls, artifact: Artifact) -> "IndexFacts":
        """Read the facts off a card.

        Raises:
            CorruptArtifact: where they are not those of an index.
        """
        facts: dict[str, Any] = {name: fact for name, fact in artifact.card.facts.items() if name != "timeline"}
        try:
            return cls(**{**facts, "space": EmbeddingSpace.from_dict(facts["space"])})
        except (KeyError, TypeError) as error:
            raise CorruptArtifact(f"{artifact}: its card is not that of an index: {error}", reason="card") from error


@dataclass(frozen=True)
class Tuned:
    """The width each sub-graph is searched at, and the ann_recall_at_k of the whole at those, on the tuning queries."""

    efs: list[int]
    ann_recall: float
    n_queries: int


class Gallery:
    """An index in memory, ready to rank."""

    def __init__(self, store: Store, artifact: Artifact, *, threads: int, graphs: bool = True) -> None:
        """Open the files of an index; without `graphs` it searches exactly, and starts sooner.

        Raises:
            CorruptArtifact: where one is not what its card says.
        """
        self.artifact, self.facts = artifact, IndexFacts.of(artifact)
        self._scratch = tempfile.TemporaryDirectory(prefix="revsearch-")  # kept: matrices are mapped from it
        folder = Path(self._scratch.name)
        self.vectors = map_matrix(fetch(store, str(artifact), artifact.part("vectors"), folder))
        expected = (self.facts.n_vectors, self.facts.space.dim)
        if self.vectors.shape != expected:
            raise CorruptArtifact(f"{artifact}: expected vectors {expected}, found {self.vectors.shape}", reason="dim")
        self.members: Members = decode_members(
            fetch(store, str(artifact), artifact.part("members"), folder), expected[0]
        )
        self.exact = ExactIndex(self.vectors, self.facts.metric)
        by_name = {part.name: part for part in artifact.card.parts}
        self._graphs = [
            HnswGraph.load(
                fetch(store, str(artifact), by_name[name], folder),
                n=stop - start,
                dim=self.facts.space.dim,
                metric=self.facts.metric,
                threads=threads,
            )
            for name, (start, stop) in zip(
                self.facts.graphs if graphs else [], pairwise(self.facts.bounds), strict=False
            )  # exact: no graph
        ]

    def tune(self, queries: Vectors, k: int, target: float) -> Tuned:
        """Find the ef of each sub-graph at which queries `[q, dim]` reach the target; exact search needs none."""
        if not self._graphs:
            return Tuned([], 1.0, len(queries))
        k = min(k, len(self.members))
        efs = [
            min(len(graph), max(MIN_EF, tune_ef(graph, exact, queries, k, target).ef))
            for graph, exact in zip(self._graphs, self._slices(), strict=True)
        ]
        found, truth = self.searcher(efs).search(queries, k), self.exact.search(queries, k)
        return Tuned(efs, ann_recall_at_k(*found, *truth), len(queries))

    def searcher(self, efs: list[int]) -> Searcher:
        """Return what searches at these widths; without any, exact search."""
        if not efs:
            return self.exact
        triples = zip(self._graphs, self._slices(), efs, strict=True)
        return ShardedIndex([TunedGraph(graph, exact, ef) for graph, exact, ef in triples])

    def rank(
        self, searcher: Searcher, query_ids: list[str], selves: list[str | None], queries: Vectors, k: int
    ) -> Rankings:
        """Rank the gallery for queries `[q, dim]`, all of it where it has fewer than k ids.

        `selves` `[q]` are the gallery ids that are the query itself, or None.
        """
        wanted = min(len(self.members), k + any(self_id is not None for self_id in selves))
        vectors, scores = searcher.search(queries, wanted)
        return expand_twins(query_ids, selves, vectors, scores, self.members, min(k, len(self.members.ids)))

    def _slices(self) -> list[ExactIndex]:
        return [ExactIndex(self.vectors[start:stop], self.facts.metric) for start, stop in pairwise(self.facts.bounds)]


def sample_rows(rows: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Return `size` of the rows `[n]`, seeded, ascending; all of them where there are no more."""
    if size >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
