"""Candidates of a training run, held against the validation rows by all its workers together."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.evaluation import MetricValue
from revsearch.stages.train_work import Shown, TrainWork
from revsearch.stages.training_pictures import EncoderPictures
from revsearch.stages.validating import AP, AllAgainstAll
from revsearch.train_specs import AutoencoderSpec
from revsearch.training import Validation

ERROR = "mse"  # of reconstructions, pixels in 0..1
_SHOWN_QUERIES = 12
_SHOWN_NEIGHBOURS = 6
_BATCH = 32  # pictures a forward pass


@dataclass
class Validator:
    """What judges candidates in one worker.

    Attributes:
        peers: the workers (`model.peers`), each of which embeds its share.
        device: torch's name of where networks are.
    """

    work: TrainWork
    peers: Any
    device: str

    def validate(self, epoch: int, shares: tuple[float, ...], networks: list[Any]) -> list[Validation]:
        """Judge candidates of an epoch, each `share` of the way from the start; the same on every worker."""
        from revsearch.model.candidates import embed

        own = embed(networks, self.held_out(self.peers.rank, self.peers.world), self.device)
        gathered = [(self._gathered(each.vectors), self._errors(each)) for each in own]
        found = None
        if self.peers.rank == 0:
            found = [self._validation(epoch, *each) for each in zip(shares, gathered, strict=True)]
        validations: list[Validation] = self.peers.from_leader(found)
        return validations

    def embed(self, networks: list[Any]) -> list[Vectors]:
        """Embed all validation rows by several networks, on this worker alone: float32 `[v, dim]` each."""
        from revsearch.model.candidates import embed

        return [found.vectors for found in embed(networks, self.held_out(0, 1), self.device)]

    def held_out(self, rank: int, world: int) -> Iterator[Any]:
        """Return a worker's share of the validation rows, as the encoder sees them."""
        from revsearch.model.augment import unchanged
        from revsearch.model.loader import load_batches
        from revsearch.model.sampler import batches_in_order

        work, held = self.work, self.work.rows
        mine = np.array_split(np.arange(len(held.validation_rows)), world)[rank]
        pictures = EncoderPictures(
            work.store, work.manifest, held.validation_rows, work.reader, work.image_timeout_s, work.space.preprocess
        )
        plans = batches_in_order(held.validation_rows[mine], held.validation_classes[mine], _BATCH)
        return load_batches(pictures, plans, unchanged, workers=work.n_loaders, pin=self.device.startswith("cuda"))

    def metrics(self, vectors: Vectors) -> dict[str, MetricValue]:
        """Return the figures of vectors `[v, dim]` with intervals; none where nothing says what is alike."""
        return self._judge.metrics(vectors, self.work.spec.seed) if len(self._judge.queries) else {}

    def shown(self, before: Vectors, after: Vectors) -> list[Shown]:
        """Return the nearest others of some validation rows, by two networks' vectors `[v, dim]`."""
        rows = self.work.rows.validation_rows
        queries = self._judge.queries if len(self._judge.queries) else np.arange(len(rows))
        drawn = np.random.default_rng(self.work.spec.seed).permutation(queries)[:_SHOWN_QUERIES]
        starts, bests = (self._judge.neighbours(vectors, drawn, _SHOWN_NEIGHBOURS) for vectors in (before, after))
        return [
            Shown(int(rows[query]), _of_rows(rows, start), _of_rows(rows, best), self._relevant(query))
            for query, start, best in zip(drawn, starts, bests, strict=True)
        ]

    @cached_property
    def _judge(self) -> AllAgainstAll:
        return AllAgainstAll(self.work.rows.validation_classes)

    def _validation(self, epoch: int, share: float, embedded: tuple[Vectors, Vectors | None]) -> Validation:
        """Judge what all workers embedded of the validation rows: vectors `[v, dim]`, errors `[v]`."""
        vectors, errors = embedded
        metrics = self._judge.means(vectors) if len(self._judge.queries) else {}
        if errors is not None:
            metrics[ERROR] = float(errors.mean())
        return Validation(epoch, share, metrics, metrics[AP] if AP in metrics else -metrics[ERROR])

    def _errors(self, own: Any) -> Vectors | None:
        """Return the reconstruction errors of all workers `[v]`; of one without a share there are none to add."""
        if not isinstance(self.work.spec, AutoencoderSpec):
            return None
        return self._gathered(np.empty(0, np.float32) if own.errors is None else own.errors)

    def _gathered(self, own: Vectors) -> Vectors:
        return np.concatenate([part for part in self.peers.gather_arrays(own) if part.size])

    def _relevant(self, place: int) -> frozenset[int]:
        """Return the validation rows of the class of one of them."""
        rows, classes = self.work.rows.validation_rows, self._judge.classes
        return frozenset(rows[classes == classes[place]].tolist() if classes[place] >= 0 else ())


def _of_rows(rows: NDArray[np.int64], found: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(int(rows[place]), score) for place, score in found]
