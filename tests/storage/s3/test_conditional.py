"""Whether a writer learns what it did, whatever answers get lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from revsearch.errors import InvalidSpec, MissingArtifact, StoreUnavailable
from revsearch.storage.s3 import client
from revsearch.storage.s3.patience import Patience
from revsearch.storage.store import Store
from tests.servers.faulty import Asked, Fault, always, first, none, share
from tests.storage.s3.conftest import Reached

WRITERS = 8
MISFORTUNES = (Fault.LOST, Fault.RESET, Fault.CONFLICT, Fault.SLOW_DOWN)


@pytest.mark.parametrize("fault", MISFORTUNES)
def test_who_won_learns_it_though_answers_are_lost(reached: Reached, fault: Fault) -> None:
    store = reached.by(first(2, fault, "PutObject"))
    assert store.create_if_absent("a", b"1")
    reached.proxy.reset(first(2, fault, "PutObject"))
    assert store.swap("a", b"1", b"2")
    assert reached.truth.read("a") == b"2"


@pytest.mark.parametrize("fault", MISFORTUNES)
def test_who_lost_learns_it_though_answers_are_lost(reached: Reached, fault: Fault) -> None:
    reached.truth.write("a", b"0")
    store = reached.by(first(2, fault, "PutObject"))
    assert not store.create_if_absent("a", b"0")
    lost = first(2, fault, "PutObject")

    def plan(asked: Asked) -> Fault | None:
        if asked.operation == "PutObject" and not reached.proxy.counts["PutObject"]:
            reached.truth.write("a", b"other")  # after it was read, before it is put
        return lost(asked)

    reached.proxy.reset(plan)
    assert not store.swap("a", b"0", b"1")
    assert reached.proxy.faults[fault] == 2
    assert reached.truth.read("a") == b"other"


def test_who_expects_something_else_puts_nothing(reached: Reached) -> None:
    reached.truth.write("a", b"0")
    assert not reached.by(none).swap("a", b"other", b"1")
    assert reached.proxy.counts["PutObject"] == 0
    assert reached.truth.read("a") == b"0"


def test_who_won_learns_it_though_others_have_written_since(reached: Reached) -> None:
    """The answer is lost, and before it is asked for again, others replace what was written."""
    others: list[bool] = []

    def plan(asked: Asked) -> Fault | None:
        if asked.operation != "PutObject" or reached.proxy.counts["PutObject"] > 1:
            return None
        if reached.proxy.counts["PutObject"] == 1:
            for n in range(5):
                others.append(reached.truth.swap("a", b"%d" % n, b"%d" % (n + 1)))
            return None
        return Fault.LOST

    assert reached.by(plan).create_if_absent("a", b"0")
    assert others == [True] * 5
    assert reached.truth.read("a") == b"5"


def test_an_answer_that_never_comes_leaves_it_open_and_is_said(
    reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PATIENT", Patience(1, 1, in_all_s=0.5))
    with pytest.raises(StoreUnavailable, match="ConditionalRequestConflict"):
        reached.by(always(Fault.CONFLICT, "PutObject")).create_if_absent("a", b"1")
    with pytest.raises(MissingArtifact):
        reached.truth.read("a")
    assert reached.by(always(Fault.LOST, "PutObject")).create_if_absent("a", b"1")  # its mark is there


def race(store: Store, rounds: int, act: Callable[[Store, int, int], bool]) -> list[int]:
    """Let all writers act in each round at once; return how many won each."""
    together = Barrier(WRITERS)

    def write(writer: int) -> list[bool]:
        won = []
        for number in range(rounds):
            together.wait()
            won.append(act(store, number, writer))
        return won

    with ThreadPoolExecutor(WRITERS) as pool:
        return [won.count(True) for won in zip(*pool.map(write, range(WRITERS)), strict=True)]


@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_one_wins_each_race_though_answers_are_lost(reached: Reached, rounds: int) -> None:
    store = reached.by(share(0.3, *MISFORTUNES))
    won = race(store, rounds, lambda store, n, writer: store.create_if_absent(f"race/{n}", b"%d" % writer))
    assert won == [1] * rounds


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_each_counts_once_though_answers_are_lost(reached: Reached, rounds: int) -> None:
    """A swap that took place and was not told would be made again, and counted twice."""
    reached.truth.write("n", b"0")

    def add(store: Store, *_: int) -> bool:
        while not store.swap("n", seen := store.read("n"), str(int(seen) + 1).encode()):
            pass
        return True

    race(reached.by(share(0.3, *MISFORTUNES)), rounds, add)
    assert reached.truth.read("n") == str(rounds * WRITERS).encode()


def test_a_server_that_knows_no_conditions_is_told_apart(reached: Reached) -> None:
    with pytest.raises(InvalidSpec, match=r"does not keep conditional writes .*; servers that do: Amazon S3, Ceph"):
        reached.by(always(Fault.NOT_IMPLEMENTED, "PutObject")).create_if_absent("a", b"1")
