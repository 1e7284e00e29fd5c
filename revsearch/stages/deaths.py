"""How the death of a worker, or of a node with all its workers, looks from outside."""

import ray

# A node that is gone: its tasks fail, what they gave is lost, and what was to run there alone cannot.
NODE_DEATHS = (
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.TaskUnschedulableError,
    ray.exceptions.ActorUnschedulableError,
)

# A worker alone, or, of an actor, its node too: Ray does not say which.
WORKER_DEATHS = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.ActorDiedError,
    ray.exceptions.ActorUnavailableError,
    ray.exceptions.OutOfMemoryError,
    *NODE_DEATHS,
)
