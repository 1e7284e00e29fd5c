"""Rows that end their process are found among the others, whatever the task; nothing else is lost or done twice."""

import os
import signal
from functools import partial
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from revsearch.errors import CorruptArtifact, TransientError
from revsearch.rejects import Reason
from revsearch.stages import isolation
from revsearch.stages.isolation import isolate

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

TIMEOUT_S = 0.2


@ray.remote(max_retries=0)
def task(rows: NDArray[np.int64], killers: frozenset[int], hangers: frozenset[int], at_fault: int) -> list[int]:
    if at_fault in rows:
        raise CorruptArtifact(f"row {at_fault}")
    if killers & set(rows.tolist()):
        os._exit(9)
    if hangers & set(rows.tolist()):
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S)  # as `deadline` does
        while True:
            pass
    found: list[int] = rows.tolist()
    return found


def run(
    rows: NDArray[np.int64], *, killers: set[int] = frozenset(), hangers: set[int] = frozenset(), at_fault: int = -1
) -> Any:
    return task.remote(rows, frozenset(killers), frozenset(hangers), at_fault)


class Told:
    def __init__(self) -> None:
        self.done: list[int] = []
        self.lost: dict[int, Reason] = {}

    def lose(self, row: NDArray[np.int64], reason: Reason, message: str) -> None:
        assert message
        self.lost[int(row[0])] = reason


def isolated(units: list[NDArray[np.int64]], **faults: Any) -> Told:
    told = Told()
    isolate(partial(run, **faults), units, done=told.done.extend, lost=told.lose, image_timeout_s=TIMEOUT_S)
    return told


def test_without_a_fault_each_unit_is_one_task() -> None:
    told = isolated(np.array_split(np.arange(20), 3))
    assert (sorted(told.done), told.lost) == (list(range(20)), {})


@pytest.mark.slow  # each process that dies is started anew
def test_killers_and_hangers_are_told_apart() -> None:
    told = isolated(np.array_split(np.arange(12), 2), killers={3}, hangers={7})
    assert sorted(told.done) == [row for row in range(12) if row not in (3, 7)]
    # A process that dies at once may still take longer than 0.2 s to be started; one that hangs takes that at least.
    assert told.lost[7] is Reason.TIMEOUT
    assert told.lost.keys() == {3, 7}


@pytest.mark.slow
def test_a_killer_within_the_time_is_a_crash() -> None:
    told = Told()
    isolate(partial(run, killers={1}), [np.arange(2)], done=told.done.extend, lost=told.lose, image_timeout_s=60)
    assert (told.done, told.lost) == ([0], {1: Reason.WORKER_CRASH})


def test_errors_of_our_own_end_it() -> None:
    with pytest.raises(CorruptArtifact, match="row 4") as caught:
        isolated([np.arange(6)], at_fault=4)
    assert type(caught.value) is CorruptArtifact


def test_a_task_that_is_lost_with_its_node_is_done_again_and_tells_nothing_of_its_rows() -> None:
    """A node that is not there any more is as one that died: the task fails as those of a lost node do."""
    gone, told, lost = NodeAffinitySchedulingStrategy("0" * 56, soft=False), Told(), set[int]()

    def run_once_elsewhere(rows: NDArray[np.int64]) -> Any:
        first = int(rows[0]) not in lost
        lost.add(int(rows[0]))
        placed = task.options(scheduling_strategy=gone) if first else task
        return placed.remote(rows, frozenset(), frozenset(), -1)

    isolate(
        run_once_elsewhere, [np.arange(3), np.arange(3, 4)], done=told.done.extend, lost=told.lose, image_timeout_s=60
    )
    assert (sorted(told.done), told.lost) == ([0, 1, 2, 3], {})


def test_nodes_that_die_again_and_again_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_MAX_LOST", 2)
    gone, told = NodeAffinitySchedulingStrategy("0" * 56, soft=False), Told()
    with pytest.raises(TransientError, match="3 tasks were lost"):
        isolate(
            lambda rows: task.options(scheduling_strategy=gone).remote(rows, frozenset(), frozenset(), -1),
            [np.arange(2)],
            done=told.done.extend,
            lost=told.lose,
            image_timeout_s=60,
        )
    assert (told.done, told.lost) == ([], {})
