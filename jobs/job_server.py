"""Which job server a command talks to: `--address`, else the variables that Ray's own tools read."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jobs.runtime_env import hides_secret
from revsearch.errors import InvalidSpec
from revsearch.specs import did_you_mean, option

if TYPE_CHECKING:
    from revsearch.stages.cluster_job import ClusterJob
    from revsearch.stages.job_server import JobServer

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """Which cluster, and whether to trust the way to it."""

    address: str | None = option(
        None,
        help="the cluster: its job server http://HOST:8265, or its head HOST:6379 (default: RAY_API_SERVER_ADDRESS, "
        "RAY_ADDRESS)",
    )
    insecure: bool = option(False, help="go to a cluster on another machine without a token")

    def conflicts(self) -> Iterator[str]:
        """Yield what is wrong with the address."""
        try:
            server_address(self.address, os.environ)
        except InvalidSpec as error:
            yield from error.problems

    def server(self) -> "JobServer":
        """Connect.

        Raises:
            InvalidSpec: where nobody is there, or does not let us in.
        """
        from revsearch.stages.job_server import JobServer

        return JobServer.at(server_address(self.address, os.environ), insecure=self.insecure)


def jobs_of(server: "JobServer", ids: Sequence[str]) -> "list[ClusterJob]":
    """Return the jobs of those ids.

    Raises:
        InvalidSpec: with every id that no job has.
    """
    found = [server.job(id) for id in ids]
    if missing := [id for id, job in zip(ids, found, strict=True) if job is None]:
        known = [job.id for job in server.jobs()]
        raise InvalidSpec(
            *(f"expected a job of {server.url}, found none named {id!r}{did_you_mean(id, known)}" for id in missing)
        )
    return [job for job in found if job is not None]


def server_address(given: str | None, environment: Mapping[str, str]) -> str:
    """Return the address to talk to.

    Raises:
        InvalidSpec: where there is none, or it is none of a job server or head.
    """
    named = {"--address": given, **{name: environment.get(name) for name in VARIABLES}}
    source, address = next(((name, value) for name, value in named.items() if value), ("", ""))
    if not address:
        raise InvalidSpec(
            "--address: required: the cluster's job server, such as http://HOST:8265 "
            f"(or in {VARIABLES[0]}); cluster/local.py starts a cluster on this machine"
        )
    if hides_secret(address):
        raise InvalidSpec(
            f"{source}: expected an address without user and password; a token goes by RAY_AUTH_TOKEN_PATH"
        )
    if not _is_address(address):
        raise InvalidSpec(f"{source}: expected http://HOST:8265 or HOST:6379, found {address!r}")
    return address


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"head://{address}")
        return (bool(parts.hostname) and parts.scheme in ("http", "https")) or (
            parts.scheme == "head" and bool(parts.port)
        )
    except ValueError:
        return False
