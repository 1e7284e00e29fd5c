"""What each Ray Train worker does: its share of every batch, validation, checkpoints; rank 0 tells and finishes."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import ray

from revsearch.errors import RevsearchError, StoreUnavailable
from revsearch.model.allocator import keep_freed_memory
from revsearch.render.training_report import Triplet
from revsearch.stages import kept_weights, meters, train_checkpoints
from revsearch.stages.meters import Work
from revsearch.stages.progress import Stopwatch
from revsearch.stages.recording import Recording
from revsearch.stages.train_board import Board
from revsearch.stages.train_triplets import sample_triplets
from revsearch.stages.train_validator import Validator
from revsearch.stages.train_words import epoch_words, validation_words
from revsearch.stages.train_work import TrainOutcome, TrainWork
from revsearch.stages.training_pictures import TrainingPictures
from revsearch.storage.card import Part
from revsearch.train_specs import AutoencoderSpec, FineTuneSpec, PairSpec
from revsearch.training import EpochRecord, History, Validation

_SHOWN_RECONSTRUCTIONS = 10
_UNIT_S = 5.0  # of training that is recorded as one unit of work


def work(config: dict[str, Any]) -> None:
    """Do a worker's part of a run; Ray Train calls it, again where a worker died."""
    board: Board = config["board"]
    if board.failed:  # by an error of our own: Ray Train tries again all the same
        return
    keep_freed_memory()
    try:
        _Worker(ray.get(config["work"]), board).run()
    except RevsearchError as error:  # others may come of a peer's death: Ray Train starts all workers again
        board.fail(error)
        raise


