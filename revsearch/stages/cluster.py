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

from revsearch.errors import InvalidSpec, RevsearchError, TransientError, cause_of
from revsearch.specs import Resources
from revsearch.stages.deaths import NODE_DEATHS, WORKER_DEATHS
from revsearch.stages.growth import require_node
from revsearch.stages.head import ANSWER_TIMEOUT_S, ask_head, no_cluster, require_same_versions
from revsearch.stages.shared import require_shared
from revsearch.storage.roots import Place
from revsearch.storage.store import Store

_LOOPBACK = "127.0.0.1"
_HERE = "local"  # Ray's own word for a new one on this machine

_LOG = logging.getLogger(__name__)


def connect(resources: Resources, store: Store | None = None, pictures: Iterable[Place] = ()) -> None:
    """Connect this process to Ray: the address asked for, or RAY_ADDRESS, or a new local Ray on 127.0.0.1.

    Args:
        resources: that tell the address.
        store: what all nodes must reach.
        pictures: places in each root of pictures, which all nodes must reach.

    Raises:
        InvalidSpec: where the cluster does not answer, runs another version, has nothing to work on, or has a node
            that does not see the store or the pictures; where a bucket of pictures is not there, or access is denied.
        TransientError: where a cluster that grows brings up no node.
        StoreUnavailable: where a node gets no answer from the store or the pictures.
    """
    if not ray.is_initialized():
        _join(resources)
    require_node()
    if store is not None:
        require_shared(store, pictures)


def leave() -> None:
    """Disconnect this process from Ray, and end a local one; left to the end of the process it takes longer."""
    ray.shutdown()


def _join(resources: Resources) -> None:
    address = resources.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    if not address or address == _HERE:
        _LOG.info("starting Ray on this machine, which takes some seconds")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a local run tells nobody
        # Ray turns its token authentication on by itself, and says so with a warning at each start.
        logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
        _stay_on_loopback()  # else it listens on all addresses
        with _own_sigterm():
            ray.init(address=_HERE, include_dashboard=False, _node_ip_address=_LOOPBACK, **options)
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
    try:
        yield
    finally:
        if callable(own) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, own)


def n_cpus() -> int:
    """Return the CPUs of the connected cluster."""
    return max(1, int(_resources().get("CPU", 1)))


def n_gpus() -> float:
    """Return the GPUs of the connected cluster."""
    return float(_resources().get("GPU", 0))


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise our own error of a worker, or a worker's death, as itself in place of Ray's wrapping."""
    try:
        yield
    except ray.exceptions.RayError as error:
        found = cause_of(error, RevsearchError) or cause_of(error, *WORKER_DEATHS)
        if found is None or found is error:
            raise
        raise found from error


def stream(task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], *, ahead: int) -> Iterator[Any]:
    """Run a Ray task on each tuple of arguments and yield the results in order, `ahead` tasks under way at most.

    So the driver holds a few results, however many there are.

    Raises:
        RevsearchError: an error of our own that a task raised.
        TransientError: where a task was lost with its node more often than Ray was told to try it.
    """
    pending: list[Any] = []
    try:
        with own_errors():
            for each in arguments:
                pending.append(task(*each))
                if len(pending) > ahead:
                    yield ray.get(pending.pop(0))
            while pending:
                yield ray.get(pending.pop(0))
    except NODE_DEATHS as error:
        raise TransientError(f"nodes died again and again under the same work: {error}") from error


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
