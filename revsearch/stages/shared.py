"""What all nodes must reach, seen before any work: the store and the pictures, in folders or in buckets."""

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ray

from revsearch.errors import InvalidSpec, MissingArtifact, RevsearchError, StoreUnavailable
from revsearch.stages.deaths import WORKER_DEATHS
from revsearch.stages.nodes import Node, own_node_id, working_nodes
from revsearch.storage.roots import Place, Root
from revsearch.storage.store import Store

_ANSWER_S = 300.0  # of all nodes, whose environments may have to be made; a folder over a network may hang for ever
_REMEDY = "use s3://, or a folder that all machines of the cluster share"

_SILENT = StoreUnavailable(f"no answer within {_ANSWER_S:g} s whether it sees the store and the pictures")

_reached: set[tuple[str, str]] = set()  # (place, node) that were seen: a run of several stages asks once


@dataclass(frozen=True)
class _Probe:
    """What a node looks for.

    Attributes:
        key: put into the store just now.
        entries: by folder of pictures, a name that is in it.
        buckets: locations of some pictures by the bucket or prefix that they lie in.
    """

    store: Store
    key: str
    entries: Mapping[str, str]
    buckets: Mapping[Root, Sequence[str]]

    def places(self, node: str) -> set[tuple[str, str]]:
        return {(uri, node) for uri in (self.store.uri, *self.entries, *(root.uri for root in self.buckets))}

    def problems(self) -> Iterator[RevsearchError]:
        """Yield what this machine does not reach."""
        try:
            self.store.read(self.key)
        except MissingArtifact:
            yield InvalidSpec(f"the store {self.store.uri} is another folder there: {_REMEDY}")
        except RevsearchError as error:
            yield error
        for folder, name in self.entries.items():
            if not os.path.lexists(os.path.join(folder, name)):  # noqa: PTH118  # names are bytes of any kind
                yield InvalidSpec(f"the pictures of {folder} are not there: {_REMEDY}")
        for root, locations in self.buckets.items():
            try:
                root.require_reachable(locations)
            except RevsearchError as error:
                yield error


def require_shared(store: Store, pictures: Iterable[Place] = ()) -> None:
    """Refuse a store or pictures that this process, or a node of the cluster, does not reach.

    A key is put into the store for the nodes to read. Where there is one node, nothing is put and nothing started.
    Nodes that join later are not asked.

    Args:
        store: that this process reaches.
        pictures: places in each root.

    Raises:
        InvalidSpec: naming each node and what it does not see, or may not open.
        StoreUnavailable: naming the nodes that get no answer.
    """
    here, pictures = own_node_id(), list(pictures)
    folders = [place.root.uri for place in pictures if not place.root.is_remote]
    buckets: dict[Root, list[str]] = {place.root: [] for place in pictures if place.root.is_remote}
    for place in pictures:
        if place.location and place.root in buckets:
            buckets[place.root].append(place.location)
    entries = {folder: name for folder in folders if (name := _name_in(folder)) is not None}
    probe = _Probe(store, f"internal/nodes/{uuid.uuid4().hex}", entries, buckets)
    if not probe.places(here) <= _reached:
        for root, locations in buckets.items():
            root.require_reachable(locations)
        _reached.update(probe.places(here))
    others = [node for node in working_nodes() if node.id != here]
    if unseen := [node for node in others if not probe.places(node.id) <= _reached]:
        store.write(probe.key, b"")
        try:
            _require_reached(probe, unseen)
        finally:
            store.delete(probe.key)


def _require_reached(probe: _Probe, nodes: list[Node]) -> None:
    asked = {node: _look.options(scheduling_strategy=node.only_here).remote(probe) for node in nodes}
    tasks = list(asked.values())
    _, silent = ray.wait(tasks, num_returns=len(tasks), timeout=_ANSWER_S)
    for task in silent:
        ray.cancel(task, force=True)
    told = [(node, error) for node, task in asked.items() for error in ([_SILENT] if task in silent else _answer(task))]
    if refused := [f"{node}: {error}" for node, error in told if not isinstance(error, StoreUnavailable)]:
        raise InvalidSpec(*refused)
    if told:
        raise StoreUnavailable("\n".join(f"{node}: {error}" for node, error in told))
    _reached.update(place for node in nodes for place in probe.places(node.id))


def _answer(task: "ray.ObjectRef[list[RevsearchError]]") -> list[RevsearchError]:
    """Return what a node told; nothing where it went away meanwhile: no work will be given to it."""
    try:
        return ray.get(task)
    except WORKER_DEATHS:
        return []


@ray.remote(num_cpus=0, max_retries=0)
def _look(probe: _Probe) -> list[RevsearchError]:
    return list(probe.problems())


def _name_in(folder: str) -> str | None:
    """Return a name in a folder of this machine; None where there is none, or the folder is no folder."""
    try:
        with os.scandir(folder) as entries:
            return next((entry.name for entry in entries), None)
    except OSError:  # reading the pictures tells
        return None
