"""Servers that are none, or not ours; against a real one: tests/cluster/test_submitting.py."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import ray

from revsearch.errors import ClusterUnavailable, InvalidSpec
from revsearch.stages import job_server
from revsearch.stages.cluster_job import Submission
from revsearch.stages.head import Head
from revsearch.stages.job_server import JobServer
from tests.servers.listening import ThreadedServer, listening

Answers = dict[str, tuple[int, str]]
VERSION = {"/api/version": (200, json.dumps({"ray_version": ray.__version__}))}


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], str]]:
    """Answer requests by path, others as `*`, or as not found."""

    def start(answers: Answers) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path) or answers.get("*", (404, "not found"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_PUT = do_GET  # noqa: N815  # named by the standard library

            def log_message(self, *_: object) -> None:
                pass

        return servers.enter_context(listening(ThreadedServer(("127.0.0.1", 0), Handler)))

    with ExitStack() as servers:
        yield start


def test_the_address_given_goes_before_the_environment(serve: Callable[[Answers], str]) -> None:
    url = serve(VERSION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
        assert JobServer.at(url + "/").url == url
        assert os.environ["RAY_API_SERVER_ADDRESS"] == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, json.dumps({"ray_version": "2.9.3"})), f"expected a cluster with Ray {ray.__version__} as here, found"),
        ((200, "<html>"), "expected the job server of a cluster"),
        ((500, "broken"), "expected the job server of a cluster"),
        ((404, "not found"), "expected the job server of a cluster"),
        ((401, "no token"), "RAY_AUTH_TOKEN_PATH"),
        ((403, "another token"), "RAY_AUTH_TOKEN_PATH"),
    ],
)
def test_a_server_that_is_not_ours(serve: Callable[[Answers], str], answer: tuple[int, str], said: str) -> None:
    url = serve({"/api/version": answer})
    with pytest.raises(InvalidSpec, match=said) as caught:
        JobServer.at(url)
    assert url in str(caught.value)


@pytest.mark.parametrize("address", ["http://192.0.2.1:8265", "192.0.2.1:6379", "head:6379"])
def test_a_cluster_elsewhere_without_a_token_is_not_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(job_server, "ask_head", lambda address: pytest.fail("its head was asked"))
    with pytest.raises(InvalidSpec, match="--insecure"):
        JobServer.at(address)


def test_a_head_that_tells_of_a_server_elsewhere_needs_a_token_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(job_server, "ask_head", lambda address: Head(("", ""), "192.0.2.1:8265", ()))
    with pytest.raises(InvalidSpec, match=r"192\.0\.2\.1:8265: expected a token .*--insecure"):
        JobServer.at("127.0.0.1:6379")


@pytest.mark.parametrize("loopback", ["127.0.0.1", "localhost"])
def test_a_server_on_the_loopback_of_another_machine_is_not_looked_for_on_ours(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answers], str], loopback: str
) -> None:
    """What listens on the same port here may be anybody's."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ours = serve(VERSION)
    advertised = f"{loopback}:{ours.rpartition(':')[2]}"
    monkeypatch.setattr(job_server, "ask_head", lambda address: Head(("", ""), advertised, ()))
    with pytest.raises(InvalidSpec, match=r"192\.0\.2\.1:6379: expected .*open a tunnel .*http://127\.0\.0\.1:PORT"):
        JobServer.at("192.0.2.1:6379", insecure=True)
    assert JobServer.at("127.0.0.1:6379").url == f"http://{advertised}"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_starts_anew_is_away_whatever_it_is_asked(serve: Callable[[Answers], str], status: int) -> None:
    away = (status, "<html>Bad Gateway</html>")
    with pytest.raises(ClusterUnavailable, match=str(status)):
        JobServer.at(serve({"/api/version": away}))
    server = JobServer.at(serve(VERSION | {"*": away}))
    for ask in (
        server.jobs,
        lambda: server.job("a"),
        lambda: server.log("a"),
        lambda: server.stop("a"),
        lambda: server.submit(Submission("a", "true")),
    ):
        with pytest.raises(ClusterUnavailable, match=f"away: it says HTTP {status}"):
            ask()


def test_an_upload_that_finds_the_server_away(serve: Callable[[Answers], str], tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("pass")
    server = JobServer.at(serve(VERSION | {"*": (503, "starting")}))
    with pytest.raises(ClusterUnavailable, match="503"):
        server.uploaded({"working_dir": str(tmp_path / "code")})


def test_a_log_that_is_refused_is_not_an_empty_one(serve: Callable[[Answers], str]) -> None:
    answers = {"/api/jobs/a/logs": (500, "Traceback\nno agent"), "/api/jobs/b/logs": (200, json.dumps({"logs": ""}))}
    server = JobServer.at(serve(VERSION | answers))
    with pytest.raises(ClusterUnavailable, match="the log of a: no agent"):
        server.log("a")
    assert server.log("b") == ""


def test_no_such_job(serve: Callable[[Answers], str]) -> None:
    server = JobServer.at(serve(VERSION))
    assert server.job("x") is None
    assert server.log("x") == ""
    with pytest.raises(ClusterUnavailable):
        server.jobs()


def test_a_job_as_the_server_tells_it(serve: Callable[[Answers], str]) -> None:
    told = {
        "type": "SUBMISSION",
        "submission_id": "a",
        "status": "FAILED",
        "entrypoint": "python",
        "start_time": 1500,
        "end_time": 2500,
        "driver_exit_code": 3,
    }
    driver = {"type": "DRIVER", "job_id": "01000000", "status": "RUNNING", "entrypoint": "python x.py", "start_time": 1}
    answers = {"/api/jobs/a": (200, json.dumps(told)), "/api/jobs/": (200, json.dumps([told, driver]))}
    server = JobServer.at(serve(VERSION | answers))
    job = server.job("a")
    assert job is not None
    assert (job.id, job.submitted, job.is_over, job.exit_code) == ("a", True, True, 3)
    assert (job.submitted_at, job.ended) == (1.5, 2.5)
    assert [(each.id, each.submitted) for each in server.jobs()] == [("01000000", False), ("a", True)]
