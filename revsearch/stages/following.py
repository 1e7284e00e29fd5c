"""Following a submitted job: its log as it is written, over connections that may break, until it is over."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from revsearch.errors import ClusterUnavailable
from revsearch.stages.cluster_job import ClusterJob
from revsearch.stages.job_server import JobServer

_LOG = logging.getLogger(__name__)

_LOOK_S = 0.1  # between looks at a young job, which may be over at any moment
_YOUNG_S = 30.0
_LOOK_LATER_S = 1.0
_PATIENCE_S = 120.0  # with a server that does not answer: a restart of the head, or of a tunnel to it
_RECONNECT_S = 0.5
_SAY_PENDING_S = 10.0


@dataclass
class Lines:
    """Cuts a log that comes in pieces, each with its place in the whole, into lines; each is given once."""

    show: Callable[[str], None]
    n_taken: int = 0
    unfinished: str = ""

    def take(self, place: int, text: str) -> None:
        """Take a piece that begins `place` characters into the log, maybe one that was there before."""
        new = text[max(0, self.n_taken - place) :]
        self.n_taken += len(new)
        *lines, self.unfinished = (self.unfinished + new).split("\n")
        for line in lines:
            self.show(line)

    def close(self) -> None:
        """Give the last line, where nothing ends it."""
        if self.unfinished:
            self.show(self.unfinished)
            self.unfinished = ""


def follow(server: JobServer, id: str, show: Callable[[str], None]) -> tuple[ClusterJob, str]:
    """Give each line of a job's log to `show` as it is written; return the job once it is over, and its whole log.

    The log is empty where it is refused for two minutes, which is said: how the job ended is known all the same.

    Raises:
        ClusterUnavailable: where the server is silent for two minutes, or has forgotten the job.
    """
    lines, watch = Lines(show), _Watch(server, id)
    with _tailing(server, id) as pieces:
        while (job := watch.look()) is None or not job.is_over:
            _take_all(pieces, lines, until=time.monotonic() + watch.pause_s)
    log = watch.log()  # the connection lags behind by up to two seconds
    lines.take(0, log)
    lines.close()
    return job, log


def _take_all(pieces: "queue.Queue[tuple[int, str]]", lines: Lines, until: float) -> None:
    """Take pieces as they come, until then."""
    while (left := until - time.monotonic()) > 0:
        try:
            lines.take(*pieces.get(timeout=left))
        except queue.Empty:
            return


@dataclass
class _Watch:
    """Looks at a job again and again, with patience for a server that is away."""

    server: JobServer
    id: str
    began: float = field(default_factory=time.monotonic)
    answered: float = field(default_factory=time.monotonic)
    said_pending: bool = False

    @property
    def pause_s(self) -> float:
        """Seconds until the next look."""
        return _LOOK_S if time.monotonic() - self.began < _YOUNG_S else _LOOK_LATER_S

    def look(self) -> ClusterJob | None:
        """Return the job as it is, None where the server is away."""
        try:
            found = self.server.job(self.id)
        except ClusterUnavailable as error:
            if self._is_patient:
                return None
            raise ClusterUnavailable(
                f"{error}; the job may go on: `revsearch status {self.id}` tells when the cluster is back"
            ) from error
        if found is None:
            raise ClusterUnavailable(f"{self.server.url}: the cluster knows no job {self.id} any more: its head is new")
        self.answered = time.monotonic()
        self._tell_pending(found)
        return found

    def log(self) -> str:
        """Return the whole log of the job that is over, nothing where it is not to be had."""
        said_waiting = False
        while True:
            try:
                return self.server.log(self.id)
            except ClusterUnavailable as error:
                if not self._is_patient:
                    _LOG.warning("%s", error)
                    return ""
                if not said_waiting:
                    said_waiting = True
                    _LOG.info("%s is over; waiting for its log: %s", self.id, error)
            time.sleep(_LOOK_S)

    @property
    def _is_patient(self) -> bool:
        return time.monotonic() - self.answered <= _PATIENCE_S

    def _tell_pending(self, job: ClusterJob) -> None:
        if job.status == "PENDING" and not self.said_pending and time.monotonic() - self.began > _SAY_PENDING_S:
            self.said_pending = True
            _LOG.info("%s is waiting: %s", self.id, job.message)


@contextmanager
def _tailing(server: JobServer, id: str) -> Iterator["queue.Queue[tuple[int, str]]"]:
    """Let a thread put the log's pieces with their places into a queue, reconnecting where the connection ends.

    A thread, so that a signal ends the wait of the main one at once.
    """
    pieces: queue.Queue[tuple[int, str]] = queue.Queue()
    loop = asyncio.new_event_loop()
    tail = loop.create_task(_tail(server, id, pieces))
    thread = threading.Thread(target=_run, args=(loop, tail), name="job-log", daemon=True)
    thread.start()
    try:
        yield pieces
    finally:
        loop.call_soon_threadsafe(tail.cancel)
        thread.join(timeout=_RECONNECT_S)


def _run(loop: asyncio.AbstractEventLoop, tail: "asyncio.Task[None]") -> None:
    try:
        loop.run_until_complete(tail)
    except asyncio.CancelledError:
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _tail(server: JobServer, id: str, pieces: "queue.Queue[tuple[int, str]]") -> None:
    while True:  # also after an end in good order: Ray's head gives one whatever ended its own connection to the log
        place = 0
        try:
            async for text in server.tail(id):
                pieces.put((place, text))
                place += len(text)
        except Exception as error:  # noqa: BLE001  # whatever broke it, the log is asked for again; looks at the job end it
            _LOG.debug("the log of %s broke off: %s", id, error)
        await asyncio.sleep(_RECONNECT_S)
