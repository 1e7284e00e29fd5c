"""Heads of other versions, and those that let nobody in: servers of Ray's own protocol, answering as told."""

import json
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import ray
from ray.core.generated.gcs_service_pb2 import GetAllNodeAddressAndLivenessReply, InternalKVGetReply
from ray.core.generated.gcs_service_pb2_grpc import (
    InternalKVGcsServiceServicer,
    NodeInfoGcsServiceServicer,
    add_InternalKVGcsServiceServicer_to_server,
    add_NodeInfoGcsServiceServicer_to_server,
)

from revsearch.errors import InvalidSpec
from revsearch.specs import Resources
from revsearch.stages import cluster
from revsearch.stages.head import ask_head, is_loopback, require_same_versions

_QUICK_S = 15.0
_OWN = {"ray_version": ray.__version__, "python_version": platform.python_version()}


class _Head(InternalKVGcsServiceServicer, NodeInfoGcsServiceServicer):  # type: ignore[misc]  # made by a generator
    """Answers what a head does before anybody connects; without versions it lets nobody in."""

    def __init__(self, versions: dict[str, str] | None, nodes: tuple[str, ...] = ()) -> None:
        self.versions, self.nodes = versions, nodes

    def InternalKVGet(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        if self.versions is None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        values = {b"CLUSTER_METADATA": json.dumps(self.versions).encode(), b"dashboard": b"127.0.0.1:8265"}
        return InternalKVGetReply(value=values[request.key])

    def GetAllNodeAddressAndLiveness(self, request: Any, context: Any) -> Any:  # noqa: N802  # as above
        reply = GetAllNodeAddressAndLivenessReply()
        for address in self.nodes:
            reply.node_info_list.add(node_manager_address=address)
        reply.node_info_list.add(node_manager_address="192.0.2.9", state=1)  # dead
        return reply


@pytest.fixture(scope="module", autouse=True)
def unconnected() -> None:
    """Who is connected asks no head again."""
    ray.shutdown()


@pytest.fixture
def head() -> Iterator[Callable[..., str]]:
    """Start a head and return its address."""
    servers = []

    def start(*arguments: Any) -> str:
        server = grpc.server(ThreadPoolExecutor(2))
        servers.append(server)
        for add in (add_InternalKVGcsServiceServicer_to_server, add_NodeInfoGcsServiceServicer_to_server):
            add(_Head(*arguments), server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        return address

    yield start
    for server in servers:
        server.stop(None)


def test_what_a_head_tells(head: Callable[..., str]) -> None:
    found = ask_head(head(_OWN, ("127.0.0.1", "127.0.0.1")))
    assert found.versions == tuple(_OWN.values())
    assert found.job_server == "127.0.0.1:8265"
    assert found.node_addresses == ("127.0.0.1", "127.0.0.1")
    assert found.on_loopback
    require_same_versions("here", found)


def test_a_cluster_of_several_machines_is_not_on_loopback(head: Callable[..., str]) -> None:
    assert not ask_head(head(_OWN, ("127.0.0.1", "192.0.2.1"))).on_loopback


@pytest.mark.parametrize(
    "other",
    [{"ray_version": "2.9.3"}, {"python_version": "3.10.1"}, {"ray_version": "2.9.3", "python_version": "3.9.0"}],
)
def test_another_version_is_told_with_both(head: Callable[..., str], other: dict[str, str]) -> None:
    address, began = head(_OWN | other), time.monotonic()
    with pytest.raises(InvalidSpec) as caught:
        cluster.connect(Resources(address=address))
    for version in (*_OWN.values(), *other.values(), address):
        assert version in str(caught.value)
    assert time.monotonic() - began < _QUICK_S


def test_a_head_that_wants_no_token_is_not_sent_one(head: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The token that a local Ray left on this machine stays there."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr("revsearch.stages.head.send_token", lambda: pytest.fail("a token was looked for"))
    assert ask_head(head(_OWN, ("127.0.0.1",))).versions == tuple(_OWN.values())


def test_who_is_not_let_in_is_told_what_to_do(head: Callable[..., str]) -> None:
    address = head(None)
    with pytest.raises(InvalidSpec, match="RAY_AUTH_TOKEN_PATH") as caught:
        cluster.connect(Resources(address=address))
    assert address in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
