"""Stores behind a proxy that answers wrongly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from revsearch.storage.opening import open_store
from revsearch.storage.store import Store
from tests.servers.faulty import Plan, Proxy, faulty, none
from tests.servers.server import Server


@dataclass(frozen=True)
class Reached:
    """A store, the proxy that it is reached by, and the same store reached past it."""

    store: Store
    proxy: Proxy
    truth: Store

    def by(self, plan: Plan) -> Store:
        """The store, from now on by another plan."""
        self.proxy.reset(plan)
        return self.store


@pytest.fixture(params=["moto", pytest.param("radosgw", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the S3 servers; a mock is enough to be quick."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def reached(server: Server, in_environment_of: Callable[..., None]) -> Iterator[Reached]:
    """An empty store in each of the servers."""
    with _reached(server, in_environment_of) as found:
        yield found


@pytest.fixture
def moto_reached(moto: Server, in_environment_of: Callable[..., None]) -> Iterator[Reached]:
    """One in moto alone: it checks no signature, so that a proxy can change what is signed."""
    with _reached(moto, in_environment_of) as found:
        yield found


@pytest.fixture
def radosgw_reached(radosgw: Server, in_environment_of: Callable[..., None]) -> Iterator[Reached]:
    """One in radosgw alone: it checks what bodies are said to be."""
    with _reached(radosgw, in_environment_of) as found:
        yield found


@contextmanager
def _reached(server: Server, in_environment_of: Callable[..., None]) -> Iterator[Reached]:
    bucket = server.make_bucket()
    in_environment_of(server)
    truth = open_store(f"{bucket}/a")
    with faulty(server, none) as proxy:
        in_environment_of(proxy.server)
        yield Reached(open_store(f"{bucket}/a"), proxy, truth)
