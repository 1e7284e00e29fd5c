"""Batches of views, made by worker processes ahead of the network; at most a few are in memory at any time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from revsearch.errors import RevsearchError, StoreUnavailable
from revsearch.model.sampler import BatchPlan
from revsearch.rejects import Rejection

_AHEAD = 2  # batches a worker process makes before they are asked for
_TRIED = 10  # stand-ins for a picture that cannot be read: where none of them can be either, the store is away


class Pictures(Protocol):
    """Decoded pictures by manifest row. Opened anew in each worker process: picklable, and lazy."""

    def of(self, rows: Sequence[int], /) -> Iterator[NDArray[np.uint8] | Rejection]:
        """Yield each picture, uint8 `[h, w, 3]`, or why it cannot be read."""


class View(Protocol):
    """What makes of a picture `[h, w, 3]` and a seed what the network sees, uint8 `[3, s, s]`."""

    def __call__(self, picture: NDArray[np.uint8], seed: int, /) -> Tensor:
        """Return the view; the same for the same seed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Views to learn from.

    Attributes:
        views: uint8 `[b, 3, s, s]`.
        classes: int64 `[b]`.
        rows: int64 `[b]`, the manifest rows that were seen, stand-ins included.
        n_substituted: how many are stand-ins.
    """

    views: Tensor
    classes: Tensor
    rows: NDArray[np.int64]
    n_substituted: int = 0

    def pin_memory(self) -> "Batch":
        """Return it in pinned memory, from which a GPU fetches by itself; called by DataLoader."""
        return Batch(self.views.pin_memory(), self.classes.pin_memory(), self.rows, self.n_substituted)


@dataclass(frozen=True)
class StandIns:
    """Rows that may take the place of one that cannot be read: those of its class.

    Attributes:
        rows: int64 `[n]`, that are trained on.
        classes: int64 `[n]`.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]

    def of(self, row: int, class_: int, seed: int) -> list[int]:
        """Return a few others of the same class, in the order that `seed` gives."""
        others = self.rows[(self.classes == class_) & (self.rows != row)]
        return [int(other) for other in np.random.default_rng(seed).permutation(others)[:_TRIED]]


def load_batches(
    pictures: Pictures,
    plans: Iterable[BatchPlan],
    view: View,
    *,
    stand_ins: StandIns | None = None,
    workers: int = 0,
    pin: bool = False,
) -> Iterator[Batch]:
    """Yield a batch a plan, in order. Plans may be many epochs long: they are taken as batches are made.

    Args:
        pictures: where rows are read from.
        plans: this worker's shares.
        view: makes what the network sees.
        stand_ins: what takes the place of pictures that cannot be read; None where none may.
        workers: processes that read ahead; 0 reads here, when a batch is asked for.
        pin: whether batches go to a GPU.

    Raises:
        StoreUnavailable: where a picture cannot be read, nor what may stand in for it.
    """
    loader = DataLoader(
        _Batches(pictures, view, stand_ins),
        batch_size=None,
        sampler=plans,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        pin_memory=pin,
        generator=torch.Generator(),  # its own: torch's random numbers stay as they were
    )
    for made in loader:
        if isinstance(made, RevsearchError):
            raise made
        yield made


class _Batches(Dataset[Batch | RevsearchError]):
    """Makes batches where DataLoader wants them made: here, or in its processes."""

    def __init__(self, pictures: Pictures, view: View, stand_ins: StandIns | None) -> None:
        self._pictures, self._view, self._stand_ins = pictures, view, stand_ins

    def __getitem__(self, plan: BatchPlan) -> Batch | RevsearchError:
        """Return the batch, or our own error: DataLoader would wrap it into a traceback."""
        try:
            return self._batch(plan)
        except RevsearchError as error:
            return error

    def _batch(self, plan: BatchPlan) -> Batch:
        columns = (plan.rows.tolist(), plan.classes.tolist(), plan.seeds.tolist())
        pictures = self._pictures.of(columns[0])
        seen = [self._seen(*one) for one in zip(pictures, *columns, strict=True)]
        rows = np.array([row for row, _ in seen], np.int64)
        views = torch.stack([view for _, view in seen])
        return Batch(views, torch.from_numpy(plan.classes), rows, int(np.sum(rows != plan.rows)))

    def _seen(self, picture: NDArray[np.uint8] | Rejection, row: int, class_: int, seed: int) -> tuple[int, Tensor]:
        if isinstance(picture, Rejection):
            return self._stand_in(row, class_, seed, picture)
        return row, self._view(picture, seed)

    def _stand_in(self, row: int, class_: int, seed: int, why: Rejection) -> tuple[int, Tensor]:
        others = self._stand_ins.of(row, class_, seed) if self._stand_ins else []
        for other in others:
            (picture,) = self._pictures.of([other])
            if not isinstance(picture, Rejection):
                return other, self._view(picture, seed)
        raise StoreUnavailable(
            f"row {row} of the manifest: expected a picture, found {why.reason} ({why}), and the same of {len(others)} "
            "others of its class; they could be read before: see whether their place is still there, and run it again"
        )
