"""Bytes of rows in their order, asked for ahead where they come over a network."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from revsearch.rejects import Reason, Rejection
from revsearch.stages import read_ahead as module
from revsearch.stages.read_ahead import THREADS, ReadAhead
from revsearch.storage.roots import Place

DEADLINE_S = 30.0  # of waiting for what happens at once


@dataclass
class Rows:
    """Rows that answer when they are let, and tell who asked; those of `here` are files of this machine."""

    n: int
    here: frozenset[int] = frozenset()
    asked: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)
    held: set[int] = field(default_factory=set)
    broken: dict[int, Exception] = field(default_factory=dict)

    def read(self, row: int) -> bytes:
        with self.changed:
            self.asked.append(row)
            self.threads.add(threading.get_ident())
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: row not in self.held, DEADLINE_S)
        if row in self.broken:
            raise self.broken.pop(row)
        return b"%d" % row

    def let(self, *rows: int) -> None:
        with self.changed:
            self.held -= set(rows)
            self.changed.notify_all()

    def wait_until(self, happened: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, DEADLINE_S)

    def ahead(self, size: int = 1, timeout_s: float = DEADLINE_S) -> ReadAhead:
        places = [Place(Somewhere(row not in self.here), str(row)) for row in range(self.n)]
        return ReadAhead(places, [size] * self.n, self.read, timeout_s=timeout_s)


@dataclass(frozen=True)
class Somewhere:
    """As much of a root as is asked for."""

    is_remote: bool

    def uri_of(self, location: str) -> str:
        return f"s3://bucket/{location}"


def test_rows_come_in_order_and_each_is_asked_for_once() -> None:
    rows = Rows(500)
    with rows.ahead() as ahead:
        assert [ahead[row] for row in range(500)] == [b"%d" % row for row in range(500)]
    assert sorted(rows.asked) == list(range(500))
    assert threading.get_ident() not in rows.threads


def test_many_are_asked_for_while_the_first_is_waited_for() -> None:
    rows = Rows(500, held=set(range(500)))
    with rows.ahead() as ahead:
        found = list[bytes]()
        wanting = threading.Thread(target=lambda: found.append(ahead[0]))
        wanting.start()
        rows.wait_until(lambda: len(rows.asked) == THREADS)
        assert sorted(rows.asked) == list(range(THREADS))
        rows.let(*range(500))
        wanting.join(DEADLINE_S)
        assert found == [b"0"]
        ahead[1]
        rows.wait_until(lambda: len(rows.asked) >= THREADS)
        assert max(rows.asked) <= module._AHEAD_ROWS + 1
        assert len(rows.threads) <= THREADS


@pytest.mark.parametrize(("size", "n_asked"), [(2**27, 3), (2**30, 2), (0, THREADS + 1)])
def test_bytes_bound_what_is_ahead(size: int, n_asked: int) -> None:
    rows = Rows(50)
    with rows.ahead(size) as ahead:
        ahead[0]
        rows.wait_until(lambda: len(rows.asked) == n_asked)
        assert len(ahead._ahead) == n_asked - 1


def test_files_of_this_machine_are_read_when_wanted_and_by_who_wants_them() -> None:
    rows = Rows(50, here=frozenset(range(50)))
    with rows.ahead() as ahead:
        assert ahead[7] == b"7"
        assert (rows.asked, rows.threads) == ([7], {threading.get_ident()})


def test_both_in_one_unit() -> None:
    rows = Rows(40, here=frozenset(range(0, 40, 2)))
    with rows.ahead() as ahead:
        assert [ahead[row] for row in range(40)] == [b"%d" % row for row in range(40)]
    assert sorted(rows.asked) == list(range(40))


def test_any_order_and_again() -> None:
    rows = Rows(100)
    with rows.ahead() as ahead:
        assert [ahead[row] for row in (99, 3, 3, 50)] == [b"99", b"3", b"3", b"50"]


def test_what_reading_raises_is_raised_where_the_row_is_wanted() -> None:
    rows = Rows(3, broken={1: Rejection(Reason.MISSING, "gone"), 2: KeyError("a bug")})
    with rows.ahead() as ahead:
        assert ahead[0] == b"0"
        with pytest.raises(Rejection, match="gone"):
            ahead[1]
        assert ahead[1] == b"1"  # asked for again: it is back
        with pytest.raises(KeyError, match="a bug"):
            ahead[2]


def test_a_row_that_hangs_is_rejected_and_the_others_come() -> None:
    hanging = {3, *range(10, 10 + 2 * THREADS)}  # more than there are threads
    rows = Rows(200, held=set(hanging))
    began = time.monotonic()
    with rows.ahead(timeout_s=0.5) as ahead:
        for row in range(200):
            if row in hanging:
                with pytest.raises(Rejection, match=rf"s3://bucket/{row}'.*within 0.5 s") as rejected:
                    ahead[row]
                assert rejected.value.reason is Reason.TIMEOUT
            else:
                assert ahead[row] == b"%d" % row
        rows.let(*hanging)
        assert ahead[3] == b"3"
    assert time.monotonic() - began < len(hanging) * 0.5  # they hang side by side


def test_a_second_try_waits_anew() -> None:
    rows = Rows(1, held={0})
    with rows.ahead(timeout_s=0.2) as ahead:
        with pytest.raises(Rejection):
            ahead[0]
        rows.let(0)
        assert ahead[0] == b"0"


def test_leaving_ends_the_threads_and_asks_for_nothing_more() -> None:
    rows = Rows(500, held=set(range(1, 500)))
    with rows.ahead() as ahead:
        ahead[0]
        rows.wait_until(lambda: len(rows.asked) == THREADS + 1)
    asked = len(rows.asked)
    rows.let(*range(500))
    ends = time.monotonic() + DEADLINE_S
    while any(thread.name == "read-ahead" for thread in threading.enumerate()) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]
    assert len(rows.asked) == asked
