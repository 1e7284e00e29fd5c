import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from revsearch.storage import threads
from revsearch.storage.threads import DaemonThreads, in_threads

SOON_S = 10.0


def test_results_come_in_the_order_of_the_items() -> None:
    done = [threading.Event() for _ in range(8)]

    def work(item: int) -> int:
        if item % 2 == 0:
            assert done[item + 1].wait(SOON_S)
        done[item].set()
        return -item

    assert list(in_threads(3, work, range(8))) == [-item for item in range(8)]


def test_so_many_are_under_way_at_once_whoever_submits() -> None:
    lock, under_way, most, another = threading.Lock(), 0, 0, threading.Barrier(2)

    def work() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        another.wait(SOON_S)
        time.sleep(0.01)  # a third has time to come
        with lock:
            under_way -= 1

    with DaemonThreads(2) as ours, ThreadPoolExecutor(8) as submitting:
        asked = [submitting.submit(ours.submit, work) for _ in range(40)]
        for each in asked:
            each.result().result(SOON_S)
    assert most == 2


def test_nobody_waits_long_for_what_hangs_and_what_has_not_begun_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_GRACE_S", 0.1)
    begun, go_on = [], threading.Event()

    def hang(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("the first")
        go_on.wait()

    began, before = time.monotonic(), set(threading.enumerate())
    with pytest.raises(ValueError, match="the first"):
        list(in_threads(2, hang, range(10)))
    assert time.monotonic() - began < SOON_S
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON_S)
        assert not thread.is_alive()
    assert set(begun) <= {0, 1, 2}  # two and, where it came in time, the one behind


def test_what_is_under_way_and_ends_soon_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, go_on, join = [], threading.Event(), DaemonThreads.join

    def join_at_last(pool: DaemonThreads, timeout_s: float) -> None:
        go_on.set()
        join(pool, timeout_s)

    monkeypatch.setattr(DaemonThreads, "join", join_at_last)

    def work(item: int) -> int:
        if item:
            assert go_on.wait(SOON_S)
        ended.append(item)
        return item

    working = in_threads(2, work, range(2))
    assert next(working) == 0
    working.close()
    assert sorted(ended) == [0, 1]
