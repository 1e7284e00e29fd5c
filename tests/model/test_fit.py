from typing import Any

import pytest

from revsearch.errors import TrainingCollapsed
from revsearch.model.fit import fit
from revsearch.training import EpochRecord
from tests.model.training import SMALL, batch, learner


def test_an_epoch_is_told_as_its_steps_were() -> None:
    told: list[int] = []
    records: list[tuple[EpochRecord, list[float]]] = []
    fit(
        learner(SMALL["triplet-autoencoder"]),
        range(1, 3),
        lambda epoch: [batch(10 * epoch + step) for step in range(6)],
        on_step=told.append,
        on_epoch=lambda record, losses: records.append((record, list(losses))) or True,  # type: ignore[func-returns-value]  # append
    )
    assert told == [8] * 12
    for number, (record, losses) in enumerate(records, 1):
        assert len(losses) == 6
        assert record.loss == pytest.approx(sum(losses) / 6)
        assert (record.epoch, record.step, record.n_images) == (number, 6 * number, 48)
        assert set(record.parts) == {"triplet", "reconstruction"}
        assert record.loss == pytest.approx(record.parts["triplet"] + record.parts["reconstruction"], rel=1e-5)
        assert record.health.spread > 0
        assert record.seconds > 0


def test_it_ends_when_it_is_told_that_it_is_enough() -> None:
    seen: list[int] = []

    def on_epoch(record: EpochRecord, losses: list[float]) -> bool:
        seen.append(record.epoch)
        return record.epoch < 2

    fit(learner(SMALL["classifier"]), range(1, 10), lambda _: [batch(0)], on_step=lambda *_: None, on_epoch=on_epoch)
    assert seen == [1, 2]


def test_a_loss_that_never_moves_is_a_failure_and_no_success() -> None:
    """No epoch is told of: it would be kept, and a run that is given again would go on behind its failure."""
    frozen, told = learner(SMALL["autoencoder"], lr=1e-30), list[int]()

    def on_epoch(record: EpochRecord, _: Any) -> bool:
        told.append(record.epoch)
        return True

    with pytest.raises(TrainingCollapsed) as error:
        fit(frozen, [1, 2], lambda _: [batch(0)] * 8, on_step=lambda *_: None, on_epoch=on_epoch)
    assert error.value.reason == "frozen_loss"
    assert error.value.exit_code == 4
    assert not told


def test_a_network_that_no_gradient_reaches_is_a_failure() -> None:
    dead = learner(SMALL["classifier"])
    for parameter in dead.objective.parameters():
        parameter.data.zero_()
        parameter.requires_grad_(False)
    with pytest.raises(TrainingCollapsed, match="expected a gradient, found a norm of 0"):
        fit(dead, [1], lambda _: [batch(0), batch(1)], on_step=lambda _: None, on_epoch=lambda *_: True)
