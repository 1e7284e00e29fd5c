"""Manifest -> Encoder: Ray Train runs equal workers; checkpoints in the store are what a run is resumed from.

Ray Train starts workers, connects them, and starts them again where one died. What a run has reached stands in the
store, as parts of the unfinished artifact, so that a worker and a command that is given again resume alike.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.fingerprint import canonical_json, fingerprint
from revsearch.model.planned import planned_space, view_size
from revsearch.model.sampler import steps_per_epoch
from revsearch.rejects import Reject, count_reasons
from revsearch.render.events import write_events
from revsearch.render.training_page import render_training
from revsearch.render.training_plots import training_curves_png
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec, Plan, Resources, require_sound
from revsearch.stages import cluster, kept_weights, train_checkpoints
from revsearch.stages.encoders import FoundEncoder, find_encoder, keep_weights
from revsearch.stages.leakage import require_other_bytes, require_unseen
from revsearch.stages.lineage import trained_on
from revsearch.stages.recording import Recording
from revsearch.stages.row_reader import RowReader
from revsearch.stages.scan import discard_scans, scan
from revsearch.stages.train_board import Board
from revsearch.stages.train_pool import TrainPool, plan_train_again, plan_train_pool
from revsearch.stages.train_report import Told, build_training_report
from revsearch.stages.train_runs import TrainRuns
from revsearch.stages.train_work import TrainOutcome, TrainWork
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts, Part
from revsearch.storage.catalog import resolve
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.reject_table import encode_rejects
from revsearch.storage.store import Store
from revsearch.train_specs import ClassifierSpec, FineTuneSpec, TrainSpec
from revsearch.training_set import TrainingSet, class_names, training_rows
from revsearch.training_split import split_rows

REVISION = 1


def train(spec: TrainSpec, store: Store, resources: Resources) -> Artifact:
    """Train an encoder on the images of a manifest.

    Raises:
        InvalidSpec, MissingArtifact: before any work, where the spec asks for what is not there or cannot be learned.
        TrainingCollapsed, TrainingDiverged: where nothing is learned; the last checkpoint is kept.
    """
    job = _Job.of(spec, store)
    if (artifact := job.draft.begin()) is not None:
        return artifact
    job.refuse_in_time()
    job.recording.connect(resources, store, job.manifest.examples())
    return job.run(resources)


def plan_train(spec: TrainSpec, store: Store, resources: Resources) -> Plan:
    """Return what `train` would do, without writing anything or starting Ray."""
    job = _Job.of(spec, store)
    job.refuse_in_time()
    rows = job.split
    n_bytes = int(job.manifest.take(job.rows).sizes.sum())
    note = (
        f"{spec.preset}: {len(rows.rows)} images of {rows.n_classes} classes to train on, "
        f"{len(rows.validation_rows)} held out, {len(rows.left_out)} left out; {job.space.encoder}, "
        f"{job.space.dim} dims, views of {job.view_size} px"
    )
    return Plan(len(job.rows), None, n_bytes, resources, note)


@dataclass
class _Job:
    """One run of the stage: what is asked, with all that `auto` stands for."""

    spec: TrainSpec
    store: Store
    manifest: StoredManifest
    start: FoundEncoder | None
    space: EmbeddingSpace
    view_size: int
    recording: Recording = field(default_factory=lambda: Recording("train"))

    @classmethod
    def of(cls, spec: TrainSpec, store: Store) -> "_Job":
        """Look everything up."""
        require_sound(spec)
        manifest = StoredManifest(store, resolve(store, spec.manifest, "manifest"))
        start = _find_start(spec, store)
        space = planned_space(spec, None if start is None else start.space)
        return cls(spec, store, manifest, start, space, view_size(spec, space))

    @cached_property
    def draft(self) -> Draft:
        """The artifact: named by all of the spec, the images and the start's space; its name does not count."""
        never = [str(resolve(self.store, name, "manifest")) for name in self.spec.never]
        spec = asdict(self.spec) | {"manifest": str(self.manifest.artifact), "never": never, "preset": self.spec.preset}
        start = None if self.start is None else self.start.space.fingerprint
        asked = spec | {"encoder": start, "view_size": self.view_size}
        inputs: dict[str, Any] = {"manifest": spec["manifest"], "never": never}
        if self.start is not None and (trained := trained_on(self.store, self.start.space)) is not None:
            inputs["encoder"] = str(trained)
        return Draft(self.store, "encoder", fingerprint("train", REVISION, asked), spec, inputs)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows that may be trained on, int64 ascending."""
        return training_rows(self.manifest.strings("role"))

    @cached_property
    def split(self) -> TrainingSet:
        """What of these is trained on, and what is held out.

        Raises:
            InvalidSpec: where there is nothing to learn from or to judge by.
        """
        names = class_names(self.manifest.strings("label"), self.manifest.strings("group"), self.spec.identity)
        return split_rows(self.rows, names[self.rows], spec=self.spec)

    def refuse_in_time(self) -> None:
        """Refuse what can be seen before Ray is started or a picture opened."""
        _ = self.split  # which refuses what cannot be learned from
        inputs = self.draft.inputs
        require_other_bytes(self.store, self.manifest, self.rows, inputs["never"], inputs.get("encoder"))
        self._require_fitting_weights()

    def _require_fitting_weights(self) -> None:
        """Read the start's weights once, here: a file of another architecture is seen before anything is started."""
        if self.start is None:
            return
        from revsearch.model.embedder import embedder

        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            weights = self.start.weights or kept_weights.fetch(self.start.space, self.store, Path(folder))
            embedder(self.start.space, weights)

    def run(self, resources: Resources) -> Artifact:
        """Read every picture once, train, commit."""
        pool = plan_train_pool(resources, self.spec.batch_size)
        if self.start is not None:
            keep_weights(self.start, self.store)
        with self.recording.pool(cluster.n_cpus()):
            scanned = scan(self.store, self.manifest, self.rows, resources, self.draft)
            never = self.draft.inputs["never"]
            others = require_unseen(self.store, self.manifest, scanned, never, resources, self.draft)
            for each in (scanned, *others):
                self.recording.add(*each.spans)
        rows = self.split.without(np.setdiff1d(self.rows, scanned.rows))
        try:
            with self.recording.pool(pool.n_workers):
                outcome = self._train(rows, pool, resources)
        except StoreUnavailable:  # pictures that could be read before cannot now: the next run looks again
            discard_scans(self.draft)
            raise
        return self._commit(rows, outcome, scanned.rejects)

    def _train(self, rows: TrainingSet, pool: TrainPool, resources: Resources) -> TrainOutcome:
        board, batch = Board(), self.spec.batch_size
        runs = TrainRuns(
            self.draft.id,
            board,
            work=lambda pool: self._work(rows, pool, resources),
            again=lambda pool: plan_train_again(resources, batch, pool),
            reached=lambda: train_checkpoints.last_epoch(self.draft),
        )
        with cluster.own_errors():
            n_views = self.spec.epochs * batch * steps_per_epoch(rows, self.spec)
            board.watch(lambda: runs.to_the_end(pool), "train", n_views)
            for timeline in board.timelines():
                self.recording.merge(timeline)
        outcome: TrainOutcome | None = board.outcome()
        if outcome is None:
            raise RuntimeError("Ray Train ended without an error, but no worker said what came of it")
        return outcome

    def _work(self, rows: TrainingSet, pool: TrainPool, resources: Resources) -> TrainWork:
        return TrainWork(
            store=self.store,
            draft=self.draft,
            spec=self.spec,
            manifest=str(self.manifest.artifact),
            reader=RowReader.of(self.manifest),
            space=self.space,
            start=None if self.start is None else self.start.space,
            rows=rows,
            view_size=self.view_size,
            n_loaders=pool.n_loaders,
            threads=pool.threads,
            image_timeout_s=resources.image_timeout_s,
        )

    def _commit(self, rows: TrainingSet, outcome: TrainOutcome, rejects: list[Reject]) -> Artifact:
        space = replace(self.space, weights=f"sha256:{outcome.weights.sha256}")
        told = Told(self.manifest, self.draft, rows, outcome, rejects, space, self.recording.timeline)
        counts = Counts(len(self.rows), len(self.rows) - len(rejects), count_reasons(each.reason for each in rejects))
        with self.recording.time("draw"):
            parts = list(self._parts(outcome, rejects, told))
        facts = told.facts() | self.recording.facts()
        artifact = self.draft.commit(counts, parts, facts=facts, seconds=self.recording.seconds)
        train_checkpoints.discard(self.draft)
        discard_scans(self.draft)
        return artifact

    def _parts(self, outcome: TrainOutcome, rejects: list[Reject], told: "Told") -> Iterator[Part]:
        history, put = outcome.history, self.draft.put
        yield outcome.weights
        yield from outcome.pictures.values()
        yield from self.draft.found_parts("triplets")
        yield put("history", ".json", canonical_json(history.to_dict()))
        yield put("rejects", ".parquet", encode_rejects(rejects))
        yield put("curves", ".png", training_curves_png(history))
        yield put("report", ".html", render_training(build_training_report(told)).encode())
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            yield self.draft.put_file("events", ".tfevents", write_events(history, Path(folder)))


def _find_start(spec: TrainSpec, store: Store) -> FoundEncoder | None:
    """Return what the preset starts from, None from scratch.

    Raises:
        InvalidSpec: where it is no network.
    """
    if not isinstance(spec, FineTuneSpec) or (isinstance(spec, ClassifierSpec) and spec.from_scratch):
        return None
    found = find_encoder(EmbedSpec(spec.manifest, encoder=spec.encoder, pooling=spec.pooling, fit=spec.fit), store)
    if found.space.weights.startswith("revision-"):
        raise InvalidSpec(f"--encoder: expected a network to start from, found {spec.encoder}, which has no weights")
    return found
