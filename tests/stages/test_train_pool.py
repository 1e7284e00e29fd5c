"""How a training run is fitted to a cluster: no Ray, the cluster's size is said."""

import re
from collections.abc import Callable

import pytest

from revsearch.errors import InvalidSpec, TransientError
from revsearch.specs import Resources
from revsearch.stages import cluster, train_pool
from revsearch.stages.nodes import Node
from revsearch.stages.train_pool import TrainPool, plan_train_again, plan_train_pool

OfSize = Callable[..., None]
BATCH = 60


@pytest.fixture
def of_size(monkeypatch: pytest.MonkeyPatch) -> OfSize:
    def of_size(cpus: int | list[int], gpus: float = 0, *, grows: bool = False) -> None:
        nodes = cpus if isinstance(cpus, list) else [cpus]
        found = [Node(f"node-{n}", "", each, 0) for n, each in enumerate(nodes)]
        monkeypatch.setattr(train_pool, "working_nodes", lambda: found)
        monkeypatch.setattr(train_pool, "may_grow", lambda: grows)
        monkeypatch.setattr(train_pool, "settle", lambda: None)
        monkeypatch.setattr(cluster, "n_gpus", lambda: gpus)

    return of_size


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "batch", "pool"),
    [
        # CPUs: as many workers of one thread as divide the batch, each decodes its own
        (1, 0, Resources(), BATCH, TrainPool(1, 1, 0, 0, 1)),
        (2, 0, Resources(), BATCH, TrainPool(2, 1, 0, 0, 1)),
        (2, 0, Resources(), 61, TrainPool(1, 2, 0, 1, 1)),
        (7, 0, Resources(), BATCH, TrainPool(6, 1, 0, 0, 1)),
        (8, 0, Resources(), 64, TrainPool(8, 1, 0, 0, 1)),
        (64, 0, Resources(), 64, TrainPool(8, 8, 0, 1, 7)),  # no more than 8 by default
        (64, 0, Resources(workers=16), 64, TrainPool(16, 4, 0, 1, 3)),
        (4, 0, Resources(workers=1), BATCH, TrainPool(1, 4, 0, 1, 3)),
        (4, 0, Resources(workers=1, decode_workers=3), BATCH, TrainPool(1, 4, 0, 3, 1)),
        (4, 0, Resources(workers=1, threads=2), BATCH, TrainPool(1, 4, 0, 1, 2)),
        (2, 0, Resources(workers=1, decode_workers=9), BATCH, TrainPool(1, 2, 0, 9, 1)),
        # GPUs: a worker each, the other CPUs decode
        (16, 1, Resources(), BATCH, TrainPool(1, 16, 1.0, 15, 1)),
        (16, 4, Resources(), BATCH, TrainPool(4, 4, 1.0, 3, 1)),
        (1, 1, Resources(), BATCH, TrainPool(1, 1, 1.0, 0, 1)),
        (2, 4, Resources(), BATCH, TrainPool(2, 1, 1.0, 0, 1)),  # a CPU each
        (16, 4, Resources(workers=2), BATCH, TrainPool(2, 8, 1.0, 7, 1)),
        (16, 4, Resources(workers=2, decode_workers=4), BATCH, TrainPool(2, 8, 1.0, 4, 4)),
        (16, 4, Resources(gpus_per_worker=2), BATCH, TrainPool(2, 8, 2, 7, 1)),
        (16, 1, Resources(gpus_per_worker=0.5), BATCH, TrainPool(1, 16, 0.5, 15, 1)),
        (16, 8, Resources(), BATCH, TrainPool(6, 2, 1.0, 1, 1)),  # 8 do not divide 60
        # several nodes: a worker's CPUs lie on one of them
        ([8, 8, 8], 1, Resources(), BATCH, TrainPool(1, 8, 1.0, 7, 1)),
        ([2, 2, 2], 0, Resources(workers=2), BATCH, TrainPool(2, 2, 0, 1, 1)),
        ([4, 2], 0, Resources(workers=3), BATCH, TrainPool(3, 2, 0, 1, 1)),
        # GPUs there, but not wanted
        (2, 1, Resources(gpus_per_worker=0), BATCH, TrainPool(2, 1, 0, 0, 1)),
    ],
)
def test_pools(of_size: OfSize, cpus: int, gpus: float, asked: Resources, batch: int, pool: TrainPool) -> None:
    of_size(cpus, gpus)
    assert plan_train_pool(asked, batch) == pool


@pytest.mark.parametrize("cpus", [1, 2, 3, 5, 8, 13, 40])
@pytest.mark.parametrize("batch", [2, 7, 12, 60, 61, 64, 97])
def test_workers_by_default_divide_the_batch_and_fit_the_cluster(of_size: OfSize, cpus: int, batch: int) -> None:
    of_size(cpus)
    pool = plan_train_pool(Resources(), batch)
    assert batch % pool.n_workers == 0
    assert not [n for n in range(pool.n_workers + 1, min(cpus, 8) + 1) if batch % n == 0], "there is a larger divisor"
    assert pool.n_workers * pool.cpus_per_worker <= cpus
    assert pool.n_loaders + pool.threads <= pool.cpus_per_worker


