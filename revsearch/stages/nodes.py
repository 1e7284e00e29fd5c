"""The nodes of the connected cluster: what they have, and placing work on one of them."""

from dataclasses import dataclass

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster that work can be placed on.

    Attributes:
        address: that the cluster knows it by.
    """

    id: str
    address: str
    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"node {self.address} ({self.id[:12]})"

    @property
    def only_here(self) -> NodeAffinitySchedulingStrategy:
        """Place work on this node; it fails as `cluster.NODE_DEATHS` once the node is gone."""
        return NodeAffinitySchedulingStrategy(self.id, soft=False)


def working_nodes() -> list[Node]:
    """Return the nodes that have CPUs, those with the most first.

    The cluster takes some ten seconds to see that a node is gone: it is among them until then.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # Ray declares no types here
    found = [_node(each) for each in alive]
    return sorted((node for node in found if node.cpus), key=lambda node: (-node.cpus, node.id))


def settle() -> None:
    """Wait until the cluster sees which nodes are gone: each that it lists is asked, and answers or is struck off."""
    asked = [_answer.options(scheduling_strategy=node.only_here).remote() for node in working_nodes()]
    ray.wait(asked, num_returns=len(asked), timeout=_SETTLE_S)


@ray.remote(num_cpus=0, max_retries=0)
def _answer() -> None:
    pass


def own_node_id() -> str:
    """Return the node of this process."""
    return str(ray.get_runtime_context().get_node_id())


def _node(told: dict[str, object]) -> Node:
    has: dict[str, float] = told["Resources"]  # type: ignore[assignment]  # as Ray has it
    cpus, gpus = int(has.get("CPU", 0)), float(has.get("GPU", 0))
    return Node(str(told["NodeID"]), str(told["NodeManagerAddress"]), cpus, gpus)
