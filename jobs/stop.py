"""Stop jobs of a cluster; what they have committed stays, and the same command goes on from there."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job_server import ServerSpec, jobs_of
from jobs.launch import Command, Job, Outcome, launch
from revsearch.errors import ClusterUnavailable
from revsearch.specs import option

if TYPE_CHECKING:
    from revsearch.stages.cluster_job import ClusterJob
    from revsearch.stages.job_server import JobServer

_PATIENCE_S = 60.0  # what `submit` sends is killed 30 s after it was asked to end, other jobs after Ray's 3 s
_PENDING_S = 5.0  # a job that waits for room ends as it starts, and no earlier
_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class StopSpec(ServerSpec):
    """Stop jobs of a cluster; what they have committed stays, and the same command goes on from there."""

    job: tuple[str, ...] = option(help="ids of the jobs", positional=True)


def run(spec: StopSpec, job: Job) -> Outcome:  # noqa: ARG001  # of what commands share it takes nothing
    """Ask each to end, and wait until it has; a job that is over is left as it is, one that waits is told of."""
    server = spec.server()
    for found in jobs_of(server, spec.job):
        server.stop(found.id)
    return Outcome(lines=tuple(_line(_ended(server, id)) for id in spec.job))


def _line(job: "ClusterJob") -> str:
    later = "" if job.is_over else "  ends as soon as it finds room to start"
    return f"{job.id}  {job.status}{later}"


def _ended(server: "JobServer", id: str) -> "ClusterJob":
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _PATIENCE_S:
        job = server.job(id)
        if job is not None and (job.is_over or (job.status == "PENDING" and waited > _PENDING_S)):
            return job
        time.sleep(_LOOK_S)
    raise ClusterUnavailable(f"{id} was asked to end {_PATIENCE_S:.0f} s ago and has not; ask again")


COMMAND = Command(spec=StopSpec, run=run, commits=False, computes=False, stores=False)

if __name__ == "__main__":
    launch(COMMAND)
