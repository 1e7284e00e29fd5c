"""Finding the rows that kill their worker: units of rows that died are halved until one row is left."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.errors import TransientError
from revsearch.rejects import Reason
from revsearch.stages import cluster
from revsearch.stages.deaths import NODE_DEATHS, WORKER_DEATHS

Rows = NDArray[np.int64]

_MAX_LOST = 1_000  # tasks, with their nodes: a node takes as many with it as it has CPUs


class Lost(Protocol):
    """What is done about a row that ends its process."""

    def __call__(self, row: Rows, reason: Reason, message: str) -> None:
        """Reject the row, int64 `[1]`, at its second attempt."""
        ...


def isolate(
    run: Callable[[Rows], Any],
    units: Iterable[Rows],
    *,
    done: Callable[[Any], None],
    lost: Lost,
    image_timeout_s: float,
) -> None:
    """Run a Ray task on each unit of rows, `[m]` ascending; rows that kill their worker by themselves are lost.

    Args:
        run: starts the task of a unit and returns its reference; the task must not be retried by Ray, and is ended by
            its `deadline` where one image takes too long.
        units: the rows.
        done: takes what a task gave, in no order.
        lost: takes a row that killed its worker twice by itself.
        image_timeout_s: what takes longer was a hang.

    Raises:
        RevsearchError: an error of our own that a worker raised.
        TransientError: where nodes die again and again.
    """
    suspects: list[Rows] = []
    tasks = _Tasks(run)
    for unit in units:
        tasks.start(unit)
    while tasks.pending:
        ended = tasks.wait()
        if ended.found is not None:
            done(ended.found)
        elif len(ended.unit) > 1:
            for half in np.array_split(ended.unit, 2):
                tasks.start(half)
        else:
            suspects.append(ended.unit)
    for row in suspects:  # when nothing else runs any more: what takes long then is the row itself
        _try_alone(tasks, row, done, lost, image_timeout_s)


@dataclass(frozen=True)
class _Ended:
    """A task that came to an end: what it gave, None where its worker died, and the seconds since it was started."""

    unit: Rows
    found: Any
    seconds: float


class _Tasks:
    """Tasks under way. One whose node is gone is started again: that tells nothing of its rows."""

    def __init__(self, run: Callable[[Rows], Any]) -> None:
        self._run = run
        self.pending: dict[Any, tuple[Rows, float]] = {}
        self._n_lost = 0

    def start(self, unit: Rows) -> None:
        """Start the task of a unit."""
        self.pending[self._run(unit)] = unit, time.monotonic()

    def wait(self) -> _Ended:
        """Return a task that came to its end."""
        while True:
            (task,), _ = ray.wait(list(self.pending), num_returns=1)
            unit, began = self.pending.pop(task)
            try:
                with cluster.own_errors():
                    return _Ended(unit, ray.get(task), time.monotonic() - began)
            except NODE_DEATHS as error:
                self._lose(error)
                self.start(unit)
            except WORKER_DEATHS:
                return _Ended(unit, None, time.monotonic() - began)

    def _lose(self, error: Exception) -> None:
        self._n_lost += 1
        if self._n_lost > _MAX_LOST:
            raise TransientError(f"{self._n_lost} tasks were lost with their nodes, which die again and again: {error}")


def _try_alone(tasks: _Tasks, row: Rows, done: Callable[[Any], None], lost: Lost, image_timeout_s: float) -> None:
    """Try a killer once more, timed: what ends later than an image may take was a hang."""
    tasks.start(row)
    ended = tasks.wait()
    if ended.found is not None:
        done(ended.found)
    elif ended.seconds < image_timeout_s:
        lost(row, Reason.WORKER_CRASH, "this image ended the process that read it, each time it was tried")
    else:
        lost(row, Reason.TIMEOUT, f"this image took more than {image_timeout_s:g} s")
