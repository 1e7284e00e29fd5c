"""The job server of a cluster: asked for its jobs, given one, told to stop one (Ray's JobSubmissionClient)."""

import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

import ray
from ray._private.ray_constants import RAY_API_SERVER_ADDRESS_ENVIRONMENT_VARIABLE
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient, JobType

from revsearch.errors import ClusterUnavailable, InvalidSpec
from revsearch.stages.cluster_job import ClusterJob, Submission
from revsearch.stages.head import ANSWER_TIMEOUT_S, ask_head, is_loopback
from revsearch.stages.token import refused, send_token

_READ_TIMEOUT_S = 60.0
_NOT_FOUND = 404
_AWAY = frozenset({502, 503, 504})  # said for a server that starts anew, by what stands before it
_PORTS = {"http": 80, "https": 443}

for _chatty in (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
    "ray._private.runtime_env.working_dir",
):
    logging.getLogger(_chatty).setLevel(logging.ERROR)  # some set their own level to INFO as they are imported


class _Refused(RuntimeError):
    """The server's answer is that it will not."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class _Client(JobSubmissionClient):
    """Ray's client, which by itself waits for an answer for ever and hides its status."""

    def _do_request(self, *arguments: Any, **options: Any) -> Any:
        answer = super()._do_request(*arguments, timeout=(ANSWER_TIMEOUT_S, _READ_TIMEOUT_S), **options)
        if answer.status_code in _AWAY:
            raise ClusterUnavailable(f"{self._address}: the job server is away: it says HTTP {answer.status_code}")
        return answer

    def _raise_error(self, r: Any) -> NoReturn:
        raise _Refused(r.status_code, r.text)

    def upload(self, runtime_env: dict[str, Any]) -> None:
        """Put uploaded packages in the place of local folders."""
        self._upload_working_dir_if_needed(runtime_env)
        self._upload_py_modules_if_needed(runtime_env)


class JobServer:
    """A cluster's job server that answers, runs our Ray and lets us in."""

    def __init__(self, url: str, client: _Client) -> None:
        self.url = url
        self._client = client

    @classmethod
    def at(cls, address: str, *, insecure: bool = False) -> Self:
        """Connect to `http(s)://HOST:PORT`, or to the job server of the head at `HOST:PORT`.

        Raises:
            InvalidSpec: where there is none, it wants another token, or runs another Ray; or where it is on another
                machine, there is no token, and the call does not say that this is meant (`insecure`).
            ClusterUnavailable: where what stands before it says that it is away.
        """
        sent = send_token()
        _require_token(address, sent, insecure=insecure)
        url = address.rstrip("/") if "://" in address else _of_head(address)
        _require_token(url, sent, insecure=insecure)  # the head may tell of another machine
        _require_listener(url)
        try:
            with _argument_before_environment(url):
                client = _Client(url)
        except AuthenticationError as error:
            raise refused(url, sent=sent) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise _no_server(url, error) from error
        _require_same_ray(url, str(client._server_ray_version))
        return cls(url, client)

    def submit(self, job: Submission) -> bool:
        """Start a job; say whether this was done: not where there is one of its id.

        Raises:
            InvalidSpec: where the server or Ray here refuses what is asked for.
            ClusterUnavailable: where it does not answer.
        """
        try:
            with self._asking():
                self._client.submit_job(
                    entrypoint=job.entrypoint,
                    submission_id=job.id,
                    runtime_env=dict(job.runtime_env),
                    entrypoint_num_cpus=job.num_cpus or None,
                    entrypoint_num_gpus=job.num_gpus or None,
                    entrypoint_memory=job.memory or None,
                )
        except (TypeError, ValueError) as error:
            raise InvalidSpec(f"the runtime environment of the job: {error}") from error
        except _Refused as error:
            if "already exists" in str(error):
                return False
            raise InvalidSpec(f"{self.url} refused the job: {_last_line(str(error))}") from error
        return True

    def uploaded(self, runtime_env: Mapping[str, Any]) -> dict[str, Any]:
        """Return a runtime environment with its local folders uploaded, each content once.

        Raises:
            InvalidSpec: where a folder cannot be packed.
            ClusterUnavailable: where the server does not answer.
        """
        own = dict(runtime_env)
        try:
            with self._asking():
                self._client.upload(own)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InvalidSpec(f"what is to be sent with the job: {_last_line(str(error))}") from error
        own.pop("excludes", None)
        return own

    def job(self, id: str) -> ClusterJob | None:
        """Return a job by the id it was submitted under, or by Ray's own; None where there is none."""
        try:
            with self._asking():
                return _job(self._client.get_job_info(id))
        except _Refused as error:
            if error.status == _NOT_FOUND:
                return None
            raise ClusterUnavailable(f"{self.url}: {_last_line(str(error))}") from error

    def jobs(self) -> list[ClusterJob]:
        """Return all jobs that the cluster knows of, the latest last."""
        try:
            with self._asking():
                found = [_job(details) for details in self._client.list_jobs()]
        except _Refused as error:
            raise ClusterUnavailable(f"{self.url}: {_last_line(str(error))}") from error
        return sorted(found, key=lambda job: (job.submitted_at or float("inf"), job.id))

    def log(self, id: str) -> str:
        """Return what a submitted job has written so far, stdout and stderr in one; empty where that is nothing.

        Raises:
            ClusterUnavailable: where it cannot be told: the server does not answer, or the job's machine does not.
        """
        try:
            with self._asking():
                return str(self._client.get_job_logs(id))
        except _Refused as error:
            if error.status == _NOT_FOUND:
                return ""
            raise ClusterUnavailable(f"{self.url}: the log of {id}: {_last_line(str(error))}") from error

    def tail(self, id: str) -> AsyncIterator[str]:
        """Yield what a job writes, from the beginning of its log, as it comes; whatever ends it early is raised."""
        tail: AsyncIterator[str] = self._client.tail_job_logs(id)
        return tail

    def stop(self, id: str) -> None:
        """Ask a job to end.

        Raises:
            InvalidSpec: where the job was not submitted, so that the server does not have it in hand.
        """
        try:
            with self._asking():
                self._client.stop_job(id)
        except _Refused as error:
            raise InvalidSpec(f"{id}: {_last_line(str(error))}") from error

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            raise refused(self.url, sent=True) from error
        except OSError as error:  # those of its HTTP client are all of this kind
            raise ClusterUnavailable(f"{self.url}: the job server does not answer: {error}") from error


