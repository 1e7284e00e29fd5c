"""Whole processes that embed into a bucket: two at once, stopped and started again, and over a server that fails."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.storage.artifact import Artifact, verify
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.local import LocalStore
from revsearch.storage.opening import open_store
from revsearch.storage.store import Store
from tests.servers.faulty import Fault, Proxy, faulty, none, share
from tests.servers.server import Server
from tests.stages.processes import Collection, drawn, embedding, finished, require_same_embeddings, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DEADLINE_S = 300.0
STOPPED_S = 30.0


@pytest.fixture(scope="module")
def collection(module_path: Path, by_hand_in: Callable[[LocalStore], Any]) -> Collection:
    """Broken pictures among them."""
    return drawn(module_path / "in", by_hand_in)


@pytest.fixture(scope="module")
def undisturbed(collection: Collection, module_path: Path) -> tuple[Store, Artifact]:
    """What a folder has of it."""
    store = LocalStore(module_path / "undisturbed")
    return store, finished(store, embedding(collection, store), DEADLINE_S)


@pytest.fixture
def proxy(radosgw: Server, in_environment_of: Callable[..., None]) -> Iterator[Proxy]:
    with faulty(radosgw, none) as proxy:
        in_environment_of(proxy.server)
        yield proxy


@pytest.fixture
def store(proxy: Proxy) -> Store:
    """An empty one in a bucket."""
    return open_store(f"{proxy.upstream.make_bucket()}/embedded")


def parts_in(store: Store) -> set[str]:
    return {info.key for info in store.list("embeddings/") if "/part-" in info.key}


def require_same(
    store: Store,
    artifact: Artifact,
    undisturbed: tuple[Store, Artifact],
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    """The same embeddings, whole; and nothing else is there."""
    require_same_embeddings((store, artifact), undisturbed, read_vectors)
    assert list(list_artifacts(store, "embeddings")) == [str(artifact)]
    verify(store, artifact)


def test_two_equal_jobs_at_once_make_one_artifact(
    collection: Collection,
    undisturbed: tuple[Store, Artifact],
    store: Store,
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    processes = [embedding(collection, store) for _ in range(2)]
    one, two = [finished(store, process, DEADLINE_S) for process in processes]
    assert one.card == two.card
    require_same(store, one, undisturbed, read_vectors)


def test_what_is_whole_when_it_is_stopped_is_taken_up(
    collection: Collection,
    undisturbed: tuple[Store, Artifact],
    store: Store,
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    process = embedding(collection, store)
    try:
        wait_until(process, lambda: bool(parts_in(store)), DEADLINE_S)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        _, err = process.communicate(timeout=DEADLINE_S)
        assert time.monotonic() - sent < STOPPED_S
    finally:
        process.kill()
    assert process.returncode == 143, err
    left = parts_in(store)
    assert left
    assert list(list_artifacts(store, "embeddings")) == []

    artifact = finished(store, embedding(collection, store), DEADLINE_S)
    require_same(store, artifact, undisturbed, read_vectors)
    assert left <= parts_in(store)


def test_a_third_of_faults_changes_nothing(
    collection: Collection,
    undisturbed: tuple[Store, Artifact],
    store: Store,
    proxy: Proxy,
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    process = embedding(collection, store)
    proxy.reset(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.LOST))
    try:
        artifact = finished(open_store(store.uri), process, DEADLINE_S)
    finally:
        told = proxy.faults.total()
        proxy.reset(none)
    assert told > 5
    require_same(store, artifact, undisturbed, read_vectors)
