"""Manifest -> Embeddings: Ray Data shards the rows over workers; each commits the parts it made, one by one.

There is no write step and nothing rests on Ray's block layout: a unit of work is a list of manifest rows, a part
holds the outcome of a unit, and what is missing is read off the parts (`storage.artifact.complete`).
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import choose_parts
from revsearch.errors import InvalidSpec
from revsearch.fingerprint import fingerprint
from revsearch.manifest import content_keys
from revsearch.rejects import Reject, count_reasons
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, Plan, Resources, require_sound
from revsearch.stages import meters
from revsearch.stages.embed_data import run_units
from revsearch.stages.embed_isolated import embed_isolated
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import Summary
from revsearch.stages.encoders import find_encoder, keep_weights
from revsearch.stages.meters import Work
from revsearch.stages.progress import Progress
from revsearch.stages.recording import Recording
from revsearch.stages.resources import Pool, plan_again, plan_pool
from revsearch.stages.row_reader import RowReader
from revsearch.stages.takeover import Source, find_sources, own_sources, take_over
from revsearch.storage.artifact import Artifact, Draft, complete
from revsearch.storage.card import Counts, Part
from revsearch.storage.catalog import resolve
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.store import Store
from revsearch.storage.vectors import read_part_remarks, read_part_rows

REVISION = 1
PART_ROWS = 1_024  # images a part at most
_UNITS_PER_ACTOR = 8  # at least: no worker ends long before the others, and a killed driver loses little
_MIN_UNIT_ROWS = 32
_SAME_WHEN_RETRIED = ("space_fingerprint", "precision", "store_dtype", "allow_truncated")
_ATTEMPTS = 2  # of all that is left, after which rows are tried by themselves

_LOG = logging.getLogger(__name__)


def embed(spec: EmbedSpec, store: Store, resources: Resources) -> Artifact:
    """Embed every image of a manifest; rows that cannot be embedded are rejected with a reason.

    Raises:
        InvalidSpec, MissingArtifact: before any work, where the spec asks for what is not there.
        CorruptArtifact: where manifest or weights are not what was committed.
    """
    require_sound(spec)
    manifest = StoredManifest(store, resolve(store, spec.manifest, "manifest"))
    encoder = find_encoder(spec, store)
    job = _Job(spec, resources, store, manifest, encoder.space)
    if (artifact := job.draft.begin()) is not None:
        return artifact
    keep_weights(encoder, store)
    job.recording.connect(resources, store, manifest.examples())
    return complete(job.draft, len(manifest), read_rows=job.read_rows, do=job.do, finish=job.finish)


def plan_embed(spec: EmbedSpec, store: Store, resources: Resources) -> Plan:
    """Return what `embed` would do, without writing anything or starting Ray."""
    require_sound(spec)
    manifest = resolve(store, spec.manifest, "manifest").card
    n_rows = manifest.counts.n_ok
    note = f"{spec.encoder}, {spec.precision}, {find_encoder(spec, store).space.dim} dims"
    return Plan(n_rows, -(-n_rows // PART_ROWS), manifest.facts["n_bytes"], resources, note)


@dataclass(frozen=True, slots=True)
class _Held:
    """What the driver must know of a part: its manifest rows, int64 `[m]`, and the few with a reject or flags."""

    rows: NDArray[np.int64]
    remarks: list[tuple[int, Reject | None, str]]


@dataclass
class _Job:
    """One run of the stage: what it was asked, the artifact in the making, and what is known of it so far."""

    spec: EmbedSpec
    resources: Resources
    store: Store
    manifest: StoredManifest
    space: EmbeddingSpace
    recording: Recording = field(default_factory=lambda: Recording("embed"))
    halvings: int = 0
    held: dict[str, "_Held"] = field(default_factory=dict)  # by a part's name: parts never change

    @cached_property
    def contents(self) -> NDArray[np.uint8]:
        """Content hash of each manifest row, `[n, 32]`."""
        return self.manifest.contents()

    @property
    def facts(self) -> dict[str, object]:
        """What makes these vectors what they are, for the card and for those who take them over."""
        spec = self.spec
        return {
            "encoder": spec.encoder,
            "space": self.space.to_dict(),
            "space_fingerprint": self.space.fingerprint,
            "precision": spec.precision,
            "store_dtype": spec.store_dtype,
            "allow_truncated": spec.allow_truncated,
        }

    @cached_property
    def draft(self) -> Draft:
        """The artifact: named by space, precision and manifest; the name and place of the weights do not count."""
        spec, manifest = self.spec, str(self.manifest.artifact)
        retry = None if spec.retry is None else self._retried(spec.retry)
        asked = {name: fact for name, fact in self.facts.items() if name not in ("encoder", "space")}
        id = fingerprint("embed", REVISION, {**asked, "manifest": manifest, "retry": retry})
        inputs = {"manifest": manifest} | ({"retry": retry} if retry else {})
        return Draft(self.store, "embeddings", id, vars(spec), inputs)

    def do(self, missing: NDArray[np.int64]) -> None:
        """Embed the missing rows: taken over where their content is embedded already, else once a content."""
        pool = plan_pool(self.resources)
        if self.spec.precision == "fp16" and pool.device == "cpu":
            _LOG.warning("fp16 is emulated on most CPUs, at a few images a second; fp32 gives the same space")
        work = self._work(pool)
        progress = Progress("embed", len(missing))
        missing = self._take_over(work, find_sources(work), missing, progress)
        first = np.sort(np.unique(content_keys(self.contents[missing]), return_index=True)[1])
        self._embed(pool, missing[first], progress)
        twins = self._take_over(work, own_sources(work), np.delete(missing, first), progress)
        # What is left has a twin that was rejected, for its place maybe: their own bytes may be there, and whole.
        self._embed(pool, twins, progress)

    def read_rows(self, part: Part) -> NDArray[np.int64]:
        """Return the manifest rows of a part, int64 `[m]`."""
        return self._held_by(part).rows

    def finish(self, parts: list[Part]) -> Artifact:
        """Commit, with the rejects of all parts in one table."""
        rejects, flags = self._outcomes(parts)
        if n_transient := sum(reject.reason.transient for reject in rejects):
            _LOG.info("%d rejects may pass: %s", n_transient, self._retry_command())
        n_rows, reasons = len(self.manifest), count_reasons(reject.reason for reject in rejects)
        with self.recording.time("write"):
            parts = [*parts, self.draft.put("rejects", ".parquet", encode_rejects(rejects))]
        return self.draft.commit(
            Counts(n_rows, n_rows - len(rejects), reasons),
            parts,
            facts={**self.facts, "flags": flags, "batch_halvings": self.halvings, **self.recording.facts()},
            seconds=self.recording.seconds,
        )

    def _retried(self, name: str) -> str:
        artifact = resolve(self.store, name, "embeddings")
        if artifact.card.inputs["manifest"] != str(self.manifest.artifact):
            raise InvalidSpec(
                f"--retry {artifact}: expected embeddings of {self.manifest.artifact}, "
                f"found those of {artifact.card.inputs['manifest']}"
            )
        if differing := [name for name in _SAME_WHEN_RETRIED if artifact.card.facts[name] != self.facts[name]]:
            raise InvalidSpec(
                f"--retry {artifact}: expected the encoder and options it was made with, found another "
                f"{', '.join(differing)}; its card (`show`) has the spec"
            )
        return str(artifact)

    def _retry_command(self) -> str:
        """Return what a user types to try the rejects again."""
        asked = {**vars(self.spec), "manifest": str(self.manifest.artifact), "retry": self.draft.prefix}
        given = {each.name: asked[each.name] for each in fields(self.spec) if asked[each.name] != each.default}
        flags = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in given.items()
        ]
        return " ".join(["revsearch embed", *flags])

    def _work(self, pool: Pool) -> EmbedWork:
        return EmbedWork(
            store=self.store,
            draft=self.draft,
            manifest=str(self.manifest.artifact),
            reader=RowReader.of(self.manifest),
            space=self.space,
            precision=self.spec.precision,
            store_dtype=self.spec.store_dtype,
            allow_truncated=self.spec.allow_truncated,
            batch_size=self.resources.batch_size,
            device=pool.device,
            threads=pool.threads,
            image_timeout_s=self.resources.image_timeout_s,
        )

    def _take_over(
        self, work: EmbedWork, sources: Iterable[Source], missing: NDArray[np.int64], progress: Progress
    ) -> NDArray[np.int64]:
        """Take over what can be, and return the rows that still have no outcome."""
        if not len(missing):
            return missing
        left = np.zeros(len(self.manifest), bool)
        left[missing] = True
        with self.recording.time("take_over"):
            for taken in take_over(work, sources, missing, self.contents[missing]):
                if n_taken := int(np.count_nonzero(left[taken])):
                    progress.add(n_taken)
                    meters.count("embed", Work(n_taken))
                left[taken] = False
                if not left.any():
                    break
        return np.flatnonzero(left)

    def _embed(self, pool: Pool, rows: NDArray[np.int64], progress: Progress) -> None:
        """Embed rows; where workers die, go on with what they left, and find the row that kills them in the end."""
        left = rows
        for _ in range(_ATTEMPTS):
            if not len(left):
                return
            with self.recording.pool(pool.n_actors + pool.n_decoders):
                self._run_units(pool, left, progress)
            left = np.setdiff1d(rows, self._rows_done(), assume_unique=True)
            if len(left):
                _LOG.warning("workers died with %d rows in hand; going on with those", len(left))
                pool = plan_again(self.resources, pool)  # they may have died with their node
        if len(left):
            with self.recording.pool(pool.n_actors):
                embed_isolated(self._work(pool), pool, left, lambda summary: self._note(summary, progress))

    def _run_units(self, pool: Pool, rows: NDArray[np.int64], progress: Progress) -> None:
        size = min(PART_ROWS, max(_MIN_UNIT_ROWS, len(rows) // (pool.n_actors * _UNITS_PER_ACTOR)))
        units = [rows[start : start + size] for start in range(0, len(rows), size)]
        for summary in run_units(self._work(pool), pool, units):
            self._note(summary, progress)

    def _note(self, summary: Summary, progress: Progress) -> None:
        progress.add(summary.done, summary.n_rejected)
        self.halvings = max(self.halvings, summary.halvings)
        self.recording.add(*summary.spans)

    def _rows_done(self) -> NDArray[np.int64]:
        parts = self.draft.found_parts("part")
        return np.unique(np.concatenate([np.empty(0, np.int64), *map(self.read_rows, parts)]))

    def _held_by(self, part: Part) -> "_Held":
        """Return what the driver must know of a part, which is fetched for that once: it is large."""
        if part.name not in self.held:
            with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
                path = self.store.download(f"{self.draft.prefix}/{part.name}", Path(folder))
                remarks = list(zip(*read_part_remarks(path), strict=True))
                self.held[part.name] = _Held(read_part_rows(path), remarks)
        return self.held[part.name]

    def _outcomes(self, parts: list[Part]) -> tuple[list[Reject], dict[str, int]]:
        """Return the rejects in manifest order, and how many embedded rows carry each flag."""
        rejects: dict[int, Reject] = {}
        flags: Counter[str] = Counter()
        held = [self._held_by(part) for part in parts]
        chosen = choose_parts(len(self.manifest), [each.rows for each in held])
        for each, keep in zip(held, chosen, strict=True):
            counting = set(each.rows[keep].tolist())
            for row, reject, flagged in each.remarks:
                if int(row) in counting:
                    flags.update(flagged.split())
                    if reject is not None:
                        rejects[int(row)] = reject
        return [rejects[row] for row in sorted(rejects)], dict(flags)