@pytest.mark.parametrize(
    ("pool", "reserved"),
    [
        (TrainPool(2, 3, 0, 0, 1), {"CPU": 3}),
        (TrainPool(2, 3, 0.5, 0, 1), {"CPU": 3, "GPU": 0.5}),
    ],
)
def test_what_ray_reserves(pool: TrainPool, reserved: dict[str, float]) -> None:
    assert pool.resources == reserved


CPUS = "--workers {}: expected at most one a CPU, the cluster has {}"
DIVISOR = "--workers {}: expected a divisor of --batch-size {}, which all workers share evenly"
GPUS = "--workers {} with {} GPUs each: the cluster has {}"
SHARED = "--gpus-per-worker {}: workers that train together need a GPU each; expected 1"


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "told"),
    [
        (2, 0, Resources(workers=3), [CPUS.format(3, 2)]),
        (8, 0, Resources(workers=7), [DIVISOR.format(7, BATCH)]),
        (2, 0, Resources(workers=7), [CPUS.format(7, 2), DIVISOR.format(7, BATCH)]),
        (2, 4, Resources(workers=4), [CPUS.format(4, 2)]),
        (16, 1, Resources(workers=2), [GPUS.format(2, 1, 1)]),
        (16, 2, Resources(workers=3, gpus_per_worker=0.6), [SHARED.format(0.6)]),
        (16, 0, Resources(workers=1, gpus_per_worker=0.5), [GPUS.format(1, 0.5, 0)]),
        (16, 1, Resources(workers=1, gpus_per_worker=2), [GPUS.format(1, 2, 1)]),
        (2, 0, Resources(gpus_per_worker=1), [GPUS.format(1, 1, 0)]),
        (
            2,
            1,
            Resources(workers=7),
            [GPUS.format(7, 1, 1), CPUS.format(7, 2), DIVISOR.format(7, BATCH)],
        ),
    ],
)
def test_what_the_cluster_or_the_batch_does_not_give(
    of_size: OfSize, cpus: int, gpus: float, asked: Resources, told: list[str]
) -> None:
    of_size(cpus, gpus)
    with pytest.raises(InvalidSpec, match=re.escape(told[0])) as refused:
        plan_train_pool(asked, BATCH)
    assert refused.value.problems == tuple(told)


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "pool"),
    [
        ([0], 0, Resources(workers=4), TrainPool(4, 1, 0, 0, 1)),
        (2, 0, Resources(workers=12, gpus_per_worker=1), TrainPool(12, 1, 1, 0, 1)),
        (2, 0, Resources(), TrainPool(2, 1, 0, 0, 1)),  # who asks for nothing gets what is there
    ],
)
def test_a_cluster_that_grows_is_asked_for_more_than_it_has(
    of_size: OfSize, cpus: int, gpus: float, asked: Resources, pool: TrainPool
) -> None:
    of_size(cpus, gpus, grows=True)
    assert plan_train_pool(asked, BATCH) == pool
    with pytest.raises(InvalidSpec, match="expected a divisor"):
        plan_train_pool(Resources(workers=7), BATCH)


@pytest.mark.parametrize(
    ("cpus", "gpus", "before", "after"),
    [
        ([1], 0, TrainPool(2, 1, 0, 0, 1), TrainPool(1, 1, 0, 0, 1)),
        ([1, 1], 0, TrainPool(2, 1, 0, 0, 1), TrainPool(2, 1, 0, 0, 1)),  # a worker died, its node did not
        ([7, 7], 0, TrainPool(20, 1, 0, 0, 1), TrainPool(12, 1, 0, 0, 1)),
        ([8], 1, TrainPool(2, 8, 1.0, 7, 1), TrainPool(1, 8, 1.0, 7, 1)),
        ([8, 8], 2, TrainPool(2, 1, 0, 0, 1), TrainPool(2, 8, 0, 1, 7)),  # not on GPUs what began without
    ],
)
def test_a_run_goes_on_with_what_is_left(
    of_size: OfSize, cpus: list[int], gpus: float, before: TrainPool, after: TrainPool
) -> None:
    for grows in (False, True):
        of_size(cpus, gpus, grows=grows)
        assert plan_train_again(Resources(workers=before.n_workers), BATCH, before) == after


def test_a_run_on_gpus_does_not_go_on_without(of_size: OfSize) -> None:
    before = TrainPool(2, 8, 1.0, 7, 1)
    of_size([8], 0)
    with pytest.raises(TransientError, match="1 with 1 GPUs each: the cluster has 0"):
        plan_train_again(Resources(), BATCH, before)
    of_size([], 0)
    with pytest.raises(TransientError, match="no node"):
        plan_train_again(Resources(), BATCH, before)
    of_size([8], 0, grows=True)
    assert plan_train_again(Resources(), BATCH, before) == before  # a node is on its way
