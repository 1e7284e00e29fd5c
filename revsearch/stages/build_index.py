"""Embeddings -> GalleryIndex: merge parts in the order of ids, one vector a content hash, then build and check."""

import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, normalise
from revsearch.errors import InvalidSpec
from revsearch.fingerprint import fingerprint
from revsearch.index.crossover import choose_kind
from revsearch.index.hnsw import HnswGraph
from revsearch.manifest import INDEXED_ROLES, Strings, content_keys
from revsearch.space import require_same_space
from revsearch.specs import IndexSpec, Metric, Plan, Resources, require_sound
from revsearch.stages import meters
from revsearch.stages.gallery import IndexFacts
from revsearch.stages.meters import Work
from revsearch.stages.node_pool import NodePool
from revsearch.stages.nodes import Node
from revsearch.stages.recording import Recording
from revsearch.storage.arrays import create_matrix
from revsearch.storage.artifact import Artifact, Draft, load
from revsearch.storage.card import Counts, Part
from revsearch.storage.catalog import resolve
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.member_table import encode_members
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings

REVISION = 1

_NORMALISED_AT_ONCE = 8_192  # vectors
# Up to so many one thread builds the graph, in seconds: only then are equal inputs sure to give an equal graph.
_ONE_THREAD_VECTORS = 10_000


def build_index(spec: IndexSpec, store: Store, resources: Resources) -> Artifact:
    """Build the index over the gallery and distractor rows of embeddings of one space.

    Raises:
        SpaceMismatch: where the embeddings are of different spaces.
        InvalidSpec: where no row is indexed, or one id comes from two manifests.
    """
    draft = _draft(spec, store)
    if (artifact := draft.begin()) is not None:
        return artifact
    recording = Recording("build-index")
    recording.connect(resources, store)

    def start(node: Node) -> Any:
        builder = ray.remote(max_restarts=0)(_Builder)
        placed = builder.options(num_cpus=node.cpus, scheduling_strategy=node.only_here)
        return placed.remote(draft, resources.threads or node.cpus, recording)

    built: Artifact = NodePool(start).ask(lambda builder: builder.build.remote())
    return built


def plan_build_index(spec: IndexSpec, store: Store, resources: Resources) -> Plan:
    """Return what `build_index` would do, without writing anything or starting Ray."""
    resolved = _draft(spec, store).spec
    found = [resolve(store, name, "embeddings") for name in spec.embeddings]
    n_rows, n_graphs = _n_rows(found, store), resolved["shards"] if resolved["kind"] == "hnsw" else 0
    n_bytes = 4 * n_rows * StoredEmbeddings(store, found[0]).space.dim
    return Plan(n_rows, 2 + n_graphs, n_bytes, resources, str(resolved["kind"]))


def _draft(spec: IndexSpec, store: Store) -> Draft:
    require_sound(spec)
    found = [StoredEmbeddings(store, resolve(store, name, "embeddings")) for name in spec.embeddings]
    if not found:
        raise InvalidSpec("--embeddings: expected at least one embeddings id")
    for other in found[1:]:
        require_same_space(
            found[0].space, other.space, left_name=str(found[0].artifact), right_name=str(other.artifact)
        )
    kind, ids = spec.kind, [str(each.artifact) for each in found]
    if kind == "auto":
        kind = choose_kind(_n_rows([each.artifact for each in found], store), found[0].space.dim)
    resolved = {**asdict(spec), "embeddings": ids, "kind": kind}
    asked = resolved if kind == "hnsw" else {name: resolved[name] for name in ("embeddings", "kind", "metric")}
    return Draft(store, "index", fingerprint("build_index", REVISION, asked), resolved, {"embeddings": ids})


def _n_rows(embeddings: list[Artifact], store: Store) -> int:
    manifests = [load(store, artifact.card.inputs["manifest"]) for artifact in embeddings]
    return sum(manifest.card.facts["roles"].get(role, 0) for manifest in manifests for role in INDEXED_ROLES)


@dataclass(frozen=True)
class _Rows:
    """The rows to index, of all embeddings: ids `[m]`, content keys `[m]`, and where each comes from."""

    ids: Strings
    keys: NDArray[np.void]
    source: NDArray[np.int64]  # [m], which embeddings
    rows: NDArray[np.int64]  # [m], manifest rows

    def in_id_order(self) -> "_Rows":
        """Return the rows sorted by id: of equal vectors the lower one is found first, as rankings have it."""
        order = np.argsort(self.ids)
        return _Rows(self.ids[order], self.keys[order], self.source[order], self.rows[order])


class _Builder:
    """Actor that builds, on one node with all its CPUs: where that is lost, another builds anew."""

    def __init__(self, draft: Draft, threads: int, recording: Recording) -> None:
        self.draft, self.threads, self.recording = draft, threads, recording

    def build(self) -> Artifact:
        """Build and commit."""
        self.recording.started()
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            return _Build(self.draft, self.threads, Path(folder), self.recording).run()


