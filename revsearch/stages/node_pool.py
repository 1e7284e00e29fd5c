"""One actor a node: work of an actor that died goes to another, and a node that is gone is done without."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray

from revsearch.errors import TransientError
from revsearch.stages.cluster import own_errors
from revsearch.stages.deaths import WORKER_DEATHS
from revsearch.stages.nodes import Node, working_nodes

Item = TypeVar("Item")

_STARTS = 3  # of an actor on one node; where its node is gone there is no other
_TRIES = 4  # of an item: what ends so many actors ends each
_PATIENCE_S = 30.0  # after which one more node is asked: the one that was asked is full, or gone


@dataclass(frozen=True)
class _Try(Generic[Item]):
    """An item to be worked on."""

    item: Item
    number: int = 1


class NodePool:
    """Actors that hold something large, one a node, started when there is work for them.

    An actor is given work once it answers. So nothing waits for one whose node is full, or gone without the cluster
    having seen it yet, as long as there are others.
    """

    def __init__(self, start: Callable[[Node], Any]) -> None:
        """Take what starts an actor on a node; Ray must be told not to start it again by itself."""
        self._start = start
        self._actors: dict[str, Any] = {}  # by node
        self._starts = Counter[str]()
        self._starting: dict[Any, str] = {}  # nodes by what their actors will answer
        self._idle: list[str] = []
        self._impatience = 0

    def ask(self, call: Callable[[Any], Any]) -> Any:
        """Return what one actor gives."""
        (found,) = self.map_unordered(lambda actor, _: call(actor), [None])
        return found

    def each(self, call: Callable[[Any], Any]) -> Iterator[Any]:
        """Yield what every actor gives that has work behind it; nothing of those that died."""
        for node in list(self._idle):
            try:
                with own_errors():
                    found = ray.get(call(self._actors[node]))
            except WORKER_DEATHS:
                self._idle.remove(node)
                self._bury(node)
            else:
                yield found

    def map_unordered(self, call: Callable[[Any, Item], Any], items: Iterable[Item]) -> Iterator[Any]:
        """Yield what actors give for items, as it comes.

        Args:
            call: starts the work of an actor on an item and returns its reference; it may be done twice.
            items: what there is to do.

        Raises:
            RevsearchError: an error of our own that an actor raised.
            TransientError: where no node is left, or one item ends each actor.
        """
        todo = deque(map(_Try, items))
        busy: dict[Any, tuple[str, _Try[Item]]] = {}
        while todo or busy:
            self._start_more(len(todo) + len(busy))
            while todo and self._idle:
                node, each = self._idle.pop(0), todo.popleft()
                busy[call(self._actors[node], each.item)] = node, each
            if (done := self._wait(list(busy))) is None:
                continue
            node, each = busy.pop(done)
            try:
                with own_errors():
                    found = ray.get(done)
            except WORKER_DEATHS as error:
                self._bury(node)
                todo.appendleft(_again(each, error))
            else:
                self._idle.append(node)
                yield found

    def _start_more(self, n_items: int) -> None:
        """Start actors where there are none, no more than there is work for."""
        for node in working_nodes():
            if len(self._actors) >= n_items + self._impatience:
                return
            if node.id not in self._actors and self._starts[node.id] < _STARTS:
                self._starts[node.id] += 1
                self._actors[node.id] = self._start(node)
                self._starting[self._actors[node.id].__ray_ready__.remote()] = node.id

    def _wait(self, busy: list[Any]) -> Any:
        """Return what is done of `busy`; None where an actor answered for the first time, or died before it did."""
        if not busy and not self._starting:
            raise TransientError(
                "no node is left to work on: each is gone, or its workers died again and again; the same command goes "
                "on from what is done; see whether the cluster has room"
            )
        ready, _ = ray.wait([*busy, *self._starting], num_returns=1, timeout=_PATIENCE_S)
        if not ready:
            self._impatience += 1
        elif (node := self._starting.pop(ready[0], None)) is None:
            return ready[0]
        elif _answers(ready[0]):
            self._idle.append(node)
        else:
            self._bury(node)
        return None

    def _bury(self, node: str) -> None:
        ray.kill(self._actors.pop(node))  # what is only out of reach must not hold the node against its successor


def _again(each: _Try[Item], error: Exception) -> _Try[Item]:
    if each.number >= _TRIES:
        raise TransientError(
            f"workers died {_TRIES} times over the same work; the same command goes on from what is done; the last "
            f"time: {error}"
        ) from error
    return _Try(each.item, each.number + 1)


def _answers(ready: Any) -> bool:
    try:
        ray.get(ready)
    except WORKER_DEATHS:
        return False
    return True
