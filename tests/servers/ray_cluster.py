"""A Ray cluster on loopback, as cluster/local.py starts it: with a token of its own, and a job server."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import free_port
from tests.stages.processes import descendants, open_pids, wait_for_end

LOCAL = Path(__file__).parents[2] / "cluster/local.py"
_START_S = 180.0
_END_S = 60.0
_PRIVATE = ("RAY_", "AWS_", "REVSEARCH_")  # what a developer may have set


@dataclass(frozen=True)
class RayCluster:
    """A running cluster.

    Attributes:
        environment: what its users need, as it printed it for a shell.
    """

    process: subprocess.Popen[str]
    environment: Mapping[str, str]

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return [self.process.pid, *descendants(self.process.pid)]

    @property
    def url(self) -> str:
        """Its job server."""
        return self.environment["RAY_API_SERVER_ADDRESS"]

    @property
    def address(self) -> str:
        """Its head."""
        return self.environment["RAY_ADDRESS"]

    @property
    def token(self) -> str:
        """What lets its users in."""
        return Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text()

    def run(self, *words: object, **changed: str | None) -> subprocess.CompletedProcess[str]:
        """Run Python with some arguments as a user of the cluster; None takes a variable out."""
        return subprocess.run(
            [sys.executable, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=280,
            env=self.environment_with(**changed),
        )

    def environment_with(self, **changed: str | None) -> dict[str, str]:
        """Return the environment of a user of the cluster."""
        return {name: value for name, value in (plain() | {**self.environment} | changed).items() if value is not None}


def plain() -> dict[str, str | None]:
    """Return this process's environment without what a developer may have set for clusters and stores of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}


@contextmanager
def ray_cluster(folder: Path, *arguments: object, **environment: str) -> Iterator[RayCluster]:
    """Start a cluster with its token in a folder, and end it: nothing of it is left."""
    ports = ("--port", free_port(), "--dashboard-port", free_port())
    process = subprocess.Popen(
        [sys.executable, LOCAL, *map(str, (*ports, *arguments))],
        stdout=subprocess.PIPE,
        stderr=(folder / "cluster.err").open("w"),
        text=True,
        env={**plain(), "RAY_AUTH_TOKEN_PATH": str(folder / "token"), **environment},  # type: ignore[dict-item]  # none
    )
    try:
        cluster = RayCluster(process, _exported(process, folder))
        yield cluster
        watched = open_pids(cluster.pids)
        process.send_signal(signal.SIGINT)
        wait_for_end(watched, _END_S)
    finally:
        process.terminate()  # nothing where it has ended
        process.wait(_END_S)


def _exported(process: subprocess.Popen[str], folder: Path) -> dict[str, str]:
    """Read what it prints for a shell."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    ends = time.monotonic() + _START_S
    while "RAY_AUTH_TOKEN_PATH" not in found:
        line = process.stdout.readline()
        assert line, (folder / "cluster.err").read_text()
        assert time.monotonic() < ends
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            (found[name],) = shlex.split(value)
    return found
