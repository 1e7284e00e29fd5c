"""The cluster of cluster/local.py: two nodes, for this user and this machine alone, and gone when it ends."""

import argparse
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

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
    with ray_cluster(tmp_path, "--nodes", 2, "--num-cpus", 1, RAY_AUTH_TOKEN="0" * 64) as cluster:
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


# Its token


@pytest.fixture
def local() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local", LOCAL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "new" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    return path


def test_a_token_is_made_once_for_this_user_alone(local: ModuleType, token: Path) -> None:
    assert local._token_file() == token
    made = token.read_text()
    assert len(made) == 64
    assert stat.S_IMODE(token.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert local._token_file().read_text() == made
    assert list(token.parent.iterdir()) == [token]


def test_an_empty_token_is_none(local: ModuleType, token: Path) -> None:
    token.parent.mkdir()
    token.touch()
    assert len(local._token_file().read_text()) == 64
    assert stat.S_IMODE(token.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


def test_who_is_killed_as_it_makes_the_token_leaves_none(
    local: ModuleType, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first moment at which nothing is written yet."""

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(local.secrets, "token_hex", killed)
    with pytest.raises(KeyboardInterrupt):
        local._token_file()
    assert not token.exists()


def test_another_shell_is_told_of_this_token_alone(
    local: ModuleType, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = argparse.Namespace(nodes=1, num_cpus=1, port=1, dashboard_port=2)
    local._tell(asked, local._settings(asked))
    told = capsys.readouterr().out
    shell = "echo ${RAY_AUTH_TOKEN-none} $RAY_AUTH_TOKEN_PATH"
    done = subprocess.run(
        ["bash", "-c", f"{told}{shell}"], env={"RAY_AUTH_TOKEN": "other"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["none", str(token)]


# Its end


@contextmanager
def handlers_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_signal_leaves_nodes_behind(
    local: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals
) -> None:
    """Ray's own parts replaced by a node that gets another signal as it is ended."""
    ended = []

    class Node:
        gcs_address = "127.0.0.1:1"

        def __init__(self, *_: object, **__: object) -> None:
            pass

        def kill_all_processes(self, **_: object) -> None:
            os.kill(os.getpid(), number)
            ended.append(self)

    monkeypatch.setattr("ray._private.node.Node", Node)
    monkeypatch.setattr("ray._private.utils.write_ray_address", lambda *_: None)
    sizes = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 1}
    asked = argparse.Namespace(nodes=2, port=1, dashboard_port=2, **sizes)
    with handlers_kept(), pytest.raises(KeyboardInterrupt), local._nodes(asked, tmp_path):
        raise KeyboardInterrupt
    assert len(ended) == 2
