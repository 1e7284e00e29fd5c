"""From the end of a job on a cluster to the end of the command that sent it."""

import json
import signal
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jobs.command import Outcome
from jobs.failure import STOPPED_BY
from jobs.job_log import JobLog
from jobs.printable import printable
from jobs.report import Ending, plan_lines
from revsearch.specs import Plan, Resources

if TYPE_CHECKING:
    from revsearch.stages.cluster_job import ClusterJob

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


def outcome_of(job: "ClusterJob", log: JobLog, *, command: str, as_json: bool) -> Outcome:
    """Return what a job that is over made, as if it had been made here; `as_json`: its own output is its report."""
    about, ending = {"job": about_job(job)}, ending_of_job(job, log)
    if as_json:
        report = log.report or {**_in_place_of_a_report(command, log, ending), **about}
        return Outcome(lines=(json.dumps(report),), told=about, ending=ending)
    lines = (*_plan_lines(log.report), *log.report.get("lines", ()))
    return Outcome(lines=lines, told={"artifact": log.artifact or None, **log.report, **about}, ending=ending)


def about_job(job: "ClusterJob") -> dict[str, Any]:
    """Return what `--json` says of a job."""
    return {
        "id": job.id,
        "status": job.status,
        "entrypoint": job.entrypoint,
        "submitted_at": job.submitted_at,
        "ended": job.ended,
        "exit_code": job.exit_code,
    }


def ending_of_job(job: "ClusterJob", log: JobLog) -> Ending:
    """Return how to end after a job that is over: with its exit code, reason and artifact."""
    if job.status == "SUCCEEDED":
        return Ending() if log.report else _without_report(job, log)
    if job.status == "STOPPED":
        said = f"{job.id} was stopped before it was done"
        return Ending(STOPPED_BY + signal.SIGTERM, "job_stopped", (said,), log.artifact)
    if job.exit_code is None:
        return _without_exit_code(job)
    code = job.exit_code if job.exit_code >= 0 else STOPPED_BY - job.exit_code
    return Ending(
        code, log.reason or "job_failed", (f"{job.id} ended with exit code {code}; why is above",), log.artifact
    )


def left_running(id: str, stopped: BaseException, where: str) -> Ending:
    """Return how to end where a signal ended the watching of a job, not the job."""
    by = signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else signal.SIGTERM
    said = (
        f"{id} is followed no longer, and goes on: `revsearch status {id}{where}` shows it, "
        f"`revsearch stop {id}{where}` ends it"
    )
    return Ending(STOPPED_BY + by, "interrupted" if by is signal.SIGINT else "terminated", (said,))


def _without_report(job: "ClusterJob", log: JobLog) -> Ending:
    """Return how to end after a job that did its work, and did not say what came of it: a script must not read on."""
    said = (
        f"{job.id} succeeded, but its log, which says what it made, is not to be had: its machine may be gone; send "
        "it again under another id: what was done is not done twice"
    )
    return Ending(_LATER, "no_report", (said,), log.artifact)


def _in_place_of_a_report(command: str, log: JobLog, ending: Ending) -> dict[str, Any]:
    error = {"reason": ending.reason, "message": printable("; ".join(ending.problems))}
    return {"command": command, "artifact": log.artifact or None, "exit_code": ending.code, "error": error}


def _without_exit_code(job: "ClusterJob") -> Ending:
    code, advice = _NEVER_RAN.get(job.error, (_INTERNAL, f"`revsearch status {job.id}` shows what it wrote"))
    return Ending(code, "job_not_run", (f"{job.id} did not run to its end: {_in_short(job.message)}; {advice}",))


def _in_short(message: str) -> str:
    """Return the beginning of what Ray says, and the end of a traceback in it, which says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or "no reason given"


def _plan_lines(report: Mapping[str, Any]) -> Iterator[str]:
    if plan := report.get("plan"):
        resources = plan["resources"] and Resources(**plan["resources"])
        yield from plan_lines(Plan(**{**plan, "resources": resources}))
