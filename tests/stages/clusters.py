"""Clusters of several nodes on this machine, and killing one as if its machine were lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from tests.stages.processes import descendants, named, open_pids, wait_for_end

_OBJECTS = 100 * 2**20  # bytes a node may hold; what it gets by itself is a third of the machine
_STARTS = 3
_END_S = 60.0
_LOOK_EVERY_S = 0.01


class Nodes:
    """A head, and nodes of one CPU each."""

    def __init__(self, n: int, head_cpus: int = 0) -> None:
        self._cluster: Any = Cluster()
        self._add(head_cpus, include_dashboard=False)
        self._nodes: list[Any] = []
        self.fill(n)

    @property
    def address(self) -> str:
        """What a driver connects to."""
        return str(self._cluster.address)

    @property
    def ids(self) -> set[str]:
        """Of the nodes that are not the head."""
        return {str(node.node_id) for node in self._nodes}

    def fill(self, n: int) -> None:
        """Add nodes until there are `n`."""
        while len(self._nodes) < n:
            self._nodes.append(self._add(1))

    def busy(self, work: str) -> set[str]:
        """Return the nodes with a process of that name: `ray::` and a task, or an actor and its method."""
        return {str(node.node_id) for node in self._nodes if named(descendants(_raylet(node)), work)}

    def kill(self, id: str) -> None:
        """Kill all processes of a node at once."""
        (lost,) = [node for node in self._nodes if node.node_id == id]
        self._nodes.remove(lost)
        self._cluster.remove_node(lost, allow_graceful=False)

    def shutdown(self) -> None:
        """Stop all nodes."""
        self._cluster.shutdown()

    def _add(self, cpus: int, **arguments: Any) -> Any:
        """Add a node; Ray gives one 30 s to start, which is little on a machine that is full."""
        for _ in range(_STARTS - 1):
            with suppress(Exception):
                return self._cluster.add_node(num_cpus=cpus, object_store_memory=_OBJECTS, **arguments)
        return self._cluster.add_node(num_cpus=cpus, object_store_memory=_OBJECTS, **arguments)


class Watch:
    """What was seen of a job while it ran, and the node that was killed meanwhile."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.killed = ""


@contextmanager
def cluster_of(n: int, head_cpus: int = 0) -> Iterator[Nodes]:
    """Start a head and `n` nodes, and stop them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Nodes(n, head_cpus)
        try:
            yield nodes
        finally:
            nodes.shutdown()


@contextmanager
def watched(nodes: Nodes, work: str, kill_when: Callable[[], bool] | None = None) -> Iterator[Watch]:
    """Note meanwhile the nodes where work of that name is done; kill one of them as soon as that may be."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.is_set():
            busy = nodes.busy(work)
            watch.seen |= busy
            if busy and not watch.killed and kill_when is not None and kill_when():
                watch.killed = min(busy)
                nodes.kill(watch.killed)
            time.sleep(_LOOK_EVERY_S)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield watch
    finally:
        over.set()
        looker.join()


@contextmanager
def node_that_does_not_see(hidden: Path, address: str) -> Iterator[None]:
    """Add a node of one CPU for which a folder is empty: its processes have mounts of their own.

    It is as a machine that has no part in the folder. Skips where the system does not let us.
    """
    mount = 'mount -t tmpfs none "$1"'
    ray_start = '"$2" -m ray.scripts.scripts start --address="$3" --num-cpus=1 --object-store-memory="$4" --block'
    own_mounts = ["unshare", "--mount", "sh", "-c"]
    may = subprocess.run([*own_mounts, mount, "sh", hidden], capture_output=True, check=False)
    if may.returncode:
        pytest.skip(f"no mounts of our own on this system: {may.stderr.decode().strip()}")
    process = subprocess.Popen(
        [*own_mounts, f"{mount} && exec {ray_start}", "sh", hidden, sys.executable, address, str(_OBJECTS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watched = open_pids([process.pid, *descendants(process.pid)])
        process.terminate()
        process.communicate()
        wait_for_end(watched, _END_S)


def _raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return int(info.process.pid)
