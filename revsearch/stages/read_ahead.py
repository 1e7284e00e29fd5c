"""The bytes of many rows, one after another; those that come over a network are asked for ahead, many at a time.

An object of a bucket is some milliseconds of waiting and little else. Threads wait, up to a limit of rows and of
bytes, while rows that have come are decoded. Files of this machine are read when their turn comes, by who wants them.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from queue import SimpleQueue
from threading import Thread
from typing import Self

from revsearch.rejects import Reason, Rejection
from revsearch.stages.progress import Stopwatch
from revsearch.storage.roots import Place

THREADS = 32
_AHEAD_ROWS = 2 * THREADS
_AHEAD_BYTES = 256 * 2**20
_UNKNOWN_BYTES = _AHEAD_BYTES // THREADS  # what a row is taken for whose size nobody knows


class ReadAhead:
    """Gives the bytes of row after row; leaving the context ends its threads.

    Rows may be asked for in any order and again, but only those that come in order were asked for ahead.
    """

    def __init__(
        self, places: Sequence[Place], sizes: Sequence[int], read: Callable[[int], bytes], *, timeout_s: float
    ) -> None:
        """Read `places` `[m]` by `read`, which is given a number among them.

        Args:
            places: where the rows lie.
            sizes: their bytes, `[m]`, 0 where nobody knows them; what is ahead is limited by them.
            read: reads a row, and raises Rejection where it cannot.
            timeout_s: how long a row of a remote root may take before it is rejected.
        """
        self.places = places
        self._sizes, self._read, self._timeout_s = [size or _UNKNOWN_BYTES for size in sizes], read, timeout_s
        self._queue = SimpleQueue[_Fetch | None]()
        self._ahead: dict[int, _Fetch] = {}
        self._next = 0  # the first row that was never asked for
        self._n_threads = 0

    def __enter__(self) -> Self:
        return self

    def __getitem__(self, row: int) -> bytes:
        """Return the bytes of a row.

        Raises:
            Rejection: as `read` does; `timeout` where a remote row takes too long.
        """
        if not self.places[row].root.is_remote:
            return self._read(row)
        fetch = self._ahead.pop(row, None) or self._ask(row)
        self._next = max(self._next, row + 1)
        self._ask_ahead()
        try:
            return fetch.wait(self._timeout_s)
        except FutureTimeout:
            self._give_up(fetch)
            message = f"{self.places[row].uri!r}: no answer, or not a whole one, within {self._timeout_s:g} s"
            raise Rejection(Reason.TIMEOUT, message) from None

    def fetch(self, row: int, watch: Stopwatch) -> bytes:
        """Return the bytes of a row; `watch` is told how long they were waited for, and how many they are.

        Raises:
            Rejection: the same.
        """
        with watch.time("fetch"):
            data = self[row]
        watch.n_bytes += len(data)
        return data

    def __exit__(self, *error: object) -> None:
        for fetch in self._ahead.values():
            fetch.cancel()
        for _ in range(self._n_threads):
            self._queue.put(None)

    def _ask_ahead(self) -> None:
        n_bytes = sum(self._sizes[row] for row in self._ahead)
        while self._next < len(self.places) and len(self._ahead) < _AHEAD_ROWS and n_bytes < _AHEAD_BYTES:
            if self.places[self._next].root.is_remote:
                self._ahead[self._next] = self._ask(self._next)
                n_bytes += self._sizes[self._next]
            self._next += 1

    def _ask(self, row: int) -> "_Fetch":
        fetch = _Fetch(row)
        if self._n_threads < THREADS:
            self._start_thread()
        self._queue.put(fetch)
        return fetch

    def _give_up(self, fetch: "_Fetch") -> None:
        if not fetch.cancel():  # it has begun: its thread hangs, and ends when it comes back
            self._start_thread()

    def _start_thread(self) -> None:
        # A daemon: no process waits at its end for a server that hangs.
        Thread(target=self._serve, name="read-ahead", daemon=True).start()
        self._n_threads += 1

    def _serve(self) -> None:
        while (fetch := self._queue.get()) is not None:
            fetch.run(self._read)
            if fetch.is_given_up:  # another thread has taken this one's place
                return


class _Fetch:
    """A row that a thread reads, and what came of it."""

    def __init__(self, row: int) -> None:
        self.row, self.is_given_up = row, False
        self._future, self._began = Future[bytes](), 0.0

    def run(self, read: Callable[[int], bytes]) -> None:
        """Read it, unless it was given up before."""
        self._began = time.monotonic()
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            self._future.set_result(read(self.row))
        except BaseException as error:  # noqa: BLE001  # raised where the row is wanted
            self._future.set_exception(error)

    def wait(self, timeout_s: float) -> bytes:
        """Return the bytes, or raise what `read` raised; TimeoutError some time after it began."""
        spent = time.monotonic() - self._began if self._future.running() else 0.0
        return self._future.result(max(0.0, timeout_s - spent))

    def cancel(self) -> bool:
        """Say whether it had not begun; it never will."""
        cancelled = self._future.cancel()
        self.is_given_up = not cancelled
        return cancelled
