"""How often a training run is started again, without Ray Train; with it: test_train_faults.py."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
import ray

from revsearch.errors import TransientError
from revsearch.stages import train_runs
from revsearch.stages.train_failures import MAX_DEATHS
from revsearch.stages.train_pool import TrainPool
from revsearch.stages.train_runs import _MAX_STARTS, TrainRuns

POOL = TrainPool(2, 1, 0, 0, 1)


class Board:
    """Says of no worker that it ended the run."""

    def outcome(self) -> None:
        pass


class Died(Exception):
    """As Ray Train tells it."""

    worker_failures = {0: ray.exceptions.ActorDiedError()}  # noqa: RUF012  # as Ray Train has it


class NoRoom(Exception):
    """As Ray Train tells that workers could not be started."""


def to_the_end(monkeypatch: pytest.MonkeyPatch, ends: Iterable[Exception | None], epochs: Iterator[int]) -> int:
    """Run until the end, or until that is given up; return how often it was started."""
    left = list(ends)
    n_ends = len(left)
    monkeypatch.setattr(TrainRuns, "_ended_early", lambda self, pool: left.pop(0))
    monkeypatch.setattr(train_runs, "may_grow", lambda: False)
    runs = TrainRuns("run", Board(), lambda pool: None, lambda pool: pool, lambda: next(epochs))  # type: ignore[arg-type]  # a counterpart
    with suppress(TransientError):
        runs.to_the_end(POOL)
    return n_ends - len(left)


@pytest.mark.parametrize(("error", "most"), [(Died(), MAX_DEATHS), (NoRoom(), _MAX_STARTS)])
def test_a_run_that_comes_no_further_is_given_up(monkeypatch: pytest.MonkeyPatch, error: Exception, most: int) -> None:
    stuck = iter([7] * 100)
    assert to_the_end(monkeypatch, [error] * 50, stuck) == most + 1


@pytest.mark.parametrize("error", [Died(), NoRoom()])
def test_a_run_that_comes_further_each_time_is_never_given_up(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Spot nodes are taken away again and again."""
    assert to_the_end(monkeypatch, [*[error] * 50, None], iter(range(100))) == 51


def test_deaths_are_counted_from_the_last_checkpoint_on(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = iter([0, *[0] * MAX_DEATHS, *[1] * 50])
    assert to_the_end(monkeypatch, [Died()] * 50, epochs) == MAX_DEATHS + MAX_DEATHS + 1
