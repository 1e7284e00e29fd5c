"""Rankings held against the truth: what one worker must hold to judge queries, served lists and exact ranks alike."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.errors import InvalidSpec
from revsearch.exact_ranks import rank_blocks, relevant_ranks
from revsearch.manifest import Manifest, Strings, content_keys
from revsearch.metric_rules import MetricRule, served_metrics
from revsearch.metrics import hit_rate_at_k
from revsearch.postings import Postings
from revsearch.protocols import ProtocolRules, resolve, rules
from revsearch.relevance import Relevance, twins
from revsearch.score_histogram import ScoreHistogram, score_histogram
from revsearch.served import ServedHits, served_hits
from revsearch.specs import Metric, Protocol, Twins
from revsearch.storage.arrays import create_matrix
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest, concatenate
from revsearch.storage.rank_lists import StoredRankings
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings
from revsearch.truth import Truth

_COPIED_AT_ONCE = 8_192  # vectors

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
class Side:
    """Queries or gallery: the rows embedded, and what is known of them.

    Attributes:
        rows: block of the manifest(s), `[n]`.
        keys: str or None `[n]`, what must be equal for two images to match.
        known_ids: ids of the whole manifest(s), rejected ones too.
        manifests: their ids.
        vectors: float32 `[n, dim]`, as the encoder gave them.
    """

    rows: Manifest
    keys: Strings
    known_ids: frozenset[str]
    manifests: frozenset[str]
    vectors: Vectors


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
        return _in_id_order(
            _joined([self._side(name, None) for name in self.case.galleries], self._folder), self._folder
        )

    @cached_property
    def queries(self) -> Side:
        """The ranked rows, in the order of the rankings."""
        return self._side(self.case.queries, self.query_rows)

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

    def histogram(self, rows: NDArray[np.int64]) -> ScoreHistogram:
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

    def _side(self, name: str, wanted: NDArray[np.int64] | None) -> Side:
        """Read the embedded rows of embeddings: those wanted `[q]`, else those of the gallery's roles."""
        case, number = self.case, len(list(self._folder.iterdir()))
        embeddings = StoredEmbeddings(case.store, load(case.store, name))
        manifest = concatenate(list(StoredManifest(case.store, load(case.store, embeddings.manifest)).blocks()))
        if wanted is None:
            wanted = np.flatnonzero(np.isin(manifest.roles.astype(str), ("gallery", "distractor")))
        rows, vectors = embeddings.gather(wanted, self._folder / f"vectors-{number}")
        protocol: Protocol = "ukbench" if case.protocol == "ukbench" else "competition"  # the others share their keys
        keys = rules(protocol).keys(manifest)[rows]
        return Side(manifest.take(rows), keys, frozenset(manifest.ids), frozenset([embeddings.manifest]), vectors)


def _joined(sides: list[Side], folder: Path) -> Side:
    if len(sides) == 1:
        return sides[0]
    vectors = create_matrix(folder / "joined", (sum(len(side.rows) for side in sides), sides[0].vectors.shape[1]))
    start = 0
    for side in sides:
        _copy(side.vectors, np.arange(len(side.rows)), vectors[start : start + len(side.rows)])
        start += len(side.rows)
    return Side(
        concatenate([side.rows for side in sides]),
        np.concatenate([side.keys for side in sides]),
        frozenset[str]().union(*(side.known_ids for side in sides)),
        frozenset[str]().union(*(side.manifests for side in sides)),
        vectors,
    )


def _in_id_order(side: Side, folder: Path) -> Side:
    order = np.array(sorted(range(len(side.rows)), key=side.rows.ids.__getitem__), np.int64)
    if np.array_equal(order, np.arange(len(order))):
        return side
    vectors = create_matrix(folder / "ordered", (len(order), side.vectors.shape[1]))
    _copy(side.vectors, order, vectors)
    return Side(side.rows.take(order), side.keys[order], side.known_ids, side.manifests, vectors)


def _copy(source: Vectors, order: NDArray[np.int64], target: Vectors) -> None:
    """Copy `source[order]` into `target`, a block at a time: neither need fit into memory."""
    for start in range(0, len(order), _COPIED_AT_ONCE):
        target[start : start + _COPIED_AT_ONCE] = source[order[start : start + _COPIED_AT_ONCE]]


def _given(keys: Strings) -> bool:
    return any(key is not None for key in keys)
