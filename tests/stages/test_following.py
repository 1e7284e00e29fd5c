"""Following a log over connections that break; against a real job server: tests/cluster/test_submitting.py."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from revsearch.errors import ClusterUnavailable
from revsearch.stages import following
from revsearch.stages.cluster_job import ClusterJob
from revsearch.stages.following import Lines, follow

JOB = ClusterJob("embed-1", True, "RUNNING", "python -m jobs.embed")
LOG = "one\ntwo\nthree\nfour"


class Server:
    """A job server whose log connections give a few pieces and end; the job is over when all were seen."""

    url = "http://here:8265"

    def __init__(
        self,
        *connections: list[str],
        answers: Callable[[int], ClusterJob | None],
        breaks: bool = True,
        refusals: int = 0,
    ) -> None:
        self.connections = list(connections)
        self.answers, self.breaks, self.refusals = answers, breaks, refusals
        self.n_looks = 0
        self.tailed = threading.Event()

    def job(self, id: str) -> ClusterJob | None:
        self.n_looks += 1
        return self.answers(self.n_looks)

    def log(self, id: str) -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise ClusterUnavailable("refused")
        return LOG

    async def tail(self, id: str) -> AsyncIterator[str]:
        pieces = self.connections.pop(0)
        for piece in pieces:
            yield piece
        if self.connections and self.breaks:
            raise RuntimeError("the connection broke")
        if self.connections:
            return
        self.tailed.set()
        await asyncio.sleep(3600)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_RECONNECT_S", 0.01)
    monkeypatch.setattr(following, "_LOOK_S", 0.01)


@pytest.mark.parametrize("breaks", [True, False])
def test_every_line_is_given_once_over_connections_that_end(breaks: bool) -> None:
    """Ray's head ends a connection in good order, too, where it lost its own to the machine of the job."""
    shown: list[str] = []
    server = Server(
        ["one\nt"],
        ["one\n", "two\nthr"],
        [],
        ["one\ntwo\nthree\n"],
        answers=lambda n: replace(JOB, status="SUCCEEDED") if server.tailed.wait(5) else JOB,
        breaks=breaks,
    )
    job, log = follow(server, "embed-1", shown.append)  # type: ignore[arg-type]  # a counterpart
    assert (job.status, log) == ("SUCCEEDED", LOG)
    assert shown == ["one", "two", "three", "four"]


def test_a_server_that_is_away_for_a_while_is_waited_for() -> None:
    def answers(n: int) -> ClusterJob:
        if n in (1, 3, 4):
            raise ClusterUnavailable("away")
        return replace(JOB, status="FAILED", exit_code=3) if n == 5 else JOB

    job, _ = follow(Server([LOG], answers=answers), "embed-1", [].append)  # type: ignore[arg-type]  # a counterpart
    assert job.exit_code == 3


@pytest.mark.parametrize("ended", [replace(JOB, status="SUCCEEDED"), replace(JOB, status="FAILED", exit_code=3)])
def test_a_log_that_is_refused_for_a_while_is_waited_for(ended: ClusterJob) -> None:
    shown: list[str] = []
    server = Server([], answers=lambda n: ended, refusals=3)
    assert follow(server, "embed-1", shown.append) == (ended, LOG)  # type: ignore[arg-type]  # a counterpart
    assert shown == LOG.split("\n")


def test_a_log_that_stays_refused_does_not_hide_how_the_job_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "_PATIENCE_S", 0.05)
    ended = replace(JOB, status="FAILED", exit_code=3)
    server = Server([], answers=lambda n: ended, refusals=10**9)
    assert follow(server, "embed-1", [].append) == (ended, "")  # type: ignore[arg-type]  # a counterpart
    assert "refused" in caplog.records[-1].getMessage()


def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PATIENCE_S", 0.0)

    def answers(n: int) -> ClusterJob:
        if n > 1:
            raise ClusterUnavailable("away")
        return JOB

    with pytest.raises(ClusterUnavailable, match="revsearch status embed-1"):
        follow(Server([LOG], answers=answers), "embed-1", [].append)  # type: ignore[arg-type]  # a counterpart


def test_a_cluster_that_has_forgotten_the_job() -> None:
    with pytest.raises(ClusterUnavailable, match="knows no job embed-1"):
        follow(Server([LOG], answers=lambda n: None), "embed-1", [].append)  # type: ignore[arg-type]  # a counterpart


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_lines_are_cut_wherever_the_pieces_are(size: int) -> None:
    shown: list[str] = []
    lines = Lines(shown.append)
    for place in range(0, len(LOG), size):
        lines.take(place, LOG[place : place + size])
    assert shown == ["one", "two", "three"]
    lines.close()
    lines.close()
    assert shown == ["one", "two", "three", "four"]
