"""Whole processes that embed: killed, started again, and two at once. Each has a Ray of its own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.storage.artifact import Artifact, verify
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.local import LocalStore
from revsearch.storage.vectors import read_part_rows
from tests.stages.processes import (
    Collection,
    descendants,
    drawn,
    embedding,
    finished,
    open_pids,
    require_same_embeddings,
    wait_for_end,
    wait_until,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DEADLINE_S = 240.0
ORPHANS_S = 180.0  # workers end within two seconds, the agents of Ray itself after a minute


@pytest.fixture(scope="module")
def collection(module_path: Path, by_hand_in: Callable[[LocalStore], Any]) -> Collection:
    """Broken pictures among them."""
    return drawn(module_path / "in", by_hand_in)


@pytest.fixture(scope="module")
def undisturbed(collection: Collection, module_path: Path) -> tuple[LocalStore, Artifact]:
    store = LocalStore(module_path / "undisturbed")
    return store, finished(store, embedding(collection, store), DEADLINE_S)


def parts_in(store: LocalStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.root.glob("embeddings/*/part-*")}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watching processes that are not ours needs Linux")
def test_a_killed_driver_leaves_what_a_second_run_takes_up(
    collection: Collection,
    undisturbed: tuple[LocalStore, Artifact],
    store: LocalStore,
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    process = embedding(collection, store)
    try:
        wait_until(process, lambda: bool(parts_in(store)), DEADLINE_S)
        orphans = open_pids(descendants(process.pid))
    finally:
        process.kill()
        process.communicate()
    assert orphans
    wait_for_end(orphans, ORPHANS_S)
    left = parts_in(store)
    assert left
    assert not list(store.root.glob("embeddings/*/card.json"))
    n_left = sum(len(read_part_rows(path)) for path in store.root.glob("embeddings/*/part-*"))
    assert n_left < len(collection.ids)

    artifact = finished(store, embedding(collection, store), DEADLINE_S)
    require_same_embeddings((store, artifact), undisturbed, read_vectors)
    verify(store, artifact)
    assert left.items() <= parts_in(store).items()
    assert left.keys() <= {part.name for part in artifact.parts("part")}
    n_rows = sum(len(read_part_rows(path)) for path in store.root.glob("embeddings/*/part-*"))
    assert n_rows == len(collection.ids)  # nothing was in flight any more: no row is done twice


def test_two_equal_jobs_at_once_make_one_artifact(
    collection: Collection,
    undisturbed: tuple[LocalStore, Artifact],
    store: LocalStore,
    read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
) -> None:
    processes = [embedding(collection, store) for _ in range(2)]
    one, two = [finished(store, process, DEADLINE_S) for process in processes]
    assert one.card == two.card
    assert list(list_artifacts(store, "embeddings")) == [str(one)]
    require_same_embeddings((store, one), undisturbed, read_vectors)
    verify(store, one)
