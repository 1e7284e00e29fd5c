"""What the head of a cluster says of itself, before Ray is let loose on it: Ray by itself tries for many minutes."""

import ipaddress
import json
import os
import platform
from dataclasses import dataclass
from typing import Any

import grpc
import ray
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray._private.authentication.authentication_token_setup import AUTH_MODE_ENV_VAR
from ray._private.gcs_utils import GcsNodeInfo, create_gcs_channel
from ray._private.ray_constants import DASHBOARD_ADDRESS, KV_NAMESPACE_CLUSTER, KV_NAMESPACE_DASHBOARD
from ray.core.generated.gcs_service_pb2 import (  # type: ignore[attr-defined]  # generated
    GetAllNodeAddressAndLivenessRequest,
    InternalKVGetRequest,
)
from ray.core.generated.gcs_service_pb2_grpc import InternalKVGcsServiceStub, NodeInfoGcsServiceStub

from revsearch.errors import InvalidSpec
from revsearch.stages.token import refused, send_token

ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Head:
    """A cluster, as its head knows it.

    Attributes:
        versions: of Ray and Python.
        job_server: `host:port`, empty where it has none.
        node_addresses: of the machines that are there; not asked for where the versions are not ours.
    """

    versions: tuple[str, str]
    job_server: str
    node_addresses: tuple[str, ...]

    @property
    def on_loopback(self) -> bool:
        """Whether all of it is reached from this machine alone."""
        return all(map(is_loopback, self.node_addresses))


def is_loopback(host: str) -> bool:
    """Say whether what is sent to a host stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def ask_head(address: str) -> Head:
    """Ask the head at `host:port` what it is; where it wants a token, the one there is is sent from now on.

    One that wants none is sent none, though a local Ray may have left one on this machine: Ray would want it of the
    cluster, too, and end each actor as soon as that asks after it.

    Raises:
        InvalidSpec: where nobody answers in time, or not as a head does, or it does not let us in.
    """
    if (head := _asked(address, sent=AUTH_MODE_ENV_VAR in os.environ and send_token())) is not None:
        return head
    if (sent := send_token()) and (head := _asked(address, sent=sent)) is not None:
        return head
    raise refused(address, sent=sent)


def _asked(address: str, *, sent: bool) -> Head | None:
    """Return what the head says; None where it wants a token that was not sent."""
    channel = create_gcs_channel(address)
    try:
        return _told(channel)
    except grpc.RpcError as error:
        call: Any = error  # what is raised is a call, too, which its declared class does not say
        if call.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise no_cluster(address, call.details() or call.code().name) from error
        if sent:
            raise refused(address, sent=sent) from error
        return None
    finally:
        channel.close()


def require_same_versions(address: str, head: Head) -> None:
    """Refuse a cluster whose Ray or Python is another than ours: Ray's processes would not understand each other.

    Raises:
        InvalidSpec: with both.
    """
    own = _own_versions()
    if head.versions != own:
        raise InvalidSpec(
            f"--address {address}: expected a cluster with Ray {own[0]} on Python {own[1]} as here, "
            f"found Ray {head.versions[0]} on Python {head.versions[1]}; install the same here, "
            "or send the command to it with `revsearch submit`"
        )


def no_cluster(address: str, found: object) -> InvalidSpec:
    """Return what to say where nothing answers as a cluster does."""
    return InvalidSpec(
        f"--address {address}: expected a cluster with Ray {ray.__version__}, found none: {found}; "
        "look whether its head node runs, or leave --address and RAY_ADDRESS out for a local Ray"
    )


def _own_versions() -> tuple[str, str]:
    return ray.__version__, platform.python_version()


def _told(channel: Any) -> Head:
    cluster = json.loads(_value(channel, CLUSTER_METADATA_KEY, KV_NAMESPACE_CLUSTER) or b"{}")
    versions = cluster.get("ray_version", "unknown"), cluster.get("python_version", "unknown")
    job_server = _value(channel, DASHBOARD_ADDRESS.encode(), KV_NAMESPACE_DASHBOARD).decode()
    return Head(versions, job_server, _node_addresses(channel) if versions == _own_versions() else ())


def _value(channel: Any, key: bytes, namespace: bytes) -> bytes:
    values = InternalKVGcsServiceStub(channel)  # type: ignore[no-untyped-call]  # made by a generator
    asked = InternalKVGetRequest(key=key, namespace=namespace)
    found: bytes = values.InternalKVGet(asked, timeout=ANSWER_TIMEOUT_S).value
    return found


def _node_addresses(channel: Any) -> tuple[str, ...]:
    nodes = NodeInfoGcsServiceStub(channel)  # type: ignore[no-untyped-call]  # made by a generator
    asked = GetAllNodeAddressAndLivenessRequest()
    found = nodes.GetAllNodeAddressAndLiveness(asked, timeout=ANSWER_TIMEOUT_S).node_info_list
    return tuple(node.node_manager_address for node in found if node.state == GcsNodeInfo.ALIVE)
