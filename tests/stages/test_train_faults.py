"""Whole processes that train: the driver killed and started again, a worker killed. Each has a Ray of its own."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from revsearch.storage.artifact import Artifact, fetch, load, verify
from revsearch.storage.local import LocalStore
from revsearch.training import History
from tests.stages.processes import (
    Collection,
    descendants,
    drawn,
    finished,
    named,
    open_pids,
    start,
    wait_for_end,
    wait_until,
)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watching processes that are not ours needs Linux"),
]

DEADLINE_S = 300.0
ORPHANS_S = 180.0
EPOCHS, STEPS = 6, 12
ASKED = (
    *("classifier", "--image-size", 64, "--width", 8, "--batch-size", 16, "--lr", 1e-3, "--patience", 0),
    *("--epochs", EPOCHS, "--steps-per-epoch", STEPS, "--rare", "skip"),
)
SAME = 1e-5
_CHECKPOINT = re.compile(r"checkpoint-(\d{6})-")


@pytest.fixture(scope="module")
def collection(module_path: Path, by_hand_in: Callable[[LocalStore], Any]) -> Collection:
    """Folders are classes."""
    return drawn(module_path / "in", by_hand_in, "*/*/*.*")


@pytest.fixture(scope="module")
def undisturbed(collection: Collection, module_path: Path) -> tuple[LocalStore, Artifact]:
    store = LocalStore(module_path / "undisturbed")
    return store, finished(store, training(collection, store), DEADLINE_S)


def training(collection: Collection, store: LocalStore) -> Popen[str]:
    manifest = collection.manifest_in(store, labelled=True)
    return start("jobs.train", *ASKED, "--manifest", manifest, "--store", store.root, "--workers", 2)


def checkpoints_in(store: LocalStore) -> list[int]:
    """Epochs of which there is a checkpoint."""
    names = [path.name for path in store.root.glob("encoder/*/checkpoint-*")]
    return sorted(int(match[1]) for name in names if (match := _CHECKPOINT.match(name)))


def wait_for_epoch(process: Popen[str], store: LocalStore, epoch: int) -> None:
    wait_until(process, lambda: max(checkpoints_in(store), default=0) >= epoch, DEADLINE_S)


def require_same(
    ours: tuple[LocalStore, Artifact], theirs: tuple[LocalStore, Artifact], folder: Path
) -> tuple[History, History]:
    """Same id, counts and epochs; weights within 1e-5; the loss of each step the same."""
    assert ours[1].id == theirs[1].id
    assert ours[1].card.counts == theirs[1].card.counts
    histories = [
        History.from_dict(json.loads(fetch(store, str(made), made.part("history"), folder).read_text()))
        for store, made in (ours, theirs)
    ]
    assert [record.epoch for record in histories[0].epochs] == list(range(1, EPOCHS + 1))
    assert len(histories[0].losses) == EPOCHS * STEPS
    np.testing.assert_allclose(histories[0].losses, histories[1].losses, rtol=1e-4, atol=1e-5)
    weights = [
        safetensors.numpy.load_file(fetch(store, str(made), made.part("weights"), folder))
        for store, made in (ours, theirs)
    ]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        np.testing.assert_allclose(value, weights[1][name], atol=SAME, err_msg=name)
    return histories[0], histories[1]


def test_a_killed_driver_is_resumed_by_the_same_command(
    collection: Collection, undisturbed: tuple[LocalStore, Artifact], store: LocalStore, tmp_path: Path
) -> None:
    process = training(collection, store)
    try:
        wait_for_epoch(process, store, 2)
        orphans = open_pids(descendants(process.pid))
    finally:
        process.kill()
        process.communicate()
    wait_for_end(orphans, ORPHANS_S)
    reached = max(checkpoints_in(store))
    assert not list(store.root.glob("encoder/*/card.json"))

    again = training(collection, store)
    out, err = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0, err
    assert f"going on after epoch {reached}" in err
    artifact = load(store, out.splitlines()[-1])
    verify(store, artifact)
    require_same((store, artifact), undisturbed, tmp_path)
    assert not checkpoints_in(store), "checkpoints of a committed run stay behind"


def test_a_killed_worker_costs_what_came_after_the_last_checkpoint(
    collection: Collection, undisturbed: tuple[LocalStore, Artifact], store: LocalStore, tmp_path: Path
) -> None:
    process = training(collection, store)
    wait_for_epoch(process, store, 2)
    workers = named(descendants(process.pid), "ray::RayTrainWorker")
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    artifact = finished(store, process, DEADLINE_S)
    verify(store, artifact)
    require_same((store, artifact), undisturbed, tmp_path)


def test_sigterm_ends_a_run_in_time_and_leaves_its_checkpoints(collection: Collection, store: LocalStore) -> None:
    process = training(collection, store)
    try:
        wait_for_epoch(process, store, 1)
        process.terminate()
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == "revsearch: exit=143 reason=terminated"
    assert checkpoints_in(store)
