"""Finding the rows that kill their worker: units of rows that died are halved until one row is left."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.rejects import Reason
from revsearch.stages import cluster

Rows = NDArray[np.int64]


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
    """
    suspects: list[Rows] = []
    pending = {run(unit): unit for unit in units}
    while pending:
        (task,), _ = ray.wait(list(pending), num_returns=1)
        unit = pending.pop(task)
        if (found := _result(task)) is not None:
            done(found)
        elif len(unit) > 1:
            pending |= {run(half): half for half in np.array_split(unit, 2)}
        else:
            suspects.append(unit)
    for row in suspects:  # when nothing else runs any more: what takes long then is the row itself
        _try_alone(run, row, done, lost, image_timeout_s)


def _try_alone(
    run: Callable[[Rows], Any], row: Rows, done: Callable[[Any], None], lost: Lost, image_timeout_s: float
) -> None:
    """Try a killer once more, timed: what ends later than an image may take was a hang."""
    begin = time.monotonic()
    if (found := _result(run(row))) is not None:
        done(found)
    elif time.monotonic() - begin < image_timeout_s:
        lost(row, Reason.WORKER_CRASH, "this image ended the process that read it, each time it was tried")
    else:
        lost(row, Reason.TIMEOUT, f"this image took more than {image_timeout_s:g} s")


def _result(task: Any) -> Any:
    """Return what a task gave, None where its worker died."""
    try:
        with cluster.own_errors():
            return ray.get(task)
    except cluster.WORKER_DEATHS:
        return None
