"""From what was asked for (`Resources`) to the workers of a training run on the connected cluster."""

from dataclasses import dataclass

from revsearch.errors import InvalidSpec
from revsearch.specs import Resources
from revsearch.stages import cluster

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
    second with one worker and a process that decodes, 75 with two workers that decode by themselves, and 31 with one
    worker of two threads, which spin while they wait for each other.

    Raises:
        InvalidSpec: where the cluster has too few CPUs or GPUs, or workers do not divide the batch.
    """
    cpus, gpus = cluster.n_cpus(), cluster.n_gpus()
    share = resources.gpus_per_worker if resources.gpus_per_worker is not None else min(1.0, gpus)
    n_workers = resources.workers or (int(gpus / share) if share and share <= gpus else _n_on_cpus(cpus, batch_size))
    problems = []
    if n_workers * share > gpus:
        problems.append(f"--workers {n_workers} with {share:g} GPUs each: the cluster has {gpus:g}")
    if n_workers > cpus:
        problems.append(f"--workers {n_workers}: expected at most one a CPU, the cluster has {cpus}")
    if batch_size % n_workers:
        problems.append(
            f"--workers {n_workers}: expected a divisor of --batch-size {batch_size}, which all workers share evenly"
        )
    if problems:
        raise InvalidSpec(*problems)
    cpus_each = max(1, cpus // n_workers)
    n_loaders = resources.decode_workers or (cpus_each - 1 if share else min(1, cpus_each - 1))
    threads = resources.threads or max(1, cpus_each - n_loaders)
    return TrainPool(n_workers, cpus_each, share, n_loaders, threads)


def _n_on_cpus(cpus: int, batch_size: int) -> int:
    return max(n for n in range(1, min(cpus, _MOST_ON_CPUS) + 1) if batch_size % n == 0)
