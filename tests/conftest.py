"""What every test may ask for."""

import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.catalogue import module_name
from jobs.command import ENVIRONMENT
from jobs.launch import execute
from tests.servers import radosgw as ceph
from tests.servers.faulty import Proxy, faulty
from tests.servers.server import Server

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # no test starts a Ray by accident, and none leaves it to the next

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test images beside the checkout; tests that ask for it skip where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no test data at {SHARED_DATA}")
    return SHARED_DATA


@dataclass(frozen=True)
class Told:
    """What a command told the world."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of stdout."""
        return self.out.splitlines()[-1] if self.out else ""

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def revsearch() -> Iterator[Callable[..., Told]]:
    """Run a command in this process, as its command line would: `revsearch("ls", "--json", REVSEARCH_STORE="…")`.

    Ray stays connected between commands: it is started once a session.
    """

    def run(name: str, *arguments: object, **environment: str) -> Told:
        command = importlib.import_module(module_name(name)).COMMAND
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for variable in ENVIRONMENT.values():
                patch.delenv(variable, raising=False)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            code = execute(command, list(map(str, arguments)))
        return Told(code, out.getvalue(), err.getvalue())

    yield run
    if cluster := sys.modules.get("revsearch.stages.cluster"):
        cluster.leave()


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects to Ray, fails."""
    from revsearch.stages import cluster

    def connect(*_: object) -> None:
        pytest.fail("Ray was asked for")

    monkeypatch.setattr(cluster, "connect", connect)


@pytest.fixture(scope="session")
def moto() -> Iterator[Server]:
    """moto's S3 server; its buckets are shared by all tests of the session."""
    from tests.servers.moto import moto  # takes seconds to import

    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def radosgw() -> Iterator[Server]:
    """Ceph's S3 server; tests that ask for it skip where it is not installed."""
    if missing := ceph.missing_programs():
        pytest.skip(f"no {', '.join(missing)} here: apt-get install radosgw ceph-mon ceph-osd")
    with ceph.radosgw() as server:
        yield server


@pytest.fixture
def in_environment_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let this process, and those it starts, talk to a server and to nothing of the developer's own.

    `in_environment_of(server, AWS_REGION="…")` changes single variables; None takes one out.
    """
    from revsearch.storage.s3 import client

    changes: list[dict[str, str | None]] = []

    def set_environment(server: Server, **changed: str | None) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in (server.environment | changed).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        if changed:  # clients are kept by their endpoint alone
            client.forget()
            changes.append(changed)

    yield set_environment
    if changes:
        client.forget()


@pytest.fixture
def proxy(moto: Server, in_environment_of: Callable[..., None]) -> Iterator[Proxy]:
    """A proxy before moto's server, to which this process and those it starts talk; it fails as it is told."""
    with faulty(moto) as proxy:
        in_environment_of(proxy.server)
        yield proxy
