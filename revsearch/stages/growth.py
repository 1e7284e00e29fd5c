"""Clusters that grow: an autoscaler starts nodes while work waits for them, and nobody says how many there may be."""

import json
import logging
from typing import Any

import ray
from ray._private import ray_constants
from ray.experimental.internal_kv import _internal_kv_get

from revsearch.errors import InvalidSpec, TransientError
from revsearch.stages.nodes import working_nodes

START_S = 600.0  # that a cluster may take to start a node

_NO_AUTOSCALER = "node_"  # so begin the kinds of nodes where each is only told of, and none is started
_V2_KEY, _V2_NAMESPACE = b"__autoscaler_v2_enabled", b"__autoscaler"

_LOG = logging.getLogger(__name__)


def may_grow() -> bool:
    """Say whether more nodes may come than are there.

    Ray 2.60 keeps what an autoscaler may start to the autoscaler (`get_cluster_config` gives nothing outside of
    Anyscale). What is known is whether there is one: it tells of kinds of nodes, where without one each node is a kind.
    """
    if _internal_kv_get(_V2_KEY, namespace=_V2_NAMESPACE) == b"1":
        return True
    if (told := _internal_kv_get(ray_constants.DEBUG_AUTOSCALING_STATUS)) is None:
        return False
    report: dict[str, Any] = json.loads(told).get("autoscaler_report") or {}
    kinds: dict[str, str] = report.get("node_type_mapping") or {}
    return any(not kind.startswith(_NO_AUTOSCALER) for kind in kinds.values())


def require_node() -> None:
    """See that there is a node to work on; where the cluster grows, ask for one and wait.

    Raises:
        InvalidSpec: where there is none, and none will come.
        TransientError: where none came in ten minutes.
    """
    if working_nodes():
        return
    if not may_grow():
        raise InvalidSpec("the cluster has no CPUs: expected nodes to work on besides its head, found none; add some")
    _LOG.info("the cluster has no node to work on yet: waiting for one")
    try:
        ray.get(_stand.remote(), timeout=START_S)
    except ray.exceptions.GetTimeoutError as error:
        raise TransientError(
            f"the cluster brought up no node with CPUs in {START_S:g} s; see its autoscaler"
        ) from error


@ray.remote(num_cpus=1)
def _stand() -> None:
    """Nothing: what waits to be run is what an autoscaler starts nodes for."""
