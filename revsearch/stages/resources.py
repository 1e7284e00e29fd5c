"""From what was asked for (`Resources`) to what the connected cluster has."""

from dataclasses import dataclass, replace

from revsearch.errors import InvalidSpec, TransientError
from revsearch.specs import Resources
from revsearch.stages import cluster
from revsearch.stages.growth import may_grow
from revsearch.stages.nodes import settle


@dataclass(frozen=True, slots=True)
class Pool:
    """The workers of an embedding job.

    Two topologies: with `n_decoders` CPU workers decode for the encoding actors (GPUs); without, each actor decodes
    its own (CPUs, where moving pixels between processes only costs).
    """

    n_actors: int
    n_decoders: int
    cpus_per_actor: float
    gpus_per_actor: float
    threads: int

    @property
    def device(self) -> str:
        """Where the forward pass runs."""
        return "cuda" if self.gpus_per_actor else "cpu"


def plan_pool(resources: Resources) -> Pool:
    """Fit an embedding job to the connected cluster.

    Where that grows, more workers may be asked for than have room: nodes are started for them.

    Raises:
        InvalidSpec: where GPUs are asked for and the cluster has fewer, and will not get more.
    """
    cpus, gpus = cluster.n_cpus(), cluster.n_gpus()
    share = resources.gpus_per_worker if resources.gpus_per_worker is not None else min(1.0, gpus)
    if share > gpus and not may_grow():
        raise InvalidSpec(f"--gpus-per-worker: expected at most the cluster's {gpus:g} GPUs, found {share:g}")
    most = max(1, _most_on_gpus(gpus, share) if share else cpus - resources.decode_workers)
    n_actors = resources.workers or most
    if share and n_actors > most and not may_grow():
        raise InvalidSpec(
            f"--workers: expected at most {most} with {share:g} of the cluster's {gpus:g} GPUs each, found {n_actors}"
        )
    n_decoders = resources.decode_workers or (max(1, cpus - n_actors) if share else 0)
    if n_actors + n_decoders > cpus and may_grow():
        # Nodes are started for whole CPUs that have no room, not for shares of those that are there.
        cpus = n_actors + n_decoders
    # Every step of the job holds CPUs at the same time: together they must fit, or the job stands still.
    cpus_per_actor = min(1.0, int(100 * cpus / (n_actors + n_decoders)) / 100)
    threads = resources.threads or max(1, cpus // (n_actors + n_decoders))
    return Pool(n_actors, n_decoders, cpus_per_actor, share, threads)


def plan_again(resources: Resources, before: Pool) -> Pool:
    """Fit what is left of a job to what is left of the cluster: on the same device, with as many workers as fit.

    Raises:
        TransientError: where the GPUs are gone.
    """
    settle()
    same = replace(resources, gpus_per_worker=before.gpus_per_actor)
    try:
        return plan_pool(same)
    except InvalidSpec:
        try:
            return plan_pool(replace(same, workers=0))
        except InvalidSpec as error:
            raise TransientError(f"nodes were lost; the same command goes on from what is done: {error}") from error


def _most_on_gpus(gpus: float, share: float) -> int:
    """Return how many workers fit on GPUs: one that takes a part of a GPU has that part of a single one."""
    return int(gpus) * int(1 / share) if share < 1 else int(gpus // share)
