"""Threads that no process waits for at its end.

It does wait for those of concurrent.futures, and so for a server that takes minutes to answer.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

_GRACE_S = 5.0  # what is under way mostly ends within it, and need not be done again

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Params = ParamSpec("_Params")


def in_threads(n_threads: int, do: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield what comes of each item, in their order, several under way at once.

    Who leaves early, by an error, a signal or of his own accord, waits for what is under way, but for seconds only.
    """
    threads = DaemonThreads(n_threads)
    try:
        yield from threads.map(do, items)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        threads.join(_GRACE_S)


class DaemonThreads(Executor):
    """Runs what is submitted, begun in that order, in up to `max_workers` threads."""

    def __init__(self, max_workers: int) -> None:
        self._max_workers = max_workers
        self._queue = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]()
        self._threads: list[Thread] = []
        self._lock = Lock()

    def submit(
        self, fn: Callable[_Params, _Result], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> Future[_Result]:
        """See `Executor.submit`."""
        future = Future[_Result]()
        self._queue.put((future, partial(fn, *args, **kwargs)))
        with self._lock:
            if len(self._threads) < self._max_workers:
                thread = Thread(target=self._serve, name="storage", daemon=True)
                thread.start()
                self._threads.append(thread)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor.shutdown`."""
        if cancel_futures:
            self._cancel()
        for _ in self._threads:
            self._queue.put(None)
        if wait:
            self.join()

    def join(self, timeout_s: float = math.inf) -> None:
        """Wait until the threads have ended after a shutdown, or for some time."""
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(None if math.isinf(ends) else max(0.0, ends - time.monotonic()))

    def _cancel(self) -> None:
        while True:
            try:
                task = self._queue.get_nowait()
            except Empty:
                return
            if task is not None:
                task[0].cancel()

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            future, call = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  # raised where the result is wanted
                    future.set_exception(error)
            del task, future, call  # nobody is to keep a result alive while waiting
