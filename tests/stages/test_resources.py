"""How a job is fitted to a cluster: no Ray, the cluster's size is said."""

from typing import Any

import pytest

from revsearch.errors import InvalidSpec, TransientError
from revsearch.specs import Resources
from revsearch.stages import cluster, resources
from revsearch.stages.resources import Pool, plan_again, plan_pool


@pytest.fixture
def of_size(monkeypatch: pytest.MonkeyPatch) -> Any:
    def of_size(cpus: int, gpus: float = 0, *, grows: bool = False) -> None:
        monkeypatch.setattr(resources, "may_grow", lambda: grows)
        monkeypatch.setattr(resources, "settle", lambda: None)
        monkeypatch.setattr(cluster, "n_cpus", lambda: cpus)
        monkeypatch.setattr(cluster, "n_gpus", lambda: gpus)

    return of_size


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "pool"),
    [
        # CPU: an actor a CPU, each decodes its own
        (2, 0, Resources(), Pool(2, 0, 1.0, 0, 1)),
        (1, 0, Resources(), Pool(1, 0, 1.0, 0, 1)),
        (8, 0, Resources(workers=2), Pool(2, 0, 1.0, 0, 4)),
        (2, 0, Resources(workers=4), Pool(4, 0, 0.5, 0, 1)),
        (2, 0, Resources(threads=3), Pool(2, 0, 1.0, 0, 3)),
        # CPU, but in the topology of GPUs
        (2, 0, Resources(workers=1, decode_workers=1), Pool(1, 1, 1.0, 0, 1)),
        (4, 0, Resources(decode_workers=1), Pool(3, 1, 1.0, 0, 1)),
        # GPUs: an actor each, the other CPUs decode
        (16, 1, Resources(), Pool(1, 15, 1.0, 1.0, 1)),
        (16, 4, Resources(), Pool(4, 12, 1.0, 1.0, 1)),
        (16, 1, Resources(gpus_per_worker=0.5), Pool(2, 14, 1.0, 0.5, 1)),
        (16, 1, Resources(gpus_per_worker=0.3), Pool(3, 13, 1.0, 0.3, 1)),
        (16, 2, Resources(gpus_per_worker=0.6), Pool(2, 14, 1.0, 0.6, 1)),  # one a GPU: what is left of two is no third
        (16, 4, Resources(gpus_per_worker=0.4), Pool(8, 8, 1.0, 0.4, 1)),
        (16, 3, Resources(gpus_per_worker=0.1), Pool(30, 1, 0.51, 0.1, 1)),
        (16, 5, Resources(gpus_per_worker=2), Pool(2, 14, 1.0, 2, 1)),
        (16, 2, Resources(workers=1, decode_workers=4), Pool(1, 4, 1.0, 1.0, 3)),
        (1, 1, Resources(), Pool(1, 1, 0.5, 1.0, 1)),
        (2, 4, Resources(), Pool(4, 1, 0.4, 1.0, 1)),
        # GPUs there, but not wanted
        (4, 1, Resources(gpus_per_worker=0), Pool(4, 0, 1.0, 0, 1)),
    ],
)
def test_pools(of_size: Any, cpus: int, gpus: float, asked: Resources, pool: Pool) -> None:
    of_size(cpus, gpus)
    assert plan_pool(asked) == pool
    assert pool.device == ("cuda" if pool.gpus_per_actor else "cpu")


@pytest.mark.parametrize("cpus", range(1, 20))
@pytest.mark.parametrize("workers", range(1, 8))
def test_all_steps_fit_the_cluster_at_the_same_time(of_size: Any, cpus: int, workers: int) -> None:
    of_size(cpus, 2)
    for asked in (Resources(workers=workers, gpus_per_worker=0.25), Resources(workers=workers, gpus_per_worker=0)):
        pool = plan_pool(asked)
        assert (pool.n_actors + pool.n_decoders) * pool.cpus_per_actor <= cpus + 1e-9
        assert pool.cpus_per_actor > 0
        assert pool.n_actors * pool.gpus_per_actor <= 2


@pytest.mark.parametrize(("gpus", "share"), [(0, 1.0), (0, 0.25), (1, 2.0)])
def test_gpus_that_are_not_there_are_refused(of_size: Any, gpus: float, share: float) -> None:
    of_size(4, gpus)
    with pytest.raises(InvalidSpec, match=rf"--gpus-per-worker: .* cluster's {gpus} GPUs, found {share:g}"):
        plan_pool(Resources(gpus_per_worker=share))


@pytest.mark.parametrize(("gpus", "share", "most"), [(1, 1.0, 1), (2, 0.6, 2), (2, 0.5, 4), (5, 2.0, 2)])
def test_more_workers_than_the_gpus_carry_are_refused(of_size: Any, gpus: float, share: float, most: int) -> None:
    of_size(16, gpus)
    assert plan_pool(Resources(workers=most, gpus_per_worker=share)).n_actors == most
    told = f"--workers: expected at most {most} with {share:g} of the cluster's {gpus} GPUs each, found {most + 1}"
    with pytest.raises(InvalidSpec, match=told):
        plan_pool(Resources(workers=most + 1, gpus_per_worker=share))


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "pool"),
    [
        (2, 0, Resources(), Pool(2, 0, 1.0, 0, 1)),  # who asks for nothing gets what is there
        (2, 0, Resources(workers=16), Pool(16, 0, 1.0, 0, 1)),
        (2, 0, Resources(gpus_per_worker=1), Pool(1, 1, 1.0, 1, 1)),
        (2, 0, Resources(workers=4, gpus_per_worker=1, decode_workers=8), Pool(4, 8, 1.0, 1, 1)),
    ],
)
def test_a_cluster_that_grows_is_asked_for_more_than_it_has(
    of_size: Any, cpus: int, gpus: float, asked: Resources, pool: Pool
) -> None:
    of_size(cpus, gpus, grows=True)
    assert plan_pool(asked) == pool


@pytest.mark.parametrize(
    ("cpus", "gpus", "before", "after"),
    [
        (1, 0, Pool(2, 0, 1.0, 0, 1), Pool(1, 0, 1.0, 0, 1)),
        (8, 1, Pool(2, 14, 1.0, 1.0, 1), Pool(1, 7, 1.0, 1.0, 1)),
        (2, 1, Pool(4, 0, 1.0, 0, 1), Pool(2, 0, 1.0, 0, 1)),  # not on GPUs what began without
    ],
)
def test_a_job_goes_on_with_what_is_left(of_size: Any, cpus: int, gpus: float, before: Pool, after: Pool) -> None:
    of_size(cpus, gpus)
    assert plan_again(Resources(), before) == after


def test_workers_that_were_asked_for_and_have_no_room_any_more_are_done_without(of_size: Any) -> None:
    of_size(8, 1)
    assert plan_again(Resources(workers=2), Pool(2, 14, 1.0, 1.0, 1)) == Pool(1, 7, 1.0, 1.0, 1)


def test_a_job_on_gpus_does_not_go_on_without(of_size: Any) -> None:
    of_size(8, 0)
    with pytest.raises(TransientError, match="the same command goes on"):
        plan_again(Resources(), Pool(2, 14, 1.0, 1.0, 1))
