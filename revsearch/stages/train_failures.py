"""What a training run ends with that Ray Train gave up: an error of its own, or workers that died of themselves."""

from collections.abc import Mapping

from revsearch.errors import TransientError
from revsearch.stages.deaths import WORKER_DEATHS

MAX_DEATHS = 3  # that a run gets over from one checkpoint to the next; each costs what was learned since the last


def after_failures(error: Exception) -> Exception:
    """Return what to raise for a `TrainingFailedError`: a later try may succeed only where workers died.

    Where one did, what the others raised came of that: an error of their own comes again without a death.
    """
    failures: Mapping[int, Exception] = getattr(error, "worker_failures", {})  # none where workers could not be started
    if failures and not any(map(_is_death, failures.values())):
        return next(iter(failures.values()))
    return TransientError(
        f"workers of the run could not be started, or died more than {MAX_DEATHS} times without coming to a new "
        "checkpoint; the same command goes on from the last checkpoint; give it fewer --workers or more memory, and "
        "see whether the cluster has room: "
        f"{error}"
    )


def _is_death(failure: Exception) -> bool:
    """Say whether a worker's failure is its own death, or came of another process's."""
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError

    from revsearch.model.deaths import tells_of_death

    if isinstance(failure, WorkerHealthCheckFailedError):  # around what Ray itself says of the worker
        failure = failure.health_check_failure
    return isinstance(failure, (*WORKER_DEATHS, WorkerHealthCheckTimeoutError)) or tells_of_death(failure)
