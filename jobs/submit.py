"""Run a command on a cluster: send it to the job server, follow its log, end as it ends."""

import logging
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jobs
import revsearch
from jobs.failure import Terminated
from jobs.job_ending import left_running, outcome_of
from jobs.job_log import JobLog, is_last_line, report_of
from jobs.job_server import ServerSpec
from jobs.launch import Command, Job, Outcome, launch
from jobs.remote_command import RemoteCommand
from jobs.runtime_env import environment_with_server, read_runtime_env
from revsearch.errors import ClusterUnavailable, Conflict, InvalidSpec
from revsearch.specs import option

if TYPE_CHECKING:
    from revsearch.stages.cluster_job import Submission
    from revsearch.stages.job_server import JobServer
    from revsearch.stages.luggage import Luggage

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CODE = tuple(Path(package.__path__[0]) for package in (jobs, revsearch))

_LOG = logging.getLogger("revsearch.jobs.submit")


@dataclass(frozen=True, kw_only=True)
class SubmitSpec(ServerSpec):
    """Run a command on a cluster: send it to the job server, follow its log, end as it ends."""

    command: tuple[str, ...] = option(
        help="the command and its options: submit -- embed --manifest ID --store s3://bucket/prefix",
        positional=True,
        rest=True,
    )
    no_wait: bool = option(False, help="print the job's id and leave; `revsearch status ID` shows how it goes")
    submission_id: str | None = option(
        None, help="the job's id: given again, the job of that id is followed, and nothing is run twice"
    )
    working_dir: str | None = option(
        None, help="folder that the job runs in, sent without the data in it; or the URI of a zip file"
    )
    exclude: tuple[str, ...] = option((), help="what of that folder is not sent, as in a .gitignore")
    runtime_env: str | None = option(None, help="YAML file with Ray's runtime environment: pip, env_vars, ...")
    entrypoint_num_cpus: float = option(
        0, help="CPUs for the command's own process; with any resource it may run beside the head", at_least=0
    )
    entrypoint_num_gpus: float = option(0, help="GPUs for the command's own process", at_least=0)
    entrypoint_memory: int = option(0, help="bytes of memory for the command's own process", at_least=0)

    def conflicts(self) -> Iterator[str]:
        """Yield what is wrong with the command and what goes with it, before any cluster is asked."""
        yield from super().conflicts()
        if self.submission_id is not None and not _ID.fullmatch(self.submission_id):
            yield f"--submission-id: expected up to 100 letters, digits, `.`, `_`, `-`, found {self.submission_id!r}"
        for check in (self.remote, self.declared_env):
            try:
                check()
            except InvalidSpec as error:
                yield from error.problems

    def remote(self) -> RemoteCommand:
        """Return the command as the cluster will run it."""
        return RemoteCommand.of(self.command, os.environ)

    def declared_env(self) -> dict[str, Any]:
        """Return Ray's runtime environment, as far as it is more than folders that are sent."""
        return read_runtime_env(self.runtime_env, environment_with_server())

    def luggage(self) -> "Luggage":
        """Return what is sent: our own code, and the folder asked for."""
        from revsearch.stages.luggage import Luggage

        declared = self.declared_env()
        place = self.working_dir or declared.pop("working_dir", None)
        excludes = (*declared.pop("excludes", ()), *self.exclude)
        if place is not None and "://" in place:  # each machine fetches it by itself
            return Luggage(_CODE, None, excludes, {**declared, "working_dir": place})
        return Luggage(_CODE, None if place is None else Path(place), excludes, declared)


def run(spec: SubmitSpec, job: Job) -> Outcome:  # noqa: ARG001  # of what commands share it takes nothing
    """Check here, send, and follow to the end; with an id that the cluster has already, follow that job."""
    remote, luggage = spec.remote(), spec.luggage()
    luggage.require_small()
    server = spec.server()
    id = spec.submission_id or f"{remote.name}-{secrets.token_hex(4)}"
    _start(server, id, remote, luggage, spec)
    if spec.no_wait:
        return Outcome(lines=(id,), told={"job": {"id": id}})
    return _followed(server, id, remote, spec)


def _start(server: "JobServer", id: str, remote: RemoteCommand, luggage: "Luggage", spec: SubmitSpec) -> None:
    """Send the job, unless it is there already.

    Raises:
        Conflict: where the id is that of a job with another command.
    """
    from revsearch.stages.cluster_job import Submission

    there = server.job(id) if spec.submission_id else None
    if there is None:
        asked = Submission(
            id=id,
            entrypoint=remote.entrypoint,
            runtime_env=luggage.send(server),
            num_cpus=spec.entrypoint_num_cpus,
            num_gpus=spec.entrypoint_num_gpus,
            memory=spec.entrypoint_memory,
        )
        if _sent(server, asked):
            _LOG.info("%s is sent to %s", id, server.url)
            return
        there = server.job(id)
    if there is None or there.entrypoint != remote.entrypoint:
        raise Conflict(
            f"--submission-id {id}: expected a job with this command, found "
            f"{there.entrypoint if there else 'one that was deleted'}; take another id"
        )
    _LOG.info("%s is there already (%s): nothing is sent; another --submission-id runs it anew", id, there.status)


def _sent(server: "JobServer", job: "Submission") -> bool:
    try:
        return server.submit(job)
    except ClusterUnavailable as error:
        raise ClusterUnavailable(
            f"{error}; it may have been started all the same, as `revsearch status {job.id}` will tell"
        ) from error


def _followed(server: "JobServer", id: str, remote: RemoteCommand, spec: SubmitSpec) -> Outcome:
    try:
        from revsearch.stages.following import follow

        over, log = follow(server, id, _show)
    except (KeyboardInterrupt, Terminated) as stopped:
        where = f" --address {spec.address}" if spec.address else ""
        return Outcome(told={"job": {"id": id}}, ending=left_running(id, stopped, where))
    return outcome_of(over, JobLog.of(log), command=remote.name, as_json=remote.as_json)


def _show(line: str) -> None:
    """Show a line of the job's log, unless it tells what is told as our own."""
    if report_of(line) is None and not is_last_line(line):
        _LOG.info("%s", line)


COMMAND = Command(spec=SubmitSpec, run=run, commits=False, computes=False, stores=False)

if __name__ == "__main__":
    launch(COMMAND)