class _Worker:
    """One worker of a run. torch is imported with it: the allocator was set up before."""

    def __init__(self, work: TrainWork, board: Board) -> None:
        import ray.train
        import ray.train.torch

        from revsearch.model import peers, running

        context = ray.train.get_context()
        self.work, self.board, self.recording = work, board, Recording("train")
        self.peers = peers.Peers(context.get_world_rank(), context.get_world_size())
        self.device = str(ray.train.torch.get_device())
        self.validator = Validator(work, self.peers, self.device)
        running.prepare(work.threads, seed=work.spec.seed, rank=self.peers.rank)
        self.report: Callable[..., None] = ray.train.report
        self.history: History | None = None
        self.n_done = 0  # views trained on, of all workers
        self.best: dict[str, Any] = {}  # weights of the best candidate that is not the start

    @property
    def leads(self) -> bool:
        """Whether this worker speaks for all."""
        return self.peers.rank == 0

    @cached_property
    def learner(self) -> Any:
        """The network that learns, at the start."""
        from revsearch.model.learner import Learner
        from revsearch.model.objective import build_objective
        from revsearch.model.trainee import start_trainee

        work = self.work
        with self.recording.time("open"), tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            weights = None if work.start is None else kept_weights.fetch(work.start, work.store, Path(folder))
            trainee = start_trainee(work.spec, work.space, work.start, weights, self.device)
            objective = build_objective(work.spec, work.space.dim, work.rows.n_classes)
            n_steps = work.spec.epochs * len(self.plans(1))
            return Learner(trainee, objective, work.spec, n_steps=n_steps, device=self.device, peers=self.peers)

    def run(self) -> None:
        """Go on from the last checkpoint to the end, and finish."""
        from revsearch.model.fit import fit

        self._resume()
        if self.history is None:
            self._begin()
        if not self._enough():
            first, n_steps = len(self._history.epochs) + 1, len(self.plans(1))
            batches = self._batches(first)
            fit(
                self.learner,
                range(first, self.work.spec.epochs + 1),
                lambda _: self._timed(islice(batches, n_steps)),
                on_step=self._on_step,
                on_epoch=self._on_epoch,
            )
        if self.leads:
            self.board.finish(self._finish())
        self._hand_over()
        self.report({"epochs": len(self._history.epochs)})

    def plans(self, epoch: int) -> list[Any]:
        """Return the global batches of an epoch."""
        from revsearch.model.sampler import epoch_batches

        return epoch_batches(self.work.rows, self.work.spec, epoch)

    @property
    def _history(self) -> History:
        if self.history is None:
            raise RuntimeError("asked for what happened before anything did")
        return self.history

    @cached_property
    def _augment(self) -> Any:
        from revsearch.model.augment import Augmentation

        return Augmentation(self.work.spec, self.work.view_size)

    @cached_property
    def _pictures(self) -> TrainingPictures:
        work = self.work
        rows, side = work.rows.rows, self._augment.source_side
        return TrainingPictures(work.store, work.manifest, rows, work.reader, work.image_timeout_s, side)

    def _batches(self, first: int) -> Iterator[Any]:
        """Return this worker's batches of all epochs from `first` on: they are read ahead across epochs."""
        from revsearch.model.loader import StandIns, load_batches
        from revsearch.model.sampler import share

        work, peers = self.work, self.peers
        plans = (
            share(plan, peers.rank, peers.world)
            for epoch in range(first, work.spec.epochs + 1)
            for plan in self.plans(epoch)
        )
        stand_ins = StandIns(work.rows.rows, work.rows.classes)
        pin = self.device.startswith("cuda")
        return load_batches(self._pictures, plans, self._augment, stand_ins=stand_ins, workers=work.n_loaders, pin=pin)

    def _timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield an epoch's batches; record how long each was waited for, and how long it was learned from."""
        watch, views = Stopwatch(), 0
        while True:
            with watch.time("load"):
                batch = next(batches, None)
            if batch is None:
                break
            with watch.time("step"):
                yield batch
            views += len(batch.rows)
            if watch.elapsed_s > _UNIT_S:
                self._record(watch, views)
                watch, views = Stopwatch(), 0
        self._record(watch, views)

    def _record(self, watch: Stopwatch, views: int) -> None:
        self.recording.add(watch.span())
        meters.count("train", Work(seconds=watch.seconds, views=views))

    def _hand_over(self) -> None:
        """Give the driver what this worker recorded so far."""
        if self.recording.done is not None:
            self.board.record(ray.get_runtime_context().get_worker_id(), self.recording.done)

    def _resume(self) -> None:
        saved = train_checkpoints.latest(self.work.draft)
        step = None if saved is None else saved[1]["step"]
        if step != self.peers.from_leader(step):
            raise StoreUnavailable(
                f"{self.work.draft.prefix}: worker {self.peers.rank} cannot read the checkpoint that others resume from"
            )
        if saved is None:
            return
        tensors, values = saved
        self.history = History.from_dict(values["history"])
        self.learner.load(tensors, values["step"])
        self.best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
        if self.leads:
            self.n_done = sum(record.n_images for record in self.history.epochs)
            self.board.tell(self.n_done, f"going on after epoch {len(self.history.epochs)}")

    def _begin(self) -> None:
        """Draw triplets for people to look at, and judge the start."""
        from revsearch.render.strips import triplets_png

        if self.leads and (triplets := self._triplets()):
            part = self.work.draft.put("triplets", ".png", triplets_png(triplets))
            where = f"{self.work.store.uri}/{self.work.draft.prefix}/{part.name}"
            self.board.tell(0, f"triplets as they will be seen: {where}")
        start = self._validations(0)[0]
        self.history = History(start)
        self._keep(0)
        if self.leads:
            self.board.tell(0, f"start: {validation_words(start)}")

    def _on_step(self, n_images: int) -> None:
        self.n_done += n_images
        if self.leads:
            self.board.tell(self.n_done)

    def _on_epoch(self, record: EpochRecord, losses: list[float]) -> bool:
        """Validate, keep, tell; return whether to go on."""
        spec, history = self.work.spec, self._history
        last = record.epoch == spec.epochs
        if last or record.epoch % spec.validate_every == 0:
            record = replace(record, validations=tuple(self._validations(record.epoch)))
        self.history = replace(history, epochs=(*history.epochs, record), losses=(*history.losses, *losses))
        if record.validations:
            self._keep(record.epoch)
        if self.leads:
            self.board.tell(self.n_done, epoch_words(record, self._history))
            meters.show_loss(record.loss)
        self._hand_over()
        self.report({"epoch": record.epoch, "loss": record.loss})
        return not self._enough()

    def _enough(self) -> bool:
        """Say whether as many validations as patience has brought nothing better, or all epochs are done."""
        spec, history = self.work.spec, self._history
        if len(history.epochs) >= spec.epochs:
            return True
        validated = [record.epoch for record in history.epochs if record.validations]
        return spec.patience > 0 and sum(epoch > history.best.epoch for epoch in validated) >= spec.patience

    def _validations(self, epoch: int) -> list[Validation]:
        """Judge what there is to hand out after an epoch, on all workers together; keep the best one's weights."""
        from revsearch.model.candidates import mixed, weights_of

        shares = (1.0,) if epoch == 0 else self._shares
        self.peers.align_buffers(self.learner.trainee)
        with self.recording.time("validate"):
            networks = [self.learner.start if epoch == 0 else mixed(self.learner, share) for share in shares]
            found = self.validator.validate(epoch, shares, networks)
        if epoch:
            best = max([*self._history.candidates, *found], key=lambda candidate: candidate.better)
            if best in found:
                self.best = weights_of(networks[found.index(best)])
        return found

    @property
    def _shares(self) -> tuple[float, ...]:
        spec = self.work.spec
        return spec.interpolate if isinstance(spec, FineTuneSpec) and self.work.start is not None else (1.0,)

    def _keep(self, epoch: int) -> None:
        """Store a checkpoint: at most the epochs since then are lost."""
        if not self.leads:
            return
        with self.recording.time("checkpoint"):
            tensors = self.learner.tensors() | {f"best/{name}": value for name, value in self.best.items()}
            values = {"step": self.learner.step, "history": self._history.to_dict()}
            train_checkpoints.keep(self.work.draft, epoch, tensors, values)

    def _finish(self) -> TrainOutcome:
        """Store the best candidate's weights, and hold it against the start once more, to show it."""
        from revsearch.model.candidates import chosen, save_weights

        best = self._history.best
        if not best.epoch:
            self.board.tell(self.n_done, "nothing was better than the start on the validation images: it is handed out")
        network = chosen(self.learner, self.best if best.epoch else None)
        with self.recording.time("validate"):
            before, after = self.validator.embed([self.learner.start, network])
        with self.recording.time("write"), tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            path = Path(folder) / "weights.safetensors"
            save_weights(network, path)
            weights = self.work.draft.put_file("weights", ".safetensors", path)
        return TrainOutcome(
            weights=weights,
            history=self._history,
            pictures=self._reconstructions(network),
            before=self.validator.metrics(before),
            after=self.validator.metrics(after),
            shown=self.validator.shown(before, after),
            triplets=self._triplets(),
        )

    def _reconstructions(self, network: Any) -> dict[str, Part]:
        from revsearch.model.candidates import reconstruct
        from revsearch.render.strips import reconstruction_png

        if not isinstance(self.work.spec, AutoencoderSpec):
            return {}
        batch = next(iter(self.validator.held_out(0, 1)))
        originals, rebuilt = reconstruct(network, batch, self.device)
        png = reconstruction_png(originals[:_SHOWN_RECONSTRUCTIONS], rebuilt[:_SHOWN_RECONSTRUCTIONS])
        return {"reconstructions": self.work.draft.put("reconstructions", ".png", png)}

    def _triplets(self) -> list[Triplet]:
        if not isinstance(self.work.spec, PairSpec):
            return []
        return sample_triplets(self.work, self.plans(1), self._pictures, self._augment)
