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
import signal
import socket
import sys
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
TOKEN = Path("~/.config/revsearch/local-cluster-token").expanduser()
LOOK_S = 0.5
ANSWER_TIMEOUT_S = 60.0


def main() -> int:
    """Start the cluster, say how to reach it, and wait for a signal; return the exit code."""
    asked = _arguments()
    for name, port in {"--port": asked.port, "--dashboard-port": asked.dashboard_port}.items():
        if _answers(port):
            print(f"{name}: expected a free port, found {port} in use: give another", file=sys.stderr)
            return 2
    settings = _settings(asked)
    os.environ.update(settings)
    # Only now, because Ray reads its environment as it is imported.
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(
            gcs_server_port=asked.port,
            dashboard_port=asked.dashboard_port,
            dashboard_host=LOOPBACK,
            include_dashboard=True,
            dashboard_agent_listen_port=_free_port(),
            **_node(asked),
        )
        for _ in range(asked.nodes - 1):
            cluster.add_node(**_node(asked))
        signal.signal(
            signal.SIGTERM, signal.default_int_handler
        )  # in the place of Ray's, which waits 30 s for what may still run
        _wait_for(asked.dashboard_port)
        _tell(asked, settings)
        while not any(node.dead_processes() for node in cluster.list_all_nodes()):
            time.sleep(LOOK_S)
        print("a process of the cluster has ended by itself: so the cluster ends", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave processes behind
        cluster.shutdown()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1, help="nodes, each with CPUs and GPUs of its own")
    parser.add_argument("--num-cpus", type=int, default=os.cpu_count(), help="CPUs a node")
    parser.add_argument("--num-gpus", type=int, default=0, help="GPUs a node")
    parser.add_argument("--object-store-memory", type=int, default=None, help="bytes a node")
    parser.add_argument("--port", type=int, default=6379, help="port of the head")
    parser.add_argument("--dashboard-port", type=int, default=8265, help="port of the job server and dashboard")
    return parser.parse_args()


def _settings(asked: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the cluster, and of those who use it."""
    return {
        "RAY_ADDRESS": f"{LOOPBACK}:{asked.port}",
        "RAY_API_SERVER_ADDRESS": f"http://{LOOPBACK}:{asked.dashboard_port}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file()),
        # Else Ray puts the machine's outside address in the loopback's place.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Jobs are started as `python -m jobs.…`: by the Python that Ray runs in.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def _token_file() -> Path:
    """Return the file with the token, made for this user's eyes only where it is not there."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_hex(32))
    return path


def _node(asked: argparse.Namespace) -> dict[str, object]:
    sizes = {name: getattr(asked, name) for name in ("num_cpus", "num_gpus", "object_store_memory")}
    return {"node_ip_address": LOOPBACK, **{name: size for name, size in sizes.items() if size is not None}}


def _tell(asked: argparse.Namespace, settings: dict[str, str]) -> None:
    print(f"# {asked.nodes} x {asked.num_cpus} CPUs; Ctrl-C here ends it. In another shell:")
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        print(f"export {name}={shlex.quote(settings[name])}")
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
