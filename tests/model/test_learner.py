from pathlib import Path

import pytest
import torch

from revsearch.errors import TrainingDiverged
from revsearch.model.checkpoint import load_checkpoint, save_checkpoint
from tests.model.training import SMALL, batch, learner


@pytest.mark.parametrize("preset", SMALL)
def test_the_loss_falls(preset: str) -> None:
    trained = learner(SMALL[preset])
    losses = [trained.learn(batch(step)).measured.loss.item() for step in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("preset", SMALL)
def test_the_same_seed_gives_the_same_weights(preset: str) -> None:
    one, other = learner(SMALL[preset]), learner(SMALL[preset])
    for step in range(4):
        one.learn(batch(step))
        other.learn(batch(step))
    assert all(torch.equal(a, b) for a, b in zip(one.trainee.parameters(), other.trainee.parameters(), strict=True))
    third = learner(SMALL[preset], seed=1)
    assert any(not torch.equal(a, b) for a, b in zip(one.start.parameters(), third.start.parameters(), strict=True))


@pytest.mark.parametrize("preset", SMALL)
def test_a_run_that_is_resumed_ends_where_one_that_went_through_does(preset: str, tmp_path: Path) -> None:
    through, first, second = (learner(SMALL[preset]) for _ in range(3))
    for step in range(6):
        through.learn(batch(step))
    for step in range(3):
        first.learn(batch(step))
    save_checkpoint(tmp_path / "c", first.tensors(), {"step": first.step})
    tensors, values = load_checkpoint(tmp_path / "c")
    second.load(tensors, values["step"])
    for step in range(3, 6):
        second.learn(batch(step))
    expected, found = through.tensors(), second.tensors()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert second.step == 6


def test_a_step_is_one_of_adamw_on_the_rates_of_the_schedule() -> None:
    """Against torch's own AdamW, one group, without decay or clipping: equal to rounding."""
    trained = learner(SMALL["autoencoder"], weight_decay=0.0, clip_norm=0.0, schedule="constant", warmup=0.0)
    plain = learner(SMALL["autoencoder"])
    optimizer = torch.optim.AdamW(plain.trainee.parameters(), lr=3e-3, weight_decay=0.0)
    for step in range(3):
        views = batch(step).views
        rebuilt = plain.trainee(views).rebuilt
        loss = (rebuilt - views / 255).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert trained.learn(batch(step)).measured.loss.item() == pytest.approx(loss.item(), rel=1e-5)
    for mine, theirs in zip(trained.trainee.parameters(), plain.trainee.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_clipped_and_told_as_it_was_before() -> None:
    free, clipped = learner(SMALL["classifier"], clip_norm=0.0), learner(SMALL["classifier"], clip_norm=1e-3)
    norms = [each.learn(batch(0)).gradient_norm for each in (free, clipped)]
    assert norms[0] == pytest.approx(norms[1])
    assert norms[0] > 1e-3
    after = [parameter.grad.norm() for parameter in clipped.trainee.parameters() if parameter.grad is not None]
    assert torch.stack(after).norm().item() <= 1e-3 * 1.001


def test_the_start_stays_where_it_was() -> None:
    trained = learner(SMALL["classifier"])
    before = {name: value.clone() for name, value in trained.start.state_dict().items()}
    for step in range(3):
        trained.learn(batch(step))
    assert all(torch.equal(value, before[name]) for name, value in trained.start.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in trained.trainee.state_dict().items())


def test_a_loss_that_is_no_number_stops_the_run_before_weights_are_touched() -> None:
    trained = learner(SMALL["classifier"])
    with torch.no_grad():
        next(trained.objective.parameters()).fill_(float("nan"))
    before = [parameter.clone() for parameter in trained.trainee.parameters()]
    with pytest.raises(TrainingDiverged, match="step 1: expected a finite loss, found nan; lower --lr"):
        trained.learn(batch(0))
    assert all(torch.equal(a, b) for a, b in zip(before, trained.trainee.parameters(), strict=True))


def test_bf16_learns_too() -> None:
    trained = learner(SMALL["classifier"], precision="bf16")
    losses = [trained.learn(batch(step)).measured.loss.item() for step in range(40)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
