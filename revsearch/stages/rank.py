"""GalleryIndex + query Embeddings -> Rankings: batches of queries over actors that hold the index, one a node."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.embeddings import Embeddings
from revsearch.errors import InvalidSpec
from revsearch.fingerprint import canonical_json, fingerprint
from revsearch.manifest import Role
from revsearch.ranking import base_name_lists
from revsearch.rejects import Reject, count_reasons
from revsearch.space import require_same_space
from revsearch.specs import Plan, RankSpec, Resources, require_sound
from revsearch.stages import meters
from revsearch.stages.gallery import MAX_TUNING_QUERIES, Gallery, IndexFacts, Tuned, sample_rows
from revsearch.stages.meters import Work
from revsearch.stages.node_pool import NodePool
from revsearch.stages.nodes import Node, working_nodes
from revsearch.stages.progress import Progress, Stopwatch
from revsearch.stages.recording import Recording
from revsearch.storage.artifact import Artifact, Draft, complete, load
from revsearch.storage.card import Counts, Part
from revsearch.storage.catalog import resolve
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.rank_lists import StoredRankings, encode_rankings, read_query_rows
from revsearch.storage.reject_table import encode_rejects, read_rejects
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings
from revsearch.timeline import Span

REVISION = 1

_BATCH_ROWS = 1_024  # queries a part: seconds of work, so that a lost worker costs little

_LOG = logging.getLogger(__name__)


def rank(spec: RankSpec, store: Store, resources: Resources) -> Artifact:
    """Rank the gallery for every query row of embeddings: its rows of role query, else all of the gallery's.

    A query that is itself in the gallery (the same manifest row) is left out of its own list.

    Raises:
        SpaceMismatch: where the queries are of another space than the index.
        InvalidSpec: where `queries` is not one embeddings id, or none of its rows is a query.
    """
    job = _Job.of(spec, store, resources)
    if (artifact := job.draft.begin()) is not None:
        return artifact
    job.recording.connect(resources, store)
    return complete(job.draft, len(job.rows), read_rows=job.read_rows, do=job.do, finish=job.finish)


def plan_rank(spec: RankSpec, store: Store, resources: Resources) -> Plan:
    """Return what `rank` would do, without writing anything or starting Ray."""
    job = _Job.of(spec, store, resources)
    note = f"top {spec.k} of {job.facts.n_vectors} vectors"
    return Plan(len(job.rows), -(-len(job.rows) // _BATCH_ROWS), None, resources, note)


@dataclass
class _Job:
    """One run of the stage.

    Attributes:
        role: of the queries.
        queries: rows that are queries, int64 ascending; rejected ones among them.
        rows: those of them that are embedded.
    """

    spec: RankSpec
    store: Store
    resources: Resources
    index: Artifact
    facts: IndexFacts
    embeddings: StoredEmbeddings
    role: Role
    queries: NDArray[np.int64]
    rows: NDArray[np.int64]
    recording: Recording = field(default_factory=lambda: Recording("rank"))
    tuned: Tuned | None = None

    @classmethod
    def of(cls, spec: RankSpec, store: Store, resources: Resources) -> "_Job":
        """Look everything up and refuse what cannot be ranked."""
        require_sound(spec)
        if len(spec.queries) != 1:
            raise InvalidSpec(f"expected one embeddings id to rank, found {len(spec.queries)}")
        index = resolve(store, spec.index, "index")
        embeddings = StoredEmbeddings(store, resolve(store, spec.queries[0], "embeddings"))
        facts = IndexFacts.of(index)
        names = {"left_name": str(index), "right_name": str(embeddings.artifact)}
        require_same_space(facts.space, embeddings.space, **names)
        role, queries = _queries(embeddings, store)
        queries = sample_rows(queries, spec.sample or len(queries), spec.seed)
        rows = np.intersect1d(queries, embeddings.rows(), assume_unique=True)
        if not len(rows):
            raise InvalidSpec(f"{embeddings.artifact}: expected rows to rank, found none embedded")
        return cls(spec, store, resources, index, facts, embeddings, role, queries, rows)

    @property
    def draft(self) -> Draft:
        """The artifact: named by index, embeddings and what is asked of them."""
        inputs = {"index": str(self.index), "embeddings": str(self.embeddings.artifact)}
        spec = asdict(self.spec) | {"index": inputs["index"], "queries": [inputs["embeddings"]]}
        exact = self.spec.exact or self.facts.kind == "exact"
        asked = spec | {"exact": exact, "seed": self.spec.seed if self.spec.sample or not exact else None}
        if exact:  # nothing is tuned
            del asked["target_ann_recall"]
        return Draft(self.store, "rankings", fingerprint("rank", REVISION, asked), spec, inputs)

    def do(self, missing: NDArray[np.int64]) -> None:
        """Rank the missing queries, `[m]` positions among `rows`."""
        rows = self.rows[missing]
        with self.recording.pool(len(working_nodes())):
            self._rank(rows, self._pool())

    def _rank(self, rows: NDArray[np.int64], pool: NodePool) -> None:
        tuned = self._tune(pool)
        progress = Progress("rank", len(rows))
        batches = [rows[start : start + _BATCH_ROWS] for start in range(0, len(rows), _BATCH_ROWS)]
        for n_ranked, span in pool.map_unordered(lambda actor, batch: actor.rank.remote(batch, tuned.efs), batches):
            self.recording.add(span)
            progress.add(n_ranked)

    def read_rows(self, part: Part) -> NDArray[np.int64]:
        """Return which queries a part holds, as positions among `rows`."""
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            found = read_query_rows(self.store.download(f"{self.draft.prefix}/{part.name}", Path(folder)))
        return np.searchsorted(self.rows, found)

    def finish(self, parts: list[Part]) -> Artifact:
        """Commit, with the lists by base name where those are unique."""
        draft = self.draft
        rejects = [*self._never_rows(), *self._not_embedded()]
        reasons = count_reasons(reject.reason for reject in rejects)
        counts = Counts(len(self.rows) + len(rejects), len(self.rows), reasons)
        meters.count("rank", Work(len(rejects), reasons))
        with self.recording.time("write"):
            parts = [*parts, draft.put("rejects", ".parquet", encode_rejects(rejects))]
            if (lists := self._lists(parts)) is not None:
                parts.append(draft.put("lists", ".json", canonical_json(lists)))
        tuned = self.tuned or self._tune(self._pool())  # an earlier run ranked, and was killed
        facts = {
            "n_vectors": self.facts.n_vectors,
            "metric": self.facts.metric,
            "kind": "exact" if self.spec.exact else self.facts.kind,
            "ef": tuned.efs,
            "ann_recall_at_k": tuned.ann_recall,
            "n_tuning_queries": tuned.n_queries,
        }
        return draft.commit(counts, parts, facts={**facts, **self.recording.facts()}, seconds=self.recording.seconds)

    def _work(self) -> "_Work":
        names = (str(self.index), str(self.embeddings.artifact))
        return _Work(self.store, self.draft, *names, self.spec, self.resources.threads)

    def _pool(self) -> NodePool:
        """Return actors with all CPUs of their node: the index is held once."""
        work = self._work()

        def start(node: Node) -> Any:
            ranker = ray.remote(max_restarts=0)(_Ranker)
            placed = ranker.options(num_cpus=node.cpus, scheduling_strategy=node.only_here)
            return placed.remote(replace(work, threads=work.threads or node.cpus))

        return NodePool(start)

    def _tune(self, pool: NodePool) -> Tuned:
        sample = sample_rows(self.rows, MAX_TUNING_QUERIES, self.spec.seed)
        told: tuple[Tuned, Span] = pool.ask(lambda actor: actor.tune.remote(sample))
        self.tuned, span = told
        self.recording.add(span)
        if (tuned := self.tuned).ann_recall < self.spec.target_ann_recall:
            _LOG.warning(
                "ann_recall_at_%d is %.3f, below the target %.3f: rank with --exact, or build with a larger --M",
                self.spec.k,
                tuned.ann_recall,
                self.spec.target_ann_recall,
            )
        return tuned

    def _never_rows(self) -> list[Reject]:
        """Return the queries that the manifest rejected; a sample is drawn from its rows alone."""
        if self.spec.sample:
            return []
        rejects = read_rejects(self.store, load(self.store, self.embeddings.manifest))
        return [reject for reject in rejects if reject.role == self.role]

    def _not_embedded(self) -> list[Reject]:
        """Return the queries that embedding rejected."""
        rejected = np.setdiff1d(self.queries, self.rows, assume_unique=True)
        if not len(rejected):
            return []
        lost = {reject.id: reject for reject in read_rejects(self.store, self.embeddings.artifact)}
        manifest = StoredManifest(self.store, load(self.store, self.embeddings.manifest))
        return [lost[id] for id in manifest.take(rejected).ids]

    def _lists(self, parts: list[Part]) -> dict[str, list[str]] | None:
        """Return the lists by base name, or None where base names are not unique: the long form always works."""
        _, rankings = StoredRankings(self.store, self.draft.prefix, parts).whole()
        try:
            return base_name_lists(rankings)
        except InvalidSpec as error:
            _LOG.info("no lists by base name: %s", error)
            return None


@dataclass(frozen=True)
class _Work:
    """All an actor must know."""

    store: Store
    draft: Draft
    index: str
    embeddings: str
    spec: RankSpec
    threads: int


class _Ranker:
    """Actor that holds the index and ranks batches of queries, each committed as a part.

    Files are opened by the first task: an actor whose constructor raises is dead to Ray, whatever it raised.
    """

    def __init__(self, work: _Work) -> None:
        self.work = work

    @cached_property
    def gallery(self) -> Gallery:
        """The index."""
        return Gallery(self.work.store, load(self.work.store, self.work.index), threads=self.work.threads)

    @cached_property
    def embeddings(self) -> StoredEmbeddings:
        """Where the queries' vectors are."""
        return StoredEmbeddings(self.work.store, load(self.work.store, self.work.embeddings))

    @property
    def may_be_indexed(self) -> bool:
        """Whether a query can be its own hit: the same row of the same manifest; a copy of its bytes is none."""
        return self.embeddings.manifest in self.gallery.facts.sources

    def tune(self, rows: NDArray[np.int64]) -> tuple[Tuned, Span]:
        """Find the widths of search on the queries of manifest rows `[m]`."""
        spec, watch = self.work.spec, Stopwatch()
        if spec.exact:
            return Tuned([], 1.0, 0), watch.span()
        with watch.time("open"):
            gallery = self.gallery
        with _read(self.embeddings, rows, watch) as found, watch.time("tune"):
            tuned = gallery.tune(found.vectors, spec.k + self.may_be_indexed, spec.target_ann_recall)
        meters.count("rank", Work(seconds=watch.seconds))
        return tuned, watch.span()

    def rank(self, rows: NDArray[np.int64], efs: list[int]) -> tuple[int, Span]:
        """Rank the queries of manifest rows `[m]`, searching at these widths; commit their part and return m."""
        watch = Stopwatch()
        with watch.time("open"):
            searcher = self.gallery.searcher(efs)
        with _read(self.embeddings, rows, watch) as found:
            ids = found.ids.tolist()
            selves = ids if self.may_be_indexed else [None] * len(ids)
            with watch.time("rank"):
                rankings = self.gallery.rank(searcher, ids, selves, found.vectors, self.work.spec.k)
            with watch.time("write"):
                self.work.draft.put("part", ".parquet", encode_rankings(rankings, found.rows))
        meters.count("rank", Work(len(rows), seconds=watch.seconds))
        return len(rows), watch.span()


@contextmanager
def _read(embeddings: StoredEmbeddings, rows: NDArray[np.int64], watch: Stopwatch) -> Iterator[Embeddings]:
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        with watch.time("fetch"):
            found = embeddings.read(rows, Path(folder) / "queries")
        yield found


def _queries(embeddings: StoredEmbeddings, store: Store) -> tuple[Role, NDArray[np.int64]]:
    """Return the role and the manifest rows to rank, int64 ascending: those of role query, else the gallery's."""
    manifest = StoredManifest(store, load(store, embeddings.manifest))
    roles: tuple[Role, ...] = ("query", "gallery")
    for role in roles:
        if len(rows := manifest.rows_of_roles(role)):
            return role, rows
    raise InvalidSpec(f"{embeddings.artifact}: expected rows of role query or gallery, found neither")
