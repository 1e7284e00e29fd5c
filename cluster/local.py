#!/usr/bin/env python3
"""A cluster on this machine, reached from this machine alone, in the foreground; Ctrl-C ends it, and no other.

    python cluster/local.py [--nodes 2] [--num-cpus 2] [--port 6379] [--dashboard-port 8265]

It prints what another shell needs to use it. Its token lies in RAY_AUTH_TOKEN_PATH, or else in a file of yours that is
made when it is first needed. `ray stop` would stop every Ray of this machine: do not use it.
"""

import argparse
import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
BEFORE_ANY_PATH = "RAY_AUTH_TOKEN"  # where Ray finds a token in it, it uses that one and not the one told
TOKEN = Path("~/.config/revsearch/local-cluster-token").expanduser()
LOOK_S = 0.5
ANSWER_TIMEOUT_S = 120.0


def main() -> int:
    """Start the cluster, say how to reach it, and wait for a signal; return the exit code."""
    asked = _arguments()
    for name, port in {"--port": asked.port, "--dashboard-port": asked.dashboard_port}.items():
        if _answers(port):
            print(f"{name}: expected a free port, found {port} in use: give another", file=sys.stderr)
            return 2
    settings = _settings(asked)
    # Jobs are started as `python -m jobs.…`: by the Python that Ray runs in.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ.update(settings, PATH=path)
    os.environ.pop(BEFORE_ANY_PATH, None)
    # A folder of its own: by the default one's, a job would be sent to the cluster that was started last here.
    folder = Path(tempfile.mkdtemp(prefix="revsearch-", dir="/tmp"))  # paths of sockets must be short
    try:
        with _nodes(asked, folder) as nodes:
            _wait_for(asked.dashboard_port)
            _tell(asked, settings)
            while not any(node.dead_processes() for node in nodes):
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(
        f"a process of the cluster has ended by itself, and so the cluster; its logs are in {folder}", file=sys.stderr
    )
    return 1


@contextmanager
def _nodes(asked: argparse.Namespace, folder: Path) -> Iterator[list[Any]]:
    """Start the nodes, the head first, and end their processes."""
    # Only now, because Ray reads its environment as it is imported.
    from ray._private.node import Node
    from ray._private.parameter import RayParams
    from ray._private.utils import write_ray_address

    def start(*, head: bool, **parameters: Any) -> Any:
        sizes = {name: getattr(asked, name) for name in ("num_cpus", "num_gpus", "object_store_memory")}
        own = RayParams(node_ip_address=LOOPBACK, temp_dir=str(folder), **sizes, **parameters)
        return Node(own, head=head, shutdown_at_exit=True, spawn_reaper=True)

    nodes = []
    try:
        head = start(
            head=True,
            gcs_server_port=asked.port,
            include_dashboard=True,
            dashboard_host=LOOPBACK,
            dashboard_port=asked.dashboard_port,
            dashboard_agent_listen_port=_free_port(),
        )
        nodes.append(head)
        write_ray_address(head.gcs_address, str(folder))
        for _ in range(asked.nodes - 1):
            other = {"gcs_address": head.gcs_address, "include_log_monitor": False, "dashboard_agent_listen_port": None}
            nodes.append(start(head=False, **other))
        # Ray's own handler waits 30 s for what may still run, and a shell's background takes no SIGINT.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        yield nodes
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second one would leave processes behind
        for node in reversed(nodes):
            node.kill_all_processes(check_alive=False, allow_graceful=True, wait=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1, help="nodes, each with CPUs and GPUs of its own")
    parser.add_argument("--num-cpus", type=int, default=os.cpu_count(), help="CPUs a node")
    parser.add_argument("--num-gpus", type=int, default=0, help="GPUs a node")
    parser.add_argument("--object-store-memory", type=int, default=256 * 2**20, help="bytes a node")
    parser.add_argument("--port", type=int, default=6379, help="port of the head")
    parser.add_argument("--dashboard-port", type=int, default=8265, help="port of the job server and dashboard")
    return parser.parse_args()


def _settings(asked: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the cluster, and of those who use it."""
    return {
        "RAY_ADDRESS": f"{LOOPBACK}:{asked.port}",
        "RAY_API_SERVER_ADDRESS": f"http://{LOOPBACK}:{asked.dashboard_port}",
        "RAY_AUTH_MODE": "token",
        # Else Ray puts the machine's outside address in the loopback's place.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_TOKEN_PATH": str(_token_file()),
    }


def _token_file() -> Path:
    """Return the file with the token, made for this user's eyes only where it is not there."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        # Renamed when it is whole: whoever is killed in between leaves no empty one. mkstemp's files are 0600.
        descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        Path(written).replace(path)
    return path


def _tell(asked: argparse.Namespace, settings: dict[str, str]) -> None:
    print(f"# {asked.nodes} x {asked.num_cpus} CPUs; Ctrl-C here ends it. In another shell:")
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"unset {BEFORE_ANY_PATH}")
    sys.stdout.flush()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while not _answers(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job server does not answer on port {port} after {ANSWER_TIMEOUT_S:.0f} s")
        time.sleep(LOOK_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
