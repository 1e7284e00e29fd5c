"""From the end of a job on a cluster to the end of the command that sent it."""

import json
import signal
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jobs.command import Outcome
from jobs.failure import STOPPED_BY
from jobs.job_log import JobLog
from jobs.report import plan_lines
from revsearch.errors import JobFailed
from revsearch.specs import Plan, Resources

if TYPE_CHECKING:
    from revsearch.stages.job_server import ClusterJob

_INTERNAL, _USAGE, _LATER = 1, 2, 75
# Ray's words for a job that never ran, or whose end nobody saw: exit code, and what to do.
_NEVER_RAN: Mapping[str, tuple[int, str]] = {
    "RUNTIME_ENV_SETUP_FAILURE": (_USAGE, "look at --runtime-env and --working-dir"),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": (_USAGE, "no machine has what --entrypoint-num-cpus and the like ask for"),
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": (_LATER, "the cluster was full for too long; send it again"),
    "JOB_SUPERVISOR_ACTOR_DIED": (_LATER, "its machine went away; send it again: what was done is not done twice"),
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": (_LATER, "send it again: what was done is not done twice"),
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": (_LATER, "send it again"),
}


def outcome_of(job: "ClusterJob", log: JobLog, *, as_json: bool) -> Outcome:
    """Return what a job that is over made, as if it had been made here; `as_json`: its own output is its report."""
    about = {"job": about_job(job)}
    if as_json:
        return Outcome(lines=(json.dumps(log.report),), told=about)
    lines = (*_plan_lines(log.report), *log.report.get("lines", ()))
    return Outcome(lines=lines, told={"artifact": log.artifact or None, **log.report, **about})


def about_job(job: "ClusterJob") -> dict[str, Any]:
    """Return what `--json` says of a job."""
    return {
        "id": job.id,
        "status": job.status,
        "entrypoint": job.entrypoint,
        "started": job.started,
        "ended": job.ended,
        "exit_code": job.exit_code,
    }


def failure_of(job: "ClusterJob", log: JobLog) -> JobFailed | None:
    """Return what to end with for a job that is over; None where all went well."""
    if job.status == "SUCCEEDED":
        return None
    if job.status == "STOPPED":
        code = STOPPED_BY + signal.SIGTERM
        return JobFailed(f"{job.id} was stopped before it was done", exit_code=code, reason="job_stopped")
    if job.exit_code is None:
        return _without_exit_code(job)
    code = job.exit_code if job.exit_code >= 0 else STOPPED_BY - job.exit_code
    reason = log.reason or "job_failed"
    return JobFailed(f"{job.id} ended with exit code {code}; why is above", exit_code=code, reason=reason)


def left_running(id: str, stopped: BaseException, where: str) -> JobFailed:
    """Return what to end with where a signal ended the watching of a job, not the job."""
    by = signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else signal.SIGTERM
    reason = "interrupted" if by is signal.SIGINT else "terminated"
    return JobFailed(
        f"{id} is followed no longer, and goes on: `revsearch status {id}{where}` shows it, "
        f"`revsearch stop {id}{where}` ends it",
        exit_code=STOPPED_BY + by,
        reason=reason,
    )


def _without_exit_code(job: "ClusterJob") -> JobFailed:
    code, advice = _NEVER_RAN.get(job.error, (_INTERNAL, f"`revsearch status {job.id}` shows what it wrote"))
    said = " ".join(job.message.split()) or "no reason given"
    return JobFailed(f"{job.id} did not run to its end: {said}; {advice}", exit_code=code, reason="job_not_run")


def _plan_lines(report: Mapping[str, Any]) -> Iterator[str]:
    if plan := report.get("plan"):
        yield from plan_lines(Plan(**{**plan, "resources": Resources(**plan["resources"])}))
