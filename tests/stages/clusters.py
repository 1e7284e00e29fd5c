"""Clusters of several nodes on this machine, and killing one as if its machine were lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from tests.stages.processes import descendants, named

_OBJECTS = 100 * 2**20  # bytes a node may hold; what it gets by itself is a third of the machine
_LOOK_EVERY_S = 0.01


class Nodes:
    """A head, and nodes of one CPU each."""

    def __init__(self, n: int, head_cpus: int = 0) -> None:
        self._cluster: Any = Cluster(
            initialize_head=True, head_node_args={**_node(head_cpus), "include_dashboard": False}
        )
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
            self._nodes.append(self._cluster.add_node(**_node(1)))

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


def _node(cpus: int) -> dict[str, Any]:
    return {"num_cpus": cpus, "object_store_memory": _OBJECTS}


def _raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return int(info.process.pid)
