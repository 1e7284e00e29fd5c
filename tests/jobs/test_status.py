"""What is shown of jobs; with a cluster: tests/cluster/test_submitting.py."""

import time
from dataclasses import replace

import pytest

from jobs.job_server import ServerSpec
from jobs.launch import Outcome
from jobs.status import StatusSpec, run
from revsearch.errors import ClusterUnavailable
from revsearch.stages.cluster_job import ClusterJob

JOB = ClusterJob("embed-1", True, "RUNNING", "python -m jobs.embed")
PROGRESS = "embed: 10 of 20, 0 rejected"


class Server:
    """Knows one job, and maybe not its log."""

    url = "http://here:8265"

    def __init__(self, job: ClusterJob, log: str | None) -> None:
        self.known, self.written = job, log

    def job(self, id: str) -> ClusterJob | None:
        return self.known if id == self.known.id else None

    def jobs(self) -> list[ClusterJob]:
        return [self.known]

    def log(self, id: str) -> str:
        if self.written is None:
            raise ClusterUnavailable("the log of embed-1: no agent")
        return self.written


@pytest.fixture
def status(monkeypatch):
    def status(job: ClusterJob, log: str | None, *ids: str) -> Outcome:
        monkeypatch.setattr(ServerSpec, "server", lambda spec: Server(job, log))
        return run(StatusSpec(job=ids), None)

    return status


def test_a_job_that_waits_says_so_and_not_that_it_runs(status):
    waits = replace(JOB, status="PENDING", submitted_at=time.time() - 90)
    (line,) = status(waits, "").lines
    assert "  PENDING  " in line
    assert "  waiting 90 s  " in line
    shown = dict(line.split(": ", 1) for line in status(waits, "", "embed-1").lines)
    assert shown["duration"] == "waiting 90 s"
    assert shown["submitted"].endswith("Z")


def test_a_job_that_is_over_says_how_long_it_took(status):
    over = replace(JOB, status="FAILED", submitted_at=1000.0, ended=1090.0, exit_code=3)
    (line,) = status(over, "").lines
    assert line == "embed-1  FAILED  1970-01-01T00:16:40Z  90 s  exit 3  python -m jobs.embed"
    (told,) = status(over, "", "embed-1").told["jobs"]
    assert (told["submitted_at"], told["ended"], told["exit_code"]) == (1000.0, 1090.0, 3)


def test_a_job_whose_log_is_refused_is_shown_all_the_same(status):
    assert PROGRESS in status(JOB, PROGRESS).lines[0]
    (line,) = status(JOB, None).lines
    assert line == "embed-1  RUNNING  python -m jobs.embed"
    lines = status(JOB, None, "embed-1").lines
    assert lines[-1] == "log: the log of embed-1: no agent"
