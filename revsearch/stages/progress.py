"""What a stage tells while it works; the console decides how it looks."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from revsearch.timeline import Span

_LOG = logging.getLogger("revsearch.progress")


@dataclass
class Progress:
    """Rows done of a step, or whatever else it counts in, logged as they come."""

    step: str
    total: int
    done: int = 0
    rejected: int = 0
    unit: str = "images"

    def __post_init__(self) -> None:
        self.add(0)  # a rate is counted from here

    def add(self, done: int, rejected: int = 0) -> None:
        """Count `done` more rows, `rejected` of them rejected."""
        self.done += done
        self.rejected += rejected
        counts = {"total": self.total, "done": self.done, "rejected": self.rejected}
        extra = {"step": self.step, "unit": self.unit, **counts}
        _LOG.info("%s %d/%d", self.step, self.done, self.total, extra=extra)


@dataclass
class Stopwatch:
    """A unit of work from its beginning on: seconds a step, added up, and what was read of pictures.

    Attributes:
        n_bytes: of pictures, as many as whoever reads has added.
        began: seconds since 1970, by this machine's clock; all else is counted by one that is never set.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    n_bytes: int = 0
    began: float = field(default_factory=time.time)
    _since: float = field(default_factory=time.perf_counter)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Count the time of the block for `step`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += time.perf_counter() - begin

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._since

    def span(self) -> Span:
        """Return the unit of work until now."""
        return Span(self.began, self.began + self.elapsed_s, dict(self.seconds))
