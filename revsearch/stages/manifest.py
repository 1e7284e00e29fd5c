"""collect -> Manifest: hash every file's bytes once, read its header, account for what is no picture.

Workers scan shards of the listing; the driver streams what they found through its disk. In memory it keeps the listing
(ids, roles, labels) and each row's content hash until the set is known: a few hundred bytes a file.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.fingerprint import ID_LENGTH, canonical_json, fingerprint
from revsearch.imaging.header import read_header
from revsearch.manifest import Manifest, Strings, content_keys
from revsearch.rejects import Reason, Reject, count_reasons
from revsearch.specs import ManifestSpec, Plan, Resources, require_sound
from revsearch.stages import cluster, meters
from revsearch.stages.attempts import attempt_rows
from revsearch.stages.listing import Candidates, list_sources
from revsearch.stages.meters import Work
from revsearch.stages.progress import Progress, Stopwatch
from revsearch.stages.read_ahead import ReadAhead
from revsearch.stages.recording import Recording
from revsearch.storage.artifact import Artifact, Draft, find
from revsearch.storage.card import Counts, Part
from revsearch.storage.manifests import decode_manifest, encode_manifest, examples, locate, note_roots
from revsearch.storage.refs import read_ref, update_ref
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.roots import Root
from revsearch.storage.store import Store
from revsearch.timeline import Span

REVISION = 1
STAGE: Final = "manifest"

_SHARD_ROWS = 2_048  # files a task, and rows a block: about a second of work, so that a lost worker costs little
_SHARDS_PER_CPU = 2  # at least, where the set is small


def make_manifest(spec: ManifestSpec, store: Store, resources: Resources) -> Artifact:
    """Collect the images of all sources into a manifest.

    An unchanged source costs one listing: what was made of it is looked up first.

    Raises:
        InvalidSpec: where a source is not there, nothing in it is a picture, or the store cannot be written.
    """
    require_sound(spec)
    recording = Recording("manifest")
    with recording.time("list"):
        candidates = list_sources(spec)
    cache = f"internal/listings/{_asked(spec, candidates)}"
    if (artifact := _known(store, cache)) is None:
        store.require_writable()
        recording.connect(resources, store, examples(candidates.rows, candidates.opened))
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            scan = _Scan(spec, store, candidates, Path(folder), recording, resources.image_timeout_s)
            artifact = scan.run()
        made = str(artifact)
        if not any(reject.reason.transient for reject in scan.rejects):  # what may pass is looked at again next time
            update_ref(store, cache, lambda _: {"made": made})
    note_roots(store, artifact.id, candidates.roots, follow_symlinks=spec.follow_symlinks)
    return artifact


def plan_manifest(spec: ManifestSpec, store: Store, resources: Resources) -> Plan:  # noqa: ARG001  # as all stages
    """Return what `make_manifest` would do, without reading an image or starting Ray."""
    require_sound(spec)
    n_rows = len(list_sources(spec).rows)
    return Plan(n_rows, -(-n_rows // _SHARD_ROWS), None, resources, "every file is hashed once, its header read")


@dataclass
class _Scan:
    """One run of the stage: shards are scanned onto the driver's disk, then settled and committed in order."""

    spec: ManifestSpec
    store: Store
    candidates: Candidates
    folder: Path
    recording: Recording
    image_timeout_s: float
    rejects: list[Reject] = field(default_factory=list)

    def run(self) -> Artifact:
        self.rejects += self.candidates.rejects
        _count(len(self.rejects), self.rejects, Stopwatch())
        with self.recording.pool(cluster.n_cpus()):
            shards, contents, pictures = self._scan()
        if not len(contents):
            raise InvalidSpec(self._nothing())
        self._name_roles_of_rejects()
        roles, labels = self.candidates.settled(pictures, self.spec.labels)
        roles = self._sampled(_without_duplicates(contents, roles))
        return self._commit(self._blocks(shards, roles, labels), contents[_kept(roles)])

    def _name_roles_of_rejects(self) -> None:
        """Say of each rejected file whether it was to be a query: a ranking accounts for its queries."""
        everything = np.arange(len(self.candidates.rows))
        roles, _ = self.candidates.settled(everything, self.spec.labels)
        role_of = dict(zip(self.candidates.rows.ids, roles, strict=True))
        self.rejects = [replace(reject, role=role_of.get(reject.id)) for reject in self.rejects]

    def _scan(self) -> tuple[list[Path], NDArray[np.uint8], NDArray[np.int64]]:
        """Scan all shards; return their files, and content `[n, 32]` and candidate row `[n]` of all pictures."""
        rows = self.candidates.rows
        size = min(_SHARD_ROWS, max(1, -(-len(rows) // (_SHARDS_PER_CPU * cluster.n_cpus()))))
        starts = range(0, len(rows), size)
        reference = ray.put(_ScanTask(self.spec, self.candidates.opened, self.image_timeout_s))
        arguments = ((rows.take(slice(start, start + size)), reference) for start in starts)
        scanned = cluster.stream(_scan_shard.remote, arguments, ahead=2 * cluster.n_cpus())
        progress = Progress("manifest", len(rows))
        shards: list[Path] = []
        contents, pictures = [np.empty((0, 32), np.uint8)], [np.empty(0, np.int64)]
        for start, (found, places, rejects, span) in zip(starts, scanned, strict=True):
            shards.append(self.folder / f"{len(shards):06d}.parquet")
            shards[-1].write_bytes(encode_manifest(found))
            contents.append(found.contents)
            pictures.append(places + start)
            self.rejects += rejects
            self.recording.add(span)
            progress.add(len(found) + len(rejects), len(rejects))
        return shards, np.concatenate(contents), np.concatenate(pictures)

    def _sampled(self, roles: Strings) -> Strings:
        """Return the roles with `sample_queries` seeded gallery rows as queries."""
        if not self.spec.sample_queries:
            return roles
        gallery = np.flatnonzero(roles == "gallery")
        if self.spec.sample_queries >= len(gallery):
            raise InvalidSpec(
                f"--sample-queries: expected fewer than the {len(gallery)} gallery images, "
                f"found {self.spec.sample_queries}"
            )
        roles[np.random.default_rng(self.spec.seed).choice(gallery, self.spec.sample_queries, replace=False)] = "query"
        return roles

    def _blocks(self, shards: list[Path], roles: Strings, labels: Strings) -> Iterator[Manifest]:
        """Yield the settled rows shard by shard; rows without a role any more become rejects."""
        start = 0
        for path in shards:
            block = decode_manifest(path)
            mine = slice(start, start + len(block))
            start += len(block)
            block.roles[:], block.labels[:] = roles[mine], labels[mine]
            duplicates = np.flatnonzero(~_kept(block.roles))
            meters.count(STAGE, Work(rejects={Reason.DUPLICATE_OF_GALLERY: len(duplicates)}))
            for row in duplicates:
                message = "byte-identical to a gallery image: as a distractor it would count a right answer as wrong"
                id = block.ids[row]
                self.rejects.append(Reject(id, id, STAGE, Reason.DUPLICATE_OF_GALLERY, message, role="distractor"))
            yield block.take(np.flatnonzero(_kept(block.roles)))

    def _commit(self, blocks: Iterator[Manifest], contents: NDArray[np.uint8]) -> Artifact:
        digest = hashlib.sha256(canonical_json([STAGE, REVISION]))
        paths: list[Path] = []
        block_rows, roles, tally = [], Counter[str](), Counter[str]()
        with self.recording.time("write"):
            for block in blocks:
                for row in block.row_bytes():
                    digest.update(row + b"\n")
                paths.append(self.folder / f"block-{len(paths):06d}.parquet")
                paths[-1].write_bytes(encode_manifest(block))
                block_rows.append(len(block))
                roles.update(block.roles)
                tally += Counter(
                    n_bytes=int(block.sizes.sum()), n_labelled=_n_given(block.labels), n_grouped=_n_given(block.groups)
                )
        for reject in sorted(self.rejects, key=lambda reject: reject.id):
            digest.update(canonical_json([reject.id, reject.reason]) + b"\n")
        draft = Draft(self.store, "manifest", digest.hexdigest()[:ID_LENGTH], vars(self.spec), {})
        if (artifact := draft.find()) is not None:
            return artifact
        with self.recording.time("write"):
            parts = [draft.put_file("rows", ".parquet", path) for path in paths]
        facts = {"blocks": [part.name for part in parts], "block_rows": block_rows, "roles": dict(roles)}
        facts |= {name: tally[name] for name in ("n_bytes", "n_labelled", "n_grouped")}
        return self._write_card(draft, parts, facts, contents)

    def _write_card(
        self, draft: Draft, parts: list[Part], facts: dict[str, Any], contents: NDArray[np.uint8]
    ) -> Artifact:
        n_ok, n_contents = len(contents), len(np.unique(content_keys(contents)))
        self.rejects.sort(key=lambda reject: reject.id)
        reasons = count_reasons(reject.reason for reject in self.rejects)
        return draft.commit(
            Counts(n_ok + len(self.rejects), n_ok, reasons, self.candidates.n_ignored),
            [*parts, draft.put("rejects", ".parquet", encode_rejects(self.rejects))],
            facts={**facts, "n_twins": n_ok - n_contents, **self.recording.facts()},
            seconds=self.recording.seconds,
        )

    def _nothing(self) -> str:
        reasons = count_reasons(reject.reason for reject in self.rejects)
        found = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
        first = f"; the first: {self.rejects[0].message}" if set(reasons) == {Reason.OUTSIDE_ROOT} else ""
        sources = ", ".join(self.spec.sources)
        return f"{sources}: expected images, but all {len(self.rejects)} files are rejected: {found}{first}"


@ray.remote(num_cpus=1, max_retries=3, scheduling_strategy="SPREAD")
def _scan_shard(rows: Manifest, task: "_ScanTask") -> tuple[Manifest, NDArray[np.int64], list[Reject], Span]:
    watch = Stopwatch()
    found, places, rejects = task(rows, watch)
    _count(len(rows), rejects, watch)
    return found, places, rejects, watch.span()


def _count(n_rows: int, rejects: Iterable[Reject], watch: Stopwatch) -> None:
    """Count rows of the listing in Ray's metrics, rejected ones among them, and what reading them took."""
    reasons = count_reasons(reject.reason for reject in rejects)
    meters.count(STAGE, Work(n_rows, reasons, watch.n_bytes, watch.seconds))


@dataclass(frozen=True)
class _ScanTask:
    """What is done to each shard of the listing. Small, and picklable."""

    spec: ManifestSpec
    roots: Mapping[str, Root]
    image_timeout_s: float

    def __call__(self, rows: Manifest, watch: Stopwatch) -> tuple[Manifest, NDArray[np.int64], list[Reject]]:
        """Read the bytes of each row once; return the pictures, their places in the shard, and the rejects."""
        contents, sizes = np.zeros((len(rows), 32), np.uint8), np.zeros(len(rows), np.int64)
        with self._ahead(rows) as ahead:

            def scan(row: int) -> None:
                data = ahead.fetch(row, watch)
                with watch.time("check"):
                    read_header(data, self.spec.limits)
                    contents[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
                sizes[row] = len(data)

            failures = attempt_rows(len(rows), scan)
        rejects = [
            Reject(id, place.uri, STAGE, failure[0].reason, str(failure[0]), failure[1])
            for failure, id, place in zip(failures, rows.ids, ahead.places, strict=True)
            if failure is not None
        ]
        good = np.flatnonzero([failure is None for failure in failures])
        return replace(rows, contents=contents, sizes=sizes).take(good), good, rejects

    def _ahead(self, rows: Manifest) -> ReadAhead:
        places = [locate(rows, row, self.roots) for row in range(len(rows))]

        def read(row: int) -> bytes:
            return places[row].read(max_bytes=self.spec.max_bytes, follow_symlinks=self.spec.follow_symlinks)

        return ReadAhead(places, rows.sizes.tolist(), read, timeout_s=self.image_timeout_s)


def _without_duplicates(contents: NDArray[np.uint8], roles: Strings) -> Strings:
    """Return the roles, None for a distractor that is byte-identical to a gallery image."""
    keys = content_keys(contents)
    repeated = (roles == "distractor") & np.isin(keys, keys[roles == "gallery"])
    settled = roles.copy()
    settled[repeated] = None
    return settled


def _n_given(column: Strings) -> int:
    return sum(value is not None for value in column)


def _kept(roles: Strings) -> NDArray[np.bool_]:
    return np.array([role is not None for role in roles], bool)


def _asked(spec: ManifestSpec, candidates: Candidates) -> str:
    asked: dict[str, Any] = {**vars(spec), "sources": list(spec.sources), "listing": candidates.fingerprint}
    return fingerprint(STAGE, REVISION, asked)


def _known(store: Store, cache: str) -> Artifact | None:
    if (document := read_ref(store, cache)) is None:
        return None
    kind, _, id = document["made"].partition("/")
    return find(store, kind, id)
