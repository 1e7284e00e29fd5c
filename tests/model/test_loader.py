"""Batches of views, here and by worker processes; and what takes the place of pictures that cannot be read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from revsearch.errors import StoreUnavailable
from revsearch.model.loader import Batch, StandIns, load_batches
from revsearch.model.sampler import BatchPlan
from revsearch.rejects import Reason, Rejection


@dataclass
class Numbered:
    """Pictures that hold their row's number; some cannot be read."""

    broken: frozenset[int] = frozenset()

    def of(self, rows: Sequence[int]) -> Iterator[NDArray[np.uint8] | Rejection]:
        for row in rows:
            broken = row in self.broken
            yield Rejection(Reason.MISSING, f"{row} is gone") if broken else np.full((4, 6, 3), row, np.uint8)


@dataclass
class Processes:
    """Pictures that hold the number of the process that made them."""

    def of(self, rows: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        for _ in rows:
            yield np.frombuffer(os.getpid().to_bytes(12, "little"), np.uint8).reshape(2, 2, 3).copy()


def view(picture: NDArray[np.uint8], seed: int) -> Tensor:
    return torch.from_numpy(picture[:3, :3]).permute(2, 0, 1) + seed


def plan(*rows: int, seed: int = 0) -> BatchPlan:
    return BatchPlan(np.array(rows), np.array(rows) // 10, np.full(len(rows), seed))


def numbers(batch: Batch) -> list[int]:
    """The number that each view shows, and that it is the same everywhere."""
    assert (batch.views == batch.views[:, :1, :1, :1]).all()
    return batch.views[:, 0, 0, 0].tolist()


STAND_INS = StandIns(np.arange(30), np.arange(30) // 10)
WORKERS = [0, 2]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_batch_a_plan_in_order(workers: int) -> None:
    plans = [plan(number, number + 10, seed=number) for number in range(7)]
    found = list(load_batches(Numbered(), plans, view, workers=workers))
    assert [numbers(batch) for batch in found] == [[2 * number, 2 * number + 10] for number in range(7)]
    for batch, planned in zip(found, plans, strict=True):
        assert (batch.views.dtype, batch.views.shape) == (torch.uint8, (2, 3, 3, 3))
        assert batch.classes.tolist() == planned.classes.tolist()
        assert batch.classes.dtype == torch.int64
        assert batch.rows.tolist() == planned.rows.tolist()
        assert batch.n_substituted == 0


def test_workers_are_other_processes() -> None:
    found = list(load_batches(Processes(), [plan(0)] * 4, lambda picture, _: torch.from_numpy(picture), workers=2))
    processes = {int.from_bytes(batch.views.numpy().tobytes(), "little") for batch in found}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize("workers", WORKERS)
def test_no_more_than_a_few_batches_are_ahead(workers: int) -> None:
    asked = []

    def endless() -> Iterator[BatchPlan]:
        while True:
            asked.append(None)
            yield plan(len(asked) % 30)

    batches = load_batches(Numbered(), endless(), view, workers=workers)
    for _ in range(20):
        next(batches)
    batches.close()  # type: ignore[attr-defined]  # a generator, which Iterator does not say
    assert len(asked) <= 20 + 2 * workers + 1


@pytest.mark.parametrize("workers", WORKERS)
def test_another_of_its_class_stands_in(workers: int) -> None:
    broken = Numbered(frozenset({3, 4, 15}))
    found = [
        next(load_batches(broken, [plan(3, 5, 15, 29)], view, stand_ins=STAND_INS, workers=workers)) for _ in range(2)
    ]
    first, _, third, last = rows = found[0].rows.tolist()
    assert first in set(range(10)) - {3, 4}
    assert third in set(range(10, 20)) - {15}
    assert rows[1] == 5
    assert last == 29
    assert numbers(found[0]) == rows
    assert found[0].classes.tolist() == [0, 0, 1, 2]
    assert found[0].n_substituted == 2
    assert found[1].rows.tolist() == rows


def test_which_one_stands_in_depends_on_the_seed() -> None:
    plans = [plan(3, seed=seed) for seed in range(20)]
    found = [batch.rows[0] for batch in load_batches(Numbered(frozenset({3})), plans, view, stand_ins=STAND_INS)]
    assert len(set(found)) > 3


@pytest.mark.parametrize("workers", WORKERS)
def test_where_none_can_be_read_the_run_ends(workers: int) -> None:
    gone = Numbered(frozenset(range(10)))
    with pytest.raises(StoreUnavailable, match=r"row 3 .*missing.*3 is gone.* the same of 9 others"):
        list(load_batches(gone, [plan(3)], view, stand_ins=STAND_INS, workers=workers))


def test_where_nothing_may_stand_in_the_run_ends() -> None:
    with pytest.raises(StoreUnavailable, match="row 3"):
        list(load_batches(Numbered(frozenset({3})), [plan(2, 3)], view))


def test_random_numbers_of_others_stay_as_they_were() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(load_batches(Numbered(), [plan(1)], view))
    assert torch.equal(torch.rand(3), expected)
