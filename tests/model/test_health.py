import gc
import weakref
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from revsearch.errors import TrainingCollapsed
from revsearch.model.health import HealthMeter, spread
from revsearch.model.objective import Measured, build_objective
from revsearch.model.seeding import seeded
from revsearch.train_specs import TripletSpec

APART = torch.eye(4)
ONE = torch.ones(4, 4)


def step(
    loss: float, n_triplets: int | None = 6, active: float | None = 0.5, at_margin: bool | None = False
) -> Measured:
    return Measured(torch.tensor(loss), {"triplet": torch.tensor(loss)}, n_triplets, active, at_margin)


def meter_of(*steps: tuple[Measured, Tensor]) -> HealthMeter:
    meter = HealthMeter()
    for measured, embeddings in steps:
        meter.add(measured, embeddings)
    return meter


def test_spread_is_the_mean_distance_of_different_rows_at_unit_length() -> None:
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)) * 7
    pairs = [float((normalize(a, dim=0) - normalize(b, dim=0)).norm()) for a, b in permutations(rows, 2)]
    assert spread(rows) == pytest.approx(sum(pairs) / len(pairs), rel=1e-4)
    assert spread(rows[:1]) == 0
    assert spread(rows[:1].expand(5, -1)) < 1e-3


def test_summary_is_the_mean_over_steps() -> None:
    meter = meter_of((step(1.0, 6, 0.5, True), APART), (step(2.0, 9, 0.25, False), ONE))
    health = meter.summary()
    assert health.spread == pytest.approx(2**0.5 / 2, rel=1e-3)
    assert (health.distinct_triplets, health.active_share, health.at_margin) == (7.5, 0.375, 0.5)


def test_what_a_preset_does_not_have_is_none() -> None:
    health = meter_of((step(1.0, None, None, None), APART)).summary()
    assert (health.distinct_triplets, health.active_share, health.at_margin) == (None, None, None)


def test_no_step_stays_in_memory() -> None:
    measured = Measured(torch.ones(3, requires_grad=True).sum(), {"triplet": torch.tensor(1.0)}, 1, 1.0, False)
    loss = weakref.ref(measured.loss)
    meter = meter_of((measured, APART))
    del measured
    gc.collect()
    assert loss() is None
    assert meter.summary().distinct_triplets == 1


def test_a_healthy_epoch_passes() -> None:
    meter_of(*((step(1 - number / 10), APART) for number in range(8))).check(1)


def test_one_point_is_a_collapse() -> None:
    meter = meter_of(*((step(1 - number / 10), ONE) for number in range(8)))
    with pytest.raises(TrainingCollapsed, match=r"epoch 3: expected embeddings .* to lie apart, found") as raised:
        meter.check(3)
    assert (raised.value.reason, raised.value.exit_code) == ("collapsed", 4)


@pytest.mark.parametrize(("far", "near", "fine"), [(0.02, 0.015, True), (0.009, 0.005, False), (0.005, 0.009, True)])
def test_what_is_near_and_comes_nearer_is_a_collapse(far: float, near: float, fine: bool) -> None:
    def at(distance: float) -> Tensor:
        return torch.tensor([[1.0, 0.0], [1.0, distance]])

    meter = meter_of(*((step(1 - number / 50), at(far + (near - far) * number / 19)) for number in range(20)))
    if fine:
        meter.check(1)
    else:
        with pytest.raises(TrainingCollapsed):
            meter.check(1)


@pytest.mark.parametrize("loss", [0.2, 0.693147])
def test_a_loss_that_does_not_move_is_frozen(loss: float) -> None:
    meter = meter_of(*[(step(loss), APART)] * 5)
    with pytest.raises(TrainingCollapsed, match=f"epoch 2: expected the loss to move, found {loss}") as raised:
        meter.check(2)
    assert raised.value.reason == "frozen_loss"


def test_few_equal_losses_are_no_evidence() -> None:
    meter_of(*[(step(0.2), APART)] * 4).check(1)


@pytest.mark.parametrize("n_triplets", [0, 100])
def test_a_first_epoch_without_active_triplets_stops(n_triplets: int) -> None:
    meter = meter_of(*[(step(0.0, n_triplets, 0.0), APART)] * 6)
    with pytest.raises(
        TrainingCollapsed, match=f"found none with a loss above zero in 6 steps of {n_triplets}"
    ) as raised:
        meter.check(1)
    assert raised.value.reason == "no_active_triplets"


def test_later_on_all_triplets_may_be_as_they_should() -> None:
    meter_of(*[(step(0.0, 100, 0.0), APART)] * 6).check(2)


def test_one_triplet_with_a_loss_is_enough() -> None:
    meter_of((step(0.1), APART), *[(step(0.0, 100, 0.0), APART)] * 6).check(1)


def trained(lr: float, **options: Any) -> HealthMeter:
    """Train a tiny network on noisy pictures of 8 classes: 60 steps of 8 x 5, every one of them random from a seed."""
    random = torch.Generator().manual_seed(1)
    centres, classes = torch.randn(8, 3, 16, 16, generator=random), torch.arange(8).repeat_interleave(5)
    with seeded(0):
        first, second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        network = nn.Sequential(
            first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 16)
        )
    objective, optimizer = (
        build_objective(TripletSpec("m", **options), 16, 8),
        torch.optim.AdamW(network.parameters(), lr),
    )
    meter = HealthMeter()
    for _ in range(60):
        views = centres[classes] + 3 * torch.randn(40, 3, 16, 16, generator=random)
        embeddings = network(views)
        measured = objective(embeddings, classes)
        optimizer.zero_grad()
        measured.loss.backward()
        optimizer.step()
        meter.add(measured, embeddings.detach())
    return meter


def test_hard_negatives_at_a_huge_rate_collapse_a_network_and_are_caught() -> None:
    meter = trained(lr=0.1, miner="hard", margin=0.2)
    with pytest.raises(TrainingCollapsed, match="take --miner semihard") as raised:
        meter.check(1)
    assert raised.value.reason == "collapsed"
    assert (meter.summary().at_margin or 0) > 0.3


def test_the_same_network_learns_from_semihard_ones() -> None:
    meter = trained(lr=0.001, miner="semihard", margin=0.2)
    meter.check(1)
    assert meter.summary().spread > 0.5