def _of_head(address: str) -> str:
    server = ask_head(address).job_server
    if not server:
        raise InvalidSpec(
            f"--address {address}: expected a cluster with a job server, found none: its head was started without "
            "dashboard"
        )
    if is_loopback(_host(server)) and not is_loopback(_host(address)):  # who asks from elsewhere would ask himself
        raise InvalidSpec(
            f"--address {address}: expected a job server that other machines reach, found one on the head's loopback "
            f"alone, {server}; open a tunnel to it and give its end here, as http://127.0.0.1:PORT"
        )
    return f"http://{server}"


def _require_token(address: str, sent: bool, *, insecure: bool) -> None:
    if not (sent or insecure or is_loopback(_host(address))):
        raise InvalidSpec(
            f"--address {address}: expected a token for a cluster on another machine, found none: whoever reaches a "
            "job server without one may run code there; put the cluster's token into a file and its path into "
            "RAY_AUTH_TOKEN_PATH, or say --insecure where the network keeps others out"
        )


def _host(address: str) -> str:
    """Return the host of `http(s)://HOST:PORT` or `HOST:PORT`."""
    return urlsplit(address if "://" in address else f"//{address}").hostname or ""


def _require_listener(url: str) -> None:
    parts = urlsplit(url)
    try:
        where = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
        socket.create_connection(where, timeout=ANSWER_TIMEOUT_S).close()
    except (OSError, OverflowError, ValueError, KeyError) as error:
        raise _no_server(url, error) from error


def _require_same_ray(url: str, found: str) -> None:
    own = ray.__version__
    if found.split(".")[:2] != own.split(".")[:2]:
        raise InvalidSpec(
            f"--address {url}: expected a cluster with Ray {own} as here, found Ray {found}; "
            "install the same here, or give the address of another cluster"
        )


def _no_server(url: str, found: object) -> InvalidSpec:
    return InvalidSpec(
        f"--address {url}: expected the job server of a cluster (http://HOST:8265 by default) or its head (HOST:6379), "
        f"found none: {found}; look whether the cluster runs and its port is reached from here"
    )


@contextmanager
def _argument_before_environment(url: str) -> Iterator[None]:
    """Let Ray take the address it is given: by itself it prefers this variable, then RAY_ADDRESS."""
    variable = RAY_API_SERVER_ADDRESS_ENVIRONMENT_VARIABLE
    before = os.environ.get(variable)
    os.environ[variable] = url
    try:
        yield
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before


def _job(details: JobDetails) -> ClusterJob:
    return ClusterJob(
        id=details.submission_id or details.job_id or "",
        submitted=details.type is JobType.SUBMISSION,
        status=str(details.status),
        entrypoint=details.entrypoint,
        submitted_at=_seconds(details.start_time),
        ended=_seconds(details.end_time),
        exit_code=details.driver_exit_code,
        error=str(details.error_type or ""),
        message=details.message or "",
    )


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _last_line(text: str) -> str:
    """Return the line of a server's traceback that says what is wrong."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"
