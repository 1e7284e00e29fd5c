"""The cluster of cluster/local.py: two nodes, for this user and this machine alone, and gone when it ends."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.ray_cluster import LOCAL, RayCluster, ray_cluster
from tests.servers.server import free_port

_LISTENS = "0A"


def listening(pids: list[int]) -> set[str]:
    """Return the addresses, in the kernel's own spelling, that some processes listen on."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(descriptor.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].rpartition(":")[0])
    return found


@pytest.mark.slow
def test_two_nodes_on_loopback_with_a_token_and_nothing_left_of_them(tmp_path: Path) -> None:
    with ray_cluster(tmp_path, "--nodes", 2, "--num-cpus", 1) as cluster:
        token = tmp_path / "token"
        assert stat.S_IMODE(token.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
        assert len(token.read_text()) == 64
        told = cluster.run("-c", "import ray; ray.init(); print(len(ray.nodes()), ray.cluster_resources()['CPU'])")
        assert told.stdout.split() == ["2", "2.0"], told.stderr
        assert listening(cluster.pids) <= {"0100007F", "0000000000000000FFFF00000100007F"}
        refuses_a_port_in_use(cluster)


def refuses_a_port_in_use(cluster: RayCluster) -> None:
    port = cluster.address.rpartition(":")[2]
    command = [sys.executable, LOCAL, "--port", port, "--dashboard-port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert port in done.stderr
