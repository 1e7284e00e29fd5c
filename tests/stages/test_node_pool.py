"""One actor a node, on one node: what is done about its deaths. Several nodes stand in test_node_faults."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from revsearch.errors import CorruptArtifact, TransientError
from revsearch.stages import node_pool
from revsearch.stages.node_pool import NodePool
from revsearch.stages.nodes import Node, working_nodes

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


class Doubler:
    """Dies over what it is told to, once or always."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def double(self, value: int, dies: str) -> int:
        died = self.folder / str(value)
        if dies == "always" or (dies == "once" and not died.exists()):
            died.touch()
            os._exit(9)
        return 2 * value

    def refuse(self) -> None:
        raise CorruptArtifact("cut")

    def pid(self) -> int:
        return os.getpid()


@pytest.fixture
def pool(tmp_path: Path) -> NodePool:
    return NodePool(starter(tmp_path))


def starter(folder: Path) -> Callable[[Node], Any]:
    def start(node: Node) -> Any:
        doubler = ray.remote(max_restarts=0)(Doubler)
        return doubler.options(num_cpus=node.cpus, scheduling_strategy=node.only_here).remote(folder)

    return start


def doubled(pool: NodePool, *items: tuple[int, str]) -> list[int]:
    return sorted(pool.map_unordered(lambda actor, item: actor.double.remote(*item), items))


def test_each_item_once(pool: NodePool) -> None:
    assert doubled(pool, *((n, "never") for n in range(9))) == list(range(0, 18, 2))
    assert doubled(pool) == []


def test_an_actor_is_kept_between_works(pool: NodePool) -> None:
    assert pool.ask(lambda actor: actor.pid.remote()) == pool.ask(lambda actor: actor.pid.remote())
    assert [*pool.each(lambda actor: actor.pid.remote())] == [pool.ask(lambda actor: actor.pid.remote())]


@pytest.mark.slow  # each process that dies is started anew
def test_an_actor_that_died_is_started_again_and_nothing_is_lost(pool: NodePool) -> None:
    assert doubled(pool, (0, "never"), (1, "once"), (2, "never"), (3, "once")) == [0, 2, 4, 6]


@pytest.mark.slow  # each process that dies is started anew
def test_what_ends_every_actor_ends_the_work(pool: NodePool) -> None:
    with pytest.raises(TransientError, match="no node is left"):
        doubled(pool, (0, "never"), (1, "always"))


@pytest.mark.slow  # each process that dies is started anew
def test_an_item_is_not_tried_for_ever(pool: NodePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_pool, "_STARTS", 9)
    monkeypatch.setattr(node_pool, "_TRIES", 2)
    with pytest.raises(TransientError, match="died 2 times over the same work"):
        doubled(pool, (1, "always"))


def test_errors_of_our_own_come_home(pool: NodePool) -> None:
    with pytest.raises(CorruptArtifact, match=r"^cut$") as caught:
        pool.ask(lambda actor: actor.refuse.remote())
    assert type(caught.value) is CorruptArtifact


def test_no_node_is_left(pool: NodePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_pool, "working_nodes", list)
    with pytest.raises(TransientError, match="the same command goes on"):
        doubled(pool, (1, "never"))


@pytest.mark.slow
def test_a_node_that_is_gone_and_still_listed_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Node("0" * 56, "192.0.2.1", 8, 0)
    monkeypatch.setattr(node_pool, "working_nodes", lambda: [gone, *working_nodes()])
    assert doubled(NodePool(starter(tmp_path)), *((n, "never") for n in range(4))) == [0, 2, 4, 6]
