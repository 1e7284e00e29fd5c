"""What tests that kill processes share: pictures to work on, starting commands, and watching what these start."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.imaging.drawing import draw_collection
from revsearch.storage.artifact import Artifact, load
from revsearch.storage.local import LocalStore
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store

_SAME = 1e-5


@dataclass(frozen=True)
class Collection:
    """Drawn pictures, to be made a manifest in any store."""

    folder: Path
    ids: list[str]
    by_hand_in: Callable[[LocalStore], Any]

    def manifest_in(self, store: LocalStore, *, labelled: bool = False) -> str:
        """Commit the manifest, each folder a class where it is labelled, and return its id."""
        labels = [id.split("/")[-2] for id in self.ids] if labelled else None
        return str(self.by_hand_in(store).manifest(self.ids, root=self.folder, labels=labels, block_rows=100))


def embedding(collection: Collection, store: Any) -> subprocess.Popen[str]:
    """Start the embedding of a collection, with a Ray of its own, into a store."""
    manifest = collection.manifest_in(store)
    return start("jobs.embed", "--manifest", manifest, "--encoder", "color-histogram", "--store", store.uri)


Made = tuple[Store, Artifact]


def require_same_account(ours: Made, theirs: Made) -> None:
    """Same id, counts and reasons."""
    assert ours[1].id == theirs[1].id
    assert ours[1].card.counts == theirs[1].card.counts
    reasons = [{reject.id: reject.reason for reject in read_rejects(*side)} for side in (ours, theirs)]
    assert reasons[0] == reasons[1]


def require_same_embeddings(
    ours: Made, theirs: Made, read_vectors: Callable[..., dict[str, NDArray[np.float32]]]
) -> None:
    """Same account, and vectors within 1e-5."""
    require_same_account(ours, theirs)
    left, right = read_vectors(*ours), read_vectors(*theirs)
    assert list(left) == list(right)
    assert np.abs(np.array(list(left.values())) - np.array(list(right.values()))).max() < _SAME


def drawn(folder: Path, by_hand_in: Callable[[LocalStore], Any], which: str = "**/*") -> Collection:
    """Draw the demo's pictures into a folder; `which` of the files are taken."""
    draw_collection(folder)
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.glob(which) if path.is_file())
    return Collection(folder, ids, by_hand_in)


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a command (`jobs.embed`) with a Ray of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finished(store: LocalStore, process: subprocess.Popen[str], deadline_s: float) -> Artifact:
    """Wait for the end of a command and return what it made."""
    try:
        out, err = process.communicate(timeout=deadline_s)
    finally:
        process.kill()  # nothing where it has ended
    assert process.returncode == 0, err
    return load(store, out.splitlines()[-1])


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool], deadline_s: float) -> None:
    """Wait until a running command has come so far."""
    ends = time.monotonic() + deadline_s
    while not reached():
        assert time.monotonic() < ends, f"it has not come so far within {deadline_s} s"
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"it ended before it was disturbed: {process.communicate()[1]}")


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that these did."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [each for child in children for each in descendants(child)]


def wait_for_end(watched: list[int], deadline_s: float) -> None:
    """Wait until every process (by its pidfd) has ended."""
    poll, left = select.poll(), set(watched)
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    ends = time.monotonic() + deadline_s
    while left:
        ready = poll.poll(max(0.0, ends - time.monotonic()) * 1000)
        assert ready, f"{len(left)} of {len(watched)} processes are still there after {deadline_s} s"
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            left.discard(descriptor)
            os.close(descriptor)


def open_pids(pids: list[int]) -> list[int]:
    opened = []
    for pid in pids:
        try:
            opened.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return opened


def named(pids: list[int], name: str) -> list[int]:
    """Those of some processes whose command line begins with a name, as Ray gives its workers one."""
    return [pid for pid in pids if _command(pid).startswith(name)]


def mentioning(text: str) -> list[int]:
    """All processes of this machine whose command line holds a text."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if text in _command(int(entry.name))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
