"""Clusters of several nodes on this machine, and killing one as if its machine were lost."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private import ray_constants
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.cluster_utils import Cluster

from revsearch.stages.nodes import working_nodes
from tests.stages.processes import descendants, mentioning, named, open_pids, wait_for_end

_OBJECTS = 100 * 2**20  # bytes a node may hold; what it gets by itself is a third of the machine
_STARTS = 3
_FAKE = {"type": "fake_multinode", "use_node_id_as_ip": True, "disable_node_updaters": True}
_GROWING = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
_START_S = 120.0
_END_S = 60.0
_LOOK_EVERY_S = 0.01


class Nodes:
    """A head, and nodes of one CPU each."""

    def __init__(self, n: int, head_cpus: int = 0) -> None:
        self._cluster: Any = Cluster()
        self._head = self._add(head_cpus, include_dashboard=False)
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
        _forget_server(lost)

    def shutdown(self) -> None:
        """Stop all nodes."""
        self._cluster.shutdown()
        for node in (self._head, *self._nodes):
            _forget_server(node)

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
    with _environment():
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
def growing_cluster(most: int) -> Iterator[str]:
    """Start a head without CPUs whose autoscaler starts up to so many nodes of one CPU; gives its address.

    Ray's own stand-in for a cloud: the autoscaler is the real one, nodes are processes of this machine.
    """
    port = _free_port()
    address = f"{ray.util.get_node_ip_address()}:{port}"
    with tempfile.TemporaryDirectory() as folder, _environment(**_GROWING):
        config = Path(folder, "autoscaler.json")
        config.write_text(json.dumps(_autoscaler(address, most)))
        cluster: Any = Cluster()
        arguments = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _OBJECTS}
        head = cluster.add_node(**arguments, gcs_server_port=port, autoscaling_config=str(config))
        try:
            yield address
        finally:
            (monitor,) = head.all_processes["monitor"]
            monitor.process.kill()  # it starts no more
            monitor.process.wait()
            started = open_pids(mentioning(head.get_session_dir_path()))  # its nodes, which nobody else ends
            cluster.shutdown()
            for process in started:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            wait_for_end(started, _END_S)


@contextmanager
def _environment(**more: str) -> Iterator[None]:
    """Set what nodes are started with, and this process beside them, whatever Ray was told before.

    No token, and not on loopback: there `ray start` finds no head, as it puts the outside address in its place.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
        for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", **more}.items():
            patch.setenv(name, value)
        reset_auth_token_state()
        yield
    reset_auth_token_state()


def _autoscaler(address: str, most: int) -> dict[str, Any]:
    worker = {"resources": {"CPU": 1, "object_store_memory": _OBJECTS}, "node_config": {}, "max_workers": most}
    return {
        "cluster_name": "growing",
        "max_workers": most,
        "provider": _FAKE | {"gcs_address": address},
        "available_node_types": {"head": {"resources": {}, "node_config": {}, "max_workers": 0}, "worker": worker},
        "head_node_type": "head",
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 10,
        **{name: {} for name in ("docker", "auth", "file_mounts")},
        **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
        **{name: [] for name in ("setup_commands", "head_setup_commands", "worker_setup_commands")},
        **{name: [] for name in ("head_start_ray_commands", "worker_start_ray_commands")},
        "file_mounts_sync_continuously": False,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def node_that_does_not_see(hidden: Path, address: str) -> Iterator[None]:
    """Add a node of one CPU for which a folder is empty: its processes have mounts of their own.

    It is as a machine that has no part in the folder. Skips where the system does not let us.
    """
    mount = 'mount -t tmpfs none "$1"'
    # An agent port of its own: what another Ray on this machine holds would end the node.
    options = '--num-cpus=1 --object-store-memory="$4" --dashboard-agent-listen-port="$5" --block'
    ray_start = f'"$2" -m ray.scripts.scripts start --address="$3" {options}'
    own_mounts = ["unshare", "--mount", "sh", "-c"]
    may = subprocess.run([*own_mounts, mount, "sh", hidden], capture_output=True, check=False)
    if may.returncode:
        pytest.skip(f"no mounts of our own on this system: {may.stderr.decode().strip()}")
    words = [str(hidden), sys.executable, address, str(_OBJECTS), str(_free_port())]
    there = len(working_nodes())
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*own_mounts, f"{mount} && exec {ray_start}", "sh", *words],
            stdout=said,  # a pipe that nobody reads would stop it in the end
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ends = time.monotonic() + _START_S
            while len(working_nodes()) == there:
                if process.poll() is not None or time.monotonic() > ends:
                    said.seek(0)
                    pytest.fail(f"no node after {_START_S} s, exit code {process.poll()}:\n{said.read().decode()}")
                time.sleep(0.1)
            yield
        finally:
            watched = open_pids([process.pid, *descendants(process.pid)])
            process.terminate()
            process.wait()
            wait_for_end(watched, _END_S)


def _forget_server(node: Any) -> None:
    """End the thread that polls a node's server: Ray's exit handler keeps the node until this process ends."""
    assert hasattr(node, "_gcs_client")
    node._gcs_client = None


def _raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return int(info.process.pid)
