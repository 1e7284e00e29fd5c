"""Rankings held against the truth: what one worker must hold to judge queries, served lists and exact ranks alike."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.exact_ranks import rank_blocks, relevant_ranks
from revsearch.manifest import Strings, content_keys
from revsearch.metric_rules import MetricRule, served_metrics
from revsearch.metrics import hit_rate_at_k
from revsearch.postings import Postings
from revsearch.protocols import ProtocolRules, resolve, rules
from revsearch.relevance import Relevance, twins
from revsearch.score_histogram import ScoreCounts, score_histogram
from revsearch.served import ServedHits, served_hits
from revsearch.specs import Metric, Protocol, Twins
from revsearch.stages.sides import Side, in_id_order, join_sides, read_side
from revsearch.storage.artifact import load
from revsearch.storage.rank_lists import StoredRankings
from revsearch.storage.store import Store
from revsearch.truth import Truth

Verdict = Literal["relevant", "wrong", "junk", "unknown"]
Figures = NDArray[np.float64]  # [q], a metric of each query


@dataclass(frozen=True)
class Case:
    """What is judged: rankings, the embeddings on both sides, and by which rules.

    Attributes:
        truth: by query id, from a truth file; None takes groups or labels.
    """

    store: Store
    rankings: str
    queries: str  # embeddings
    galleries: list[str]  # embeddings
    metric: Metric
    protocol: Protocol
    twins: Twins
    truth: Mapping[str, Truth] | None


@dataclass(frozen=True)
class ShownPlace:
    """A place of a list: the image, its score, what it is to the query, and how many more have its bytes."""

    id: str
    label: str | None
    score: float
    verdict: Verdict
    n_same: int


@dataclass(frozen=True)
class ShownQuery:
    """A query and its list, images with the same bytes shown once."""

    id: str
    label: str | None
    places: list[ShownPlace]


class Judge:
    """Holds both sides in memory (vectors mapped from disk) and judges queries by row of the rankings."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._scratch = tempfile.TemporaryDirectory(prefix="revsearch-")  # kept: vectors are mapped from it
        self._folder = Path(self._scratch.name)
        self.query_rows, self.rankings = StoredRankings.of(case.store, load(case.store, case.rankings)).whole()

    @cached_property
    def gallery(self) -> Side:
        """All indexed rows, in the order of their ids: equal scores are ranked by it."""
        joined = join_sides([self._read(name, None) for name in self.case.galleries], self._folder)
        return in_id_order(joined, self._folder)

    @cached_property
    def queries(self) -> Side:
        """The ranked rows, in the order of the rankings."""
        return self._read(self.case.queries, self.query_rows)

    @property
    def protocol(self) -> ProtocolRules:
        """The rules, `auto` resolved."""
        return rules(resolve(self.case.protocol, self._own))

    @cached_property
    def relevance(self) -> Relevance | None:
        """What is relevant; None where nothing says it and no protocol was asked for.

        Raises:
            InvalidSpec: where a protocol was asked for that needs labels, or the queries in the gallery.
        """
        relevance = self._relevance()
        if relevance is None and self.case.protocol != "auto":
            raise InvalidSpec(
                f"--protocol {self.case.protocol}: expected labels or groups of queries and gallery, found none; "
                "give --truth FILE, or make the manifest with --labels"
            )
        if any(rule.self_in for rule in self.protocol.exact) and np.any(self._own < 0):
            raise InvalidSpec(
                f"--protocol {self.protocol.name}: expected every query to be a gallery image itself, found "
                f"{int(np.sum(self._own < 0))} that are not; rank without a query role"
            )
        if relevance is not None and self.case.twins == "junk":
            return relevance.with_junk(self.twins)
        return relevance

    @cached_property
    def twins(self) -> Postings:
        """The gallery rows with the bytes of each query."""
        return twins(self.queries.rows.contents, self.gallery.rows.contents)

    @cached_property
    def served(self) -> ServedHits:
        """The lists users were given, judged."""
        return served_hits(self.rankings, self.gallery.rows.ids, self._truth)

    @property
    def served_rules(self) -> tuple[MetricRule, ...]:
        """The metrics that the lists are long enough for."""
        return served_metrics(self.served.depth)

    def served_figures(self, rows: NDArray[np.int64]) -> dict[str, Figures]:
        """Return the served metrics of queries `rows` `[q]` that have a relevant image."""
        n_relevant = self._truth.n_relevant()[rows]
        return {rule.name: rule.compute(self.served.hits[rows], n_relevant) for rule in self.served_rules}

    def exact_figures(self, rows: NDArray[np.int64]) -> dict[str, Figures]:
        """Return the full-rank metrics of queries `rows` `[q]` that have a relevant image."""
        figures: dict[str, Figures] = {}
        for self_in in (False, True):
            wanted = [rule for rule in self.protocol.exact if rule.self_in is self_in]
            if wanted:
                relevance = self._truth.with_self_in() if self_in else self._truth
                vectors = np.asarray(self.queries.vectors[rows])
                ranks = relevant_ranks(vectors, self.gallery.vectors, relevance, rows, self.case.metric)
                figures |= {rule.name: rule.compute(*ranks) for rule in wanted}
        return figures

    def blocks(self) -> list[NDArray[np.int64]]:
        """Return the queries that have a relevant image, in blocks for `exact_figures`."""
        return list(rank_blocks(self._truth.n_relevant()))

    def hit_curve(self, rows: NDArray[np.int64]) -> list[float]:
        """Return hit_rate_at_k of queries `rows` for k = 1, 2, … as deep as the lists reach."""
        hits = self.served.hits[rows]
        return [float(hit_rate_at_k(hits, k).mean()) for k in range(1, self.served.depth + 1)]

    def histogram(self, rows: NDArray[np.int64]) -> ScoreCounts:
        """Count the scores of queries `rows` with the whole gallery."""
        vectors = np.asarray(self.queries.vectors[rows])
        return score_histogram(vectors, self.gallery.vectors, self._truth, rows, self.case.metric)

    def shown(self, rows: NDArray[np.int64]) -> list[ShownQuery]:
        """Return the lists of queries `rows`, each place judged."""
        block = self.queries.rows
        return [ShownQuery(block.ids[row], block.labels[row], self._places(int(row))) for row in rows]

    def _places(self, query: int) -> list[ShownPlace]:
        block, ranked = self.gallery.rows, self.rankings
        positions = np.array([self._place[id] for id in ranked.gallery_ids[query] if id is not None], np.int64)
        keys = content_keys(block.contents[positions]).tolist()
        first = sorted(keys.index(key) for key in set(keys))
        verdicts = self._verdicts(query, positions)
        return [
            ShownPlace(
                id=block.ids[positions[place]],
                label=block.labels[positions[place]],
                score=float(ranked.scores[query, place]),
                verdict=verdicts[place],
                n_same=keys.count(keys[place]) - 1,
            )
            for place in first
        ]

    def _verdicts(self, query: int, positions: NDArray[np.int64]) -> list[Verdict]:
        if self.relevance is None:
            return ["unknown"] * len(positions)
        right, junk = self.relevance.judge(query, positions)
        return ["junk" if out else "relevant" if hit else "wrong" for hit, out in zip(right, junk, strict=True)]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {id: position for position, id in enumerate(self.gallery.rows.ids)}

    @property
    def _truth(self) -> Relevance:
        if self.relevance is None:
            raise InvalidSpec("expected labels, groups or a truth file to judge by, found none")
        return self.relevance

    @cached_property
    def _own(self) -> NDArray[np.int64]:
        """Where each query's own manifest row lies in the gallery, -1 where it does not."""
        ids = self.queries.rows.ids
        if not self.queries.manifests <= self.gallery.manifests:
            return np.full(len(ids), -1, np.int64)
        return np.array([self._place.get(id, -1) for id in ids], np.int64)

    def _relevance(self) -> Relevance | None:
        queries, gallery = self.queries, self.gallery
        if self.case.truth is not None:
            known = queries.known_ids | gallery.known_ids
            return Relevance.from_truth(self.case.truth, queries.rows.ids, gallery.rows.ids, self._own, known)
        if not _given(queries.keys) or not _given(gallery.keys):
            return None
        return Relevance.by_key(queries.keys, gallery.keys, self._own)

    def _read(self, name: str, wanted: NDArray[np.int64] | None) -> Side:
        # The other protocols share their keys.
        protocol: Protocol = "ukbench" if self.case.protocol == "ukbench" else "competition"
        return read_side(self.case.store, name, wanted, rules(protocol), self._folder)


def _given(keys: Strings) -> bool:
    return any(key is not None for key in keys)
