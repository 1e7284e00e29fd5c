"""Show the jobs of a cluster: how far each is, how it ended, what it made."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job_ending import about_job
from jobs.job_log import JobLog
from jobs.job_server import ServerSpec, jobs_of
from jobs.launch import Command, Job, Outcome, launch
from revsearch.errors import ClusterUnavailable
from revsearch.specs import option

if TYPE_CHECKING:
    from revsearch.stages.cluster_job import ClusterJob
    from revsearch.stages.job_server import JobServer


@dataclass(frozen=True, kw_only=True)
class StatusSpec(ServerSpec):
    """Show the jobs of a cluster: how far each is, how it ended, what it made."""

    job: tuple[str, ...] = option((), help="ids of jobs to show closely (default: a line each of all)", positional=True)
    last: int = option(20, help="jobs that are over to show, the latest ones", at_least=0)
    lines: int = option(20, help="last lines of the log to show of a job asked for by its id", at_least=0)


@dataclass(frozen=True)
class _Seen:
    """A job and what its log says."""

    job: "ClusterJob"
    log: JobLog
    refused: str = ""  # why its log is not to be had

    @property
    def outline(self) -> str:
        """A line for the list: id, status, submission, duration, how far it is or how it ended, command."""
        job = self.job
        told = [job.id, job.status, _moment(job.submitted_at), _duration(job), self._latest, job.entrypoint]
        return "  ".join(each for each in told if each)

    @property
    def details(self) -> Iterator[str]:
        """Lines for one job, without its log."""
        job = self.job
        told = {
            "status": job.status,
            "entry point": job.entrypoint,
            "submitted": _moment(job.submitted_at),
            "duration": _duration(job),
            "progress": self.log.progress,
            "exit code": "" if job.exit_code is None else str(job.exit_code),
            "reason": self.log.reason,
            "artifact": self.log.artifact,
            "message": "" if job.exit_code is not None else " ".join(job.message.split()),
            "log": self.refused,
        }
        yield f"job: {job.id}"
        yield from (f"{name}: {value}" for name, value in told.items() if value)

    @property
    def as_json(self) -> dict[str, Any]:
        """What `--json` says of it."""
        told = {"submitted": self.job.submitted, "progress": self.log.progress, "reason": self.log.reason}
        return {**about_job(self.job), **told, "artifact": self.log.artifact or None}

    @property
    def _latest(self) -> str:
        if self.job.is_over:
            return "" if self.job.exit_code in (None, 0) else f"exit {self.job.exit_code}"
        return self.log.progress


def run(spec: StatusSpec, job: Job) -> Outcome:  # noqa: ARG001  # of what commands share it takes nothing
    """Ask the job server, and the logs of what runs for the latest line of progress."""
    server = spec.server()
    if not spec.job:
        return _all(server, spec.last)
    seen = [_seen(server, found) for found in jobs_of(server, spec.job)]
    lines = [line for each in seen for line in (*each.details, *_tail(each.log, spec.lines))]
    told = [{**each.as_json, "log": _tail(each.log, spec.lines)} for each in seen]
    return Outcome(lines=tuple(lines), told={"jobs": told})


def _all(server: "JobServer", last: int) -> Outcome:
    found = server.jobs()
    over = [job for job in found if job.is_over]
    hidden = {job.id for job in over[: max(0, len(over) - last)]}
    shown = [job for job in found if job.id not in hidden]
    seen = [_seen(server, job) if not job.is_over else _Seen(job, JobLog()) for job in shown]
    more = [f"{len(hidden)} more that are over: --last"] if hidden else []
    return Outcome(lines=(*more, *(each.outline for each in seen)), told={"jobs": [each.as_json for each in seen]})


def _seen(server: "JobServer", job: "ClusterJob") -> _Seen:
    try:
        return _Seen(job, JobLog.of(server.log(job.id)) if job.submitted else JobLog())
    except ClusterUnavailable as error:  # what is known of the job is shown all the same
        return _Seen(job, JobLog(), refused=str(error))


def _tail(log: JobLog, n_lines: int) -> list[str]:
    return list(log.lines[-n_lines:]) if n_lines else []


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _duration(job: "ClusterJob") -> str:
    """Say how long it took, waiting for room included, or has waited if it still does."""
    if job.submitted_at is None:
        return ""
    waiting = "waiting " if job.status == "PENDING" else ""
    return f"{waiting}{(job.ended or time.time()) - job.submitted_at:.0f} s"


COMMAND = Command(spec=StatusSpec, run=run, commits=False, computes=False, stores=False)

if __name__ == "__main__":
    launch(COMMAND)
