"""Ray Train, until a run is at its end: after a death it is started again on the workers the cluster then has room for.

Ray Train by itself waits for as many workers as it began with, which does not end where their node is gone.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray

from revsearch.errors import TransientError
from revsearch.stages.growth import START_S, may_grow
from revsearch.stages.train_board import Board
from revsearch.stages.train_failures import MAX_DEATHS, after_failures
from revsearch.stages.train_pool import TrainPool
from revsearch.stages.train_worker import work as work_in_worker

_START_TIMEOUT_S = 60.0  # Ray Train's own; so long it waits for room for all workers
_MAX_STARTS = int(START_S / _START_TIMEOUT_S)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainRuns:
    """One training run, however often it is started.

    Attributes:
        name: of the run.
        board: where its workers tell how it goes.
        work: what the workers of a pool are told.
        again: gives the workers that there is room for, after those of a pool were lost.
        reached: gives the epoch of the last checkpoint.
    """

    name: str
    board: Board
    work: Callable[[TrainPool], Any]
    again: Callable[[TrainPool], TrainPool]
    reached: Callable[[], int]

    def to_the_end(self, pool: TrainPool) -> None:
        """Train from the last checkpoint on, as often as it takes.

        Raises:
            RevsearchError: an error of our own that a worker raised.
            TransientError: where workers die, or cannot be started, again and again from the same checkpoint.
        """
        n_deaths = n_starts = 0
        epoch = self.reached()
        while (error := self._ended_early(pool)) is not None:
            self.board.outcome()  # raises what a worker raised, where that was the cause
            failure = after_failures(error)
            if not isinstance(failure, TransientError):
                raise failure from error
            if (now := self.reached()) > epoch:  # however often nodes are taken away, it goes on
                n_deaths, n_starts, epoch = 0, 0, now
            died = bool(getattr(error, "worker_failures", {}))
            n_deaths, n_starts = n_deaths + died, n_starts + (not died)
            if n_deaths > MAX_DEATHS or n_starts > _MAX_STARTS:
                raise failure from error
            if died or not may_grow():  # else nodes are on their way
                pool = self.again(pool)
            _LOG.warning("workers died or found no room; going on with %d from the last checkpoint", pool.n_workers)

    def _ended_early(self, pool: TrainPool) -> Exception | None:
        """Run Ray Train once, and return what it gave up for, None where it came to the end."""
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2._internal.constants import HEALTH_CHECK_INTERVAL_S_ENV_VAR

        # Ray Train's controller sleeps between looks at its workers, for 2 s unless told otherwise: each report waits.
        os.environ.setdefault(HEALTH_CHECK_INTERVAL_S_ENV_VAR, "0.2")
        scaling = ScalingConfig(
            num_workers=pool.n_workers, use_gpu=pool.gpus_per_worker > 0, resources_per_worker=pool.resources
        )
        # Ray Train wants a place of its own. Its controller alone writes there, which runs where this process does;
        # workers would for checkpoints of Ray Train, which there are none of.
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            trainer = TorchTrainer(
                work_in_worker,
                train_loop_config={"work": ray.put(self.work(pool)), "board": self.board},
                scaling_config=scaling,
                run_config=RunConfig(name=self.name, storage_path=folder, failure_config=FailureConfig(max_failures=0)),
            )
            try:
                trainer.fit()
            except ray.train.TrainingFailedError as error:
                return error
        return None
