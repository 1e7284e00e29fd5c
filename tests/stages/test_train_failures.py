"""How a run ends whose workers failed: with an error of their own, or to be tried again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from revsearch.errors import TransientError
from revsearch.stages.train_failures import after_failures

MINE = RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)")
LOST = RuntimeError("[/src/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:9090: Connection reset by peer")
READER = RuntimeError("DataLoader worker (pid(s) 77) exited unexpectedly")
DEATHS = [ray.exceptions.ActorDiedError(), ray.exceptions.ActorUnavailableError("away", None)]


def given_up(*failures: Exception) -> Exception:
    """Ray Train's error of workers that failed so."""
    from ray.train import WorkerGroupError

    return WorkerGroupError("[Rank 0 Error Snippet]", dict(enumerate(failures)))


def unhealthy(failure: Exception) -> Exception:
    """What Ray Train makes of a worker that is gone."""
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    return WorkerHealthCheckFailedError("A worker health check failed.", failure)


def require_another_try(error: Exception) -> None:
    assert isinstance(error, TransientError)
    assert error.exit_code == 75
    assert "the same command goes on from the last checkpoint" in str(error)


@pytest.mark.parametrize("failure", [*map(unhealthy, DEATHS), *DEATHS, LOST, READER])
def test_a_death_may_not_come_again(failure: Exception) -> None:
    require_another_try(after_failures(given_up(failure)))


def test_what_came_of_a_death_is_no_error_of_its_own() -> None:
    require_another_try(after_failures(given_up(MINE, unhealthy(DEATHS[0]))))


@pytest.mark.parametrize("failure", [MINE, ValueError("no such thing"), unhealthy(TypeError("cannot be pickled"))])
def test_an_error_of_its_own_comes_again(failure: Exception) -> None:
    assert after_failures(given_up(failure, failure)) is failure


def test_workers_that_could_not_be_started() -> None:
    from ray.train import ControllerError

    require_another_try(after_failures(ControllerError(RuntimeError("no room"))))


def die_beside_a_peer(_: Any) -> None:
    """One dies; the other waits for it, and hears of that."""
    from ray.train import report
    from torch import distributed

    for _ in range(2):  # the second waits until Ray Train has taken the first: both workers are known to run
        report({"epoch": 1})
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()


def fail_beside_a_peer(_: Any) -> None:
    """One raises; the other waits for it in vain."""
    from torch import distributed

    if distributed.get_rank() == 1:
        raise MINE
    distributed.barrier()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
class TestOfRayTrain:
    @pytest.fixture
    def failed(self, tmp_path: Path) -> Callable[..., Exception]:
        """What Ray Train raises where two workers do some work."""
        from ray.train import RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer

        def failed(work: Callable[[Any], None]) -> Exception:
            scaling = ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1})
            run = RunConfig(storage_path=str(tmp_path))
            trainer = TorchTrainer(work, train_loop_config={}, scaling_config=scaling, run_config=run)
            with pytest.raises(TrainingFailedError) as raised:
                trainer.fit()
            return raised.value

        return failed

    def test_an_error_of_its_own(self, failed: Callable[..., Exception]) -> None:
        error = after_failures(failed(fail_beside_a_peer))
        assert (type(error), str(error)) == (RuntimeError, str(MINE))

    def test_a_death(self, failed: Callable[..., Exception]) -> None:
        require_another_try(after_failures(failed(die_beside_a_peer)))
