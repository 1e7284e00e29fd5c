"""From what was asked for (`Resources`) to the workers of a training run on the connected cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from revsearch.errors import InvalidSpec, TransientError
from revsearch.specs import Resources
from revsearch.stages import cluster
from revsearch.stages.growth import may_grow
from revsearch.stages.nodes import settle, working_nodes

_MOST_ON_CPUS = 8  # workers by default: each holds the network and its optimizer


@dataclass(frozen=True, slots=True)
class TrainPool:
    """Equal workers, each with its share of the global batch.

    Attributes:
        n_workers: they divide the batch evenly.
        n_loaders: processes a worker that decode; 0: the worker decodes by itself.
        threads: a worker computes with.
    """

    n_workers: int
    cpus_per_worker: int
    gpus_per_worker: float
    n_loaders: int
    threads: int

    @property
    def resources(self) -> dict[str, float]:
        """What Ray reserves for each worker."""
        return {"CPU": self.cpus_per_worker} | ({"GPU": self.gpus_per_worker} if self.gpus_per_worker else {})


def plan_train_pool(resources: Resources, batch_size: int) -> TrainPool:
    """Fit a training run to the connected cluster: a worker a GPU, or as many one-thread workers as divide the batch.

    On CPUs several processes of one thread are quicker than one of several: on 2 cores MobileNetV2 learned 52 views a
    second with one worker and a process that decodes, 90 with two workers that decode by themselves, and 31 with one
    worker of two threads, which spin while they wait for each other.

    Where the cluster grows, more workers may be asked for than have room: nodes are started for them.

    Raises:
        InvalidSpec: where the cluster has too few CPUs or GPUs, or workers do not divide the batch.
    """
    return _fitted(resources, batch_size, may_grow)


def plan_train_again(resources: Resources, batch_size: int, before: TrainPool) -> TrainPool:
    """Fit a run that lost workers to what is left of the cluster: on the same device, with at most as many as before.

    Nodes in place of those that are gone are waited for only where nothing is left: fewer workers learn the same, in
    more time.

    Raises:
        TransientError: where not even one worker has room.
    """
    settle()
    problems = "the cluster has no node to work on"
    for n_workers in range(before.n_workers if working_nodes() else 0, 0, -1):
        fewer = replace(resources, workers=n_workers, gpus_per_worker=before.gpus_per_worker)
        try:
            return _fitted(fewer, batch_size, lambda: False)
        except InvalidSpec as error:
            problems = str(error)
    if may_grow():
        return before
    raise TransientError(f"nodes were lost; the same command goes on from the last checkpoint: {problems}")


def _fitted(resources: Resources, batch_size: int, grows: Callable[[], bool]) -> TrainPool:
    nodes, gpus = [node.cpus for node in working_nodes()], cluster.n_gpus()
    share = resources.gpus_per_worker if resources.gpus_per_worker is not None else min(1.0, gpus)
    most = _MOST_ON_CPUS if not share else int(gpus // share) if share >= 1 else 1
    n_workers = resources.workers or max(
        (n for n in range(1, min(most, sum(nodes)) + 1) if not batch_size % n), default=1
    )
    short = [*_short(n_workers, share, sum(nodes), gpus)]
    if problems := [*(short if short and not grows() else []), *_unequal(n_workers, share, batch_size)]:
        raise InvalidSpec(*problems)
    cpus_each = _cpus_each(n_workers, nodes)
    n_loaders = resources.decode_workers or (cpus_each - 1 if share else min(1, cpus_each - 1))
    threads = resources.threads or max(1, cpus_each - n_loaders)
    return TrainPool(n_workers, cpus_each, share, n_loaders, threads)


def _short(n_workers: int, share: float, cpus: int, gpus: float) -> Iterator[str]:
    """Yield what the cluster has too little of."""
    if n_workers * share > gpus:
        yield f"--workers {n_workers} with {share:g} GPUs each: the cluster has {gpus:g}"
    if n_workers > cpus:
        yield f"--workers {n_workers}: expected at most one a CPU, the cluster has {cpus}"


def _unequal(n_workers: int, share: float, batch_size: int) -> Iterator[str]:
    """Yield why workers cannot do equal work."""
    if 0 < share < 1 < n_workers:
        yield f"--gpus-per-worker {share:g}: workers that train together need a GPU each; expected 1"
    if batch_size % n_workers:
        yield f"--workers {n_workers}: expected a divisor of --batch-size {batch_size}, which all workers share evenly"


def _cpus_each(n_workers: int, nodes: Sequence[int]) -> int:
    """Return the most CPUs a worker can have: all of them lie on one node, of which `nodes` tells the CPUs.

    One where not all have room yet.
    """
    return max((n for n in range(1, max(nodes) + 1) if sum(cpus // n for cpus in nodes) >= n_workers), default=1)
