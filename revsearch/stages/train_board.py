"""Where a training run tells the driver how it goes: one small actor, which the driver looks at every so often."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from revsearch.errors import RevsearchError
from revsearch.stages.nodes import own_node_id
from revsearch.stages.progress import Progress
from revsearch.timeline import Timeline

_LOOK_EVERY_S = 1.0
_END_S = 20.0

_LOG = logging.getLogger(__name__)


@dataclass
class Notices:
    """What was pinned to the board since it was last looked at.

    Attributes:
        n_done: views trained on since the run began, as far as it was said.
        lines: what people are to know.
    """

    n_done: int = 0
    lines: list[str] = field(default_factory=list)


class _Board:
    """The actor."""

    def __init__(self) -> None:
        self._notices = Notices()
        self._error = b""
        self._outcome: Any = None
        self._timelines: dict[str, Timeline] = {}

    def tell(self, n_done: int, lines: list[str]) -> None:
        """Pin something to the board."""
        self._notices.n_done = max(n_done, self._notices.n_done)
        self._notices.lines += lines

    def take(self) -> Notices:
        """Return what is new."""
        notices, self._notices = self._notices, Notices()
        return notices

    def fail(self, error: bytes) -> None:
        """Pin the first error of our own: it is no worker's death, and trying again would give the same."""
        self._error = self._error or error

    def error(self) -> bytes:
        """Return that error, pickled, or nothing."""
        return self._error

    def record(self, worker: str, timeline: Timeline) -> None:
        """Pin what a worker did since it was started."""
        self._timelines[worker] = timeline

    def timelines(self) -> list[Timeline]:
        """Return what each worker did, dead ones as far as they told."""
        return list(self._timelines.values())

    def finish(self, outcome: Any) -> None:
        """Pin what the run gave."""
        self._outcome = outcome

    def outcome(self) -> Any:
        """Return what the run gave."""
        return self._outcome


class Board:
    """The board as workers and driver hold it; a copy goes to each worker."""

    def __init__(self) -> None:
        # Beside the driver: with it the run ends anyway, and no other node's loss takes the board away.
        here = NodeAffinitySchedulingStrategy(own_node_id(), soft=False)
        self._actor: Any = ray.remote(num_cpus=0)(_Board).options(scheduling_strategy=here).remote()

    def tell(self, n_done: int = 0, *lines: str) -> None:
        """Tell the driver how many views were trained on so far, and what people are to know; without waiting."""
        self._actor.tell.remote(n_done, list(lines))

    def fail(self, error: RevsearchError) -> None:
        """End the run by an error of our own."""
        ray.get(self._actor.fail.remote(cloudpickle.dumps(error)))  # type: ignore[no-untyped-call]  # Ray's own

    @property
    def failed(self) -> bool:
        """Whether a worker ended the run."""
        return bool(ray.get(self._actor.error.remote()))

    def record(self, worker: str, timeline: Timeline) -> None:
        """Hand over what a worker did since it was started, in the place of what it handed over before."""
        ray.get(self._actor.record.remote(worker, timeline))

    def timelines(self) -> list[Timeline]:
        """Return what each worker did, dead ones as far as they told."""
        found: list[Timeline] = ray.get(self._actor.timelines.remote())
        return found

    def finish(self, outcome: Any) -> None:
        """Hand over what the run gave."""
        ray.get(self._actor.finish.remote(outcome))

    def outcome(self) -> Any:
        """Return what the run gave, None where it gave nothing.

        Raises:
            RevsearchError: what a worker ended the run with.
        """
        if error := ray.get(self._actor.error.remote()):
            raise cloudpickle.loads(error)
        return ray.get(self._actor.outcome.remote())

    def watch(self, run: Callable[[], object], step: str, n_images: int) -> None:
        """Do something that takes long, and log meanwhile what workers tell.

        It runs in a thread of its own: Ray Train takes signals over where it runs in the main one, and then SIGTERM and
        Ctrl-C end neither as they should nor at once.

        Args:
            run: what is done; what it raises is raised here.
            step: name of what is going on.
            n_images: views that there are to train on.
        """
        progress, raised = Progress(step, n_images), list[BaseException]()
        runner = threading.Thread(target=_run, args=(run, raised), daemon=True)
        runner.start()
        try:
            while runner.is_alive():
                runner.join(_LOOK_EVERY_S)
                self._show(progress)
            self._show(progress)
        except BaseException:  # a signal: the process ends, and must not while a thread of it is inside Ray
            ray.shutdown()
            runner.join(_END_S)
            raise
        for error in raised:
            raise error

    def _show(self, progress: Progress) -> None:
        try:
            notices: Notices = ray.get(self._actor.take.remote())
        except ray.exceptions.RayError:  # Ray is going down: the driver is told why by the run itself
            return
        if notices.n_done > progress.done:
            progress.add(notices.n_done - progress.done)
        for line in notices.lines:
            _LOG.info("%s", line)


def _run(run: Callable[[], object], raised: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001  # it is raised again, in the thread that waits
        raised.append(error)
