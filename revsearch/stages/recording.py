"""What a stage took: its timeline, and the seconds a step that are its sums."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.specs import Resources
from revsearch.stages import cluster, meters
from revsearch.stages.meters import Stage, Work
from revsearch.stages.progress import Stopwatch
from revsearch.storage.artifact import Artifact
from revsearch.storage.roots import Place
from revsearch.storage.store import Store
from revsearch.timeline import Span, Timeline

_START = "start"  # of Ray, and of workers


@dataclass
class Recording:
    """A stage as it goes: the units of work of its workers, and what this process does itself.

    One worker is there from the beginning to the end, this process; for as long as it waits for a pool, that pool is.

    Attributes:
        began: seconds since 1970.
        done: units of work so far; None before the first.
    """

    stage: Stage
    began: float = field(default_factory=time.time)
    done: Timeline | None = None

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Record the block as a unit of work of this process, all of it one step; counted in Ray's metrics too."""
        watch = Stopwatch()
        try:
            with watch.time(step):
                yield
        finally:
            self._note(watch.span())

    def connect(self, resources: Resources, store: Store, pictures: Iterable[Place] = ()) -> None:
        """Connect to Ray, and see that its nodes reach the store and the pictures; see `cluster.connect`."""
        with self.time(_START):
            cluster.connect(resources, store, pictures)

    @contextmanager
    def pool(self, n_workers: int) -> Iterator[None]:
        """Record that so many workers are there during the block, each starting until the first has done something.

        None are where all nodes were lost before it.
        """
        began, before = time.time(), self.done
        self.done = None
        try:
            yield
        finally:
            first = began if self.done is None else max(began, self.done.began)
            self._note(Span(began, first, {_START: n_workers * (first - began)}))
            self.done, theirs = before, self.done
            self.merge(theirs)
            self.merge(Timeline.idle(began, time.time(), max(0, n_workers - 1)))

    def started(self) -> None:
        """Record that this process has come to go on with what another began, which took from its last unit on."""
        since, now = self.began if self.done is None else self.done.ended, time.time()
        self._note(Span(since, now, {_START: max(now - since, 0.0)}))

    def add(self, *spans: Span) -> None:
        """Record units of work of workers, which have counted them."""
        if spans:
            self.merge(Timeline.of(spans))

    def merge(self, timeline: Timeline | None) -> None:
        """Record what somebody else recorded of the same stage, if anything."""
        if timeline is not None:
            self.done = timeline if self.done is None else self.done.merged(timeline)

    @property
    def timeline(self) -> Timeline:
        """All from the beginning of the stage until now."""
        whole = Timeline.idle(self.began, time.time())
        return whole if self.done is None else whole.merged(self.done)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds a step of workers and this process, added up."""
        return self.timeline.seconds()

    def facts(self) -> dict[str, Any]:
        """Return what a card keeps beside the seconds."""
        return {"timeline": self.timeline.to_dict()}

    def _note(self, span: Span) -> None:
        self.add(span)
        meters.count(self.stage, Work(seconds=span.seconds))


def timeline_of(artifact: Artifact) -> Timeline | None:
    """Return the timeline that a card keeps, None where it is of a time when cards kept none.

    Raises:
        CorruptArtifact: where what it keeps is none.
    """
    if "timeline" not in artifact.card.facts:
        return None
    try:
        return Timeline.from_dict(artifact.card.facts["timeline"])
    except InvalidSpec as error:
        raise CorruptArtifact(
            f"{artifact}: its card does not say what its workers did: {error}", reason="card"
        ) from error
