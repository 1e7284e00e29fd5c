"""Whether a cluster may get more nodes than it has, and waiting for the first; no autoscaler but a stand-in's words."""

import json
from typing import Any

import pytest

from revsearch.errors import InvalidSpec, TransientError
from revsearch.stages import growth

Words = dict[bytes, bytes]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Words:
    """What stands in the cluster's own table."""
    words: Words = {}
    monkeypatch.setattr(growth, "_internal_kv_get", lambda key, namespace=None: words.get(_bytes(key)))
    return words


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def status(*kinds: str) -> bytes:
    report: dict[str, Any] = {"node_type_mapping": {f"id-{n}": kind for n, kind in enumerate(kinds)}}
    return json.dumps({"autoscaler_report": report}).encode()


@pytest.mark.parametrize(
    ("words", "grows"),
    [
        ({}, False),
        ({b"__autoscaling_status": status("node_8a", "node_3f")}, False),  # a mirror of what is there
        ({b"__autoscaling_status": status("ray.head.default")}, True),
        ({b"__autoscaling_status": status("ray.head.default", "ray.worker.gpu")}, True),
        ({b"__autoscaling_status": b'{"autoscaler_report": null}'}, False),
        ({b"__autoscaler_v2_enabled": b"0"}, False),
        ({b"__autoscaler_v2_enabled": b"1"}, True),
    ],
)
def test_a_cluster_grows_where_an_autoscaler_says_so(told: Words, words: Words, *, grows: bool) -> None:
    told.update(words)
    assert growth.may_grow() is grows


def test_a_cluster_without_nodes_to_work_on_is_refused(told: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "working_nodes", list)
    with pytest.raises(InvalidSpec, match="no CPUs"):
        growth.require_node()


@pytest.mark.ray
def test_a_node_is_waited_for_no_longer_than_it_may_take(
    told: Words, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told[b"__autoscaler_v2_enabled"] = b"1"
    monkeypatch.setattr(growth, "working_nodes", list)
    growth.require_node()  # one comes: the node that there is
    monkeypatch.setattr(growth, "_stand", growth._stand.options(num_cpus=64))
    monkeypatch.setattr(growth, "START_S", 0.5)
    with pytest.raises(TransientError, match=r"no node with CPUs in 0\.5 s"):
        growth.require_node()