class _Build:
    """One run of the stage, in one worker with room for the matrix on its disk."""

    def __init__(self, draft: Draft, threads: int, folder: Path, recording: Recording) -> None:
        self.draft, self.threads, self.folder, self.recording = draft, threads, folder, recording
        self.metric: Metric = draft.spec["metric"]
        self.embeddings = [StoredEmbeddings(draft.store, load(draft.store, id)) for id in draft.inputs["embeddings"]]

    def run(self) -> Artifact:
        """Merge, build, store, commit."""
        with self.recording.time("merge"):
            rows, rejected = self._collect()
            _, first, vector_of = np.unique(rows.keys, return_index=True, return_inverse=True)
            order = np.argsort(first)  # vectors in the order of their lowest ids, not in that of their hashes
            vector_of = np.argsort(order)[vector_of]
            vectors = self._merge(rows, first[order])
        with self.recording.time("build"):
            bounds, graphs = self._graphs(vectors)
        with self.recording.time("write"):
            members = self.draft.put("members", ".parquet", encode_members(vector_of, rows.ids))
            matrix = self.draft.put_file("vectors", ".safetensors", self.folder / "vectors")
        n_rejected = sum(rejected.values())
        facts = IndexFacts(
            kind=self.draft.spec["kind"],
            metric=self.metric,
            space=self.embeddings[0].space,
            n_vectors=len(vectors),
            bounds=bounds,
            graphs=[part.name for part in graphs],
            sources={each.manifest: str(each.artifact) for each in self.embeddings},
        )
        counts = Counts(len(rows.ids) + n_rejected, len(rows.ids), dict(rejected))
        meters.count("build-index", Work(counts.n_in, counts.rejected))
        return self.draft.commit(
            counts,
            [members, matrix, *graphs],
            facts={**asdict(facts), **self.recording.facts()},
            seconds=self.recording.seconds,
        )

    def _collect(self) -> tuple[_Rows, Counter[str]]:
        """Return the embedded rows of indexed roles, and the count of the others of those roles by reason."""
        ids, contents, sources, taken = [], [], [], []
        rejected: Counter[str] = Counter()
        for number, embeddings in enumerate(self.embeddings):
            manifest = StoredManifest(self.draft.store, load(self.draft.store, embeddings.manifest))
            indexed = manifest.rows_of_roles(*INDEXED_ROLES)
            good = np.intersect1d(indexed, embeddings.rows(), assume_unique=True)
            names = manifest.strings("id")
            lost = set(names[np.setdiff1d(indexed, good)])
            rejected.update(
                str(reject.reason)
                for reject in read_rejects(self.draft.store, embeddings.artifact)
                if reject.id in lost
            )
            ids.append(names[good])
            contents.append(manifest.contents()[good])
            sources.append(np.full(len(good), number))
            taken.append(good)
        keys = content_keys(np.concatenate(contents))
        rows = _Rows(np.concatenate(ids), keys, np.concatenate(sources), np.concatenate(taken))
        rows = rows.in_id_order()
        _require_sound_ids(rows.ids, [str(each.artifact) for each in self.embeddings])
        return rows, rejected

    def _merge(self, rows: _Rows, first: NDArray[np.int64]) -> Vectors:
        """Write one vector a content into the index's matrix, `[n, dim]`, at unit length for cosine."""
        matrix = create_matrix(self.folder / "vectors", (len(first), self.embeddings[0].space.dim))
        for number, embeddings in enumerate(self.embeddings):
            places = np.flatnonzero(rows.source[first] == number)
            places = places[np.argsort(rows.rows[first[places]])]  # in manifest order, as they are gathered
            _, vectors = embeddings.gather(rows.rows[first[places]], self.folder / f"gathered-{number}")
            for start in range(0, len(places), _NORMALISED_AT_ONCE):
                piece = np.asarray(vectors[start : start + _NORMALISED_AT_ONCE])
                matrix[places[start : start + _NORMALISED_AT_ONCE]] = (
                    normalise(piece) if self.metric == "cosine" else piece
                )
        return matrix

    def _graphs(self, vectors: Vectors) -> tuple[list[int], list[Part]]:
        spec = self.draft.spec
        if spec["kind"] == "exact":
            return [0, len(vectors)], []
        n_shards = min(spec["shards"], len(vectors))
        bounds = [len(vectors) * shard // n_shards for shard in range(n_shards + 1)]
        parts = []
        for shard, (start, stop) in enumerate(pairwise(bounds)):
            graph = HnswGraph.build(
                vectors[start:stop],
                self.metric,
                M=spec["M"],
                ef_construction=spec["ef_construction"],
                seed=spec["seed"],
                threads=self.threads if stop - start > _ONE_THREAD_VECTORS else 1,
            )
            path = self.folder / f"graph-{shard}"
            graph.save(path)
            parts.append(self.draft.put_file(f"graph-{shard}", ".bin", path))
        return bounds, parts


def _require_sound_ids(ids: Strings, names: list[str]) -> None:
    """Refuse ids `[m]` (ascending) of nothing, or of which one is there twice."""
    if not len(ids):
        raise InvalidSpec(f"{', '.join(names)}: expected gallery or distractor rows to index, found none embedded")
    twice = ids[1:][ids[1:] == ids[:-1]]
    if len(twice):
        raise InvalidSpec(f"{', '.join(names)}: one id in two manifests, first: {twice[:5].tolist()}")
