"""Connecting to Ray, and bringing errors home from its workers."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from revsearch.errors import InvalidSpec, RevsearchError
from revsearch.specs import Resources
from revsearch.stages.head import ANSWER_TIMEOUT_S, ask_head, no_cluster, require_same_versions

_LOOPBACK = "127.0.0.1"

_LOG = logging.getLogger(__name__)

# How a worker's death looks from outside; Ray Data wraps them, so that `own_errors` digs for them.
WORKER_DEATHS = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.ActorDiedError,
    ray.exceptions.ActorUnavailableError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.OutOfMemoryError,
)


def connect(resources: Resources) -> None:
    """Connect this process to Ray: the address asked for, or RAY_ADDRESS, or a new local Ray on 127.0.0.1.

    Raises:
        InvalidSpec: where the cluster does not answer or runs another version.
    """
    if ray.is_initialized():
        return
    address = resources.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    if not address:
        _LOG.info("starting Ray on this machine, which takes some seconds")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a local run tells nobody
        # Ray turns its token authentication on by itself, and says so with a warning at each start.
        logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
        _stay_on_loopback()  # else it listens on all addresses
        with _own_sigterm():
            ray.init(address="local", include_dashboard=False, _node_ip_address=_LOOPBACK, **options)
        return
    _require_answer(address)
    try:
        with _own_sigterm():
            ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InvalidSpec(f"--address {address}: cannot connect with Ray {ray.__version__}: {error}") from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep this process's own handler of SIGTERM, where it has one: Ray's prints a stack and aborts after 3 s."""
    own = signal.getsignal(signal.SIGTERM)
    yield
    if callable(own) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, own)


def n_cpus() -> int:
    """Return the CPUs of the connected cluster."""
    return max(1, int(_resources().get("CPU", 1)))


def n_gpus() -> float:
    """Return the GPUs of the connected cluster."""
    return float(_resources().get("GPU", 0))


def nodes() -> list[tuple[str, int]]:
    """Return the id and the CPUs of each node that has any."""
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # Ray declares no types here
    return [(node["NodeID"], n) for node in alive if (n := int(node["Resources"].get("CPU", 0)))]


def on_node(node_id: str) -> NodeAffinitySchedulingStrategy:
    """Place an actor on a node while that node is there, else anywhere."""
    return NodeAffinitySchedulingStrategy(node_id, soft=True)


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise our own error of a worker, or a worker's death, as itself in place of Ray's wrapping."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise (_find(error, RevsearchError) or _find(error, WORKER_DEATHS) or error) from error


def stream(task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], *, ahead: int) -> Iterator[Any]:
    """Run a Ray task on each tuple of arguments and yield the results in order, `ahead` tasks under way at most.

    So the driver holds a few results, however many there are.
    """
    pending: list[Any] = []
    with own_errors():
        for each in arguments:
            pending.append(task(*each))
            if len(pending) > ahead:
                yield ray.get(pending.pop(0))
        while pending:
            yield ray.get(pending.pop(0))


def _require_answer(address: str) -> None:
    """Raise InvalidSpec where no cluster of our kind answers at `host:port`: Ray by itself tries for many minutes."""
    if address.startswith(("http://", "https://")):
        raise InvalidSpec(
            f"--address {address}: expected the head of a cluster as HOST:PORT (6379 by default), found the address of "
            "a job server; `revsearch submit` takes that"
        )
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # `auto`, or no address at all: Ray tells at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise no_cluster(address, error) from error
    if address.startswith("ray://"):
        return  # a server of another protocol stands before the head
    head = ask_head(address)
    require_same_versions(address, head)
    if head.on_loopback:
        _stay_on_loopback()


def _stay_on_loopback() -> None:
    """Keep Ray from putting the machine's outside address in the loopback's place, as 2.60 does."""
    ray_constants.ENABLE_RAY_CLUSTER = False


def _resources() -> dict[str, float]:
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray declares no types here
    return found


def _find(error: BaseException | None, kinds: type[Exception] | tuple[type[Exception], ...]) -> Exception | None:
    while error is not None:
        # Ray keeps a task's error here, beside Python's own chain. What it raises is of a class made of both, which
        # says the worker's traceback for a message and has lost what our error knows.
        cause = getattr(error, "cause", None)
        if isinstance(cause, BaseException):
            error = cause
        elif isinstance(error, kinds):
            return error
        else:
            error = error.__cause__
    return None
