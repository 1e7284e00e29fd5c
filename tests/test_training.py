"""What a run tells of itself: through JSON and back, and which candidate is the best."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from revsearch.training import EpochRecord, Health, History, Validation


def candidate(epoch: int, better: float, share: float = 1.0) -> Validation:
    return Validation(epoch, share, {"ap_plain": better}, better)


def record(epoch: int, *validations: Validation, **changed: Any) -> EpochRecord:
    plain = EpochRecord(
        epoch, 10 * epoch, 0.5, {"triplet": 0.25, "distil": 0.5}, 5e-5, 2.5, 1.25, 600, Health(0.9), 0, validations
    )
    return replace(plain, **changed)


WHOLE = History(
    candidate(0, 0.5),
    (
        record(1, candidate(1, 0.4, 0.5), candidate(1, 0.6), health=Health(0.9, 12.0, 0.25, 0.0), n_substituted=3),
        record(2),
        record(3, candidate(3, 0.55)),
    ),
    (1.0, 0.1 + 0.2, 1e-30),
)


@pytest.mark.parametrize("history", [WHOLE, History(candidate(0, -0.1))], ids=["whole", "only the start"])
def test_json_gives_back_what_was_kept(history: History) -> None:
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again == history
    assert isinstance(again.losses, tuple)
    assert all(isinstance(each.validations, tuple) and isinstance(each.health, Health) for each in again.epochs)


def test_a_kept_history_is_not_changed_by_reading_it() -> None:
    values = json.loads(json.dumps(WHOLE.to_dict()))
    before = json.dumps(values)
    History.from_dict(values)
    assert json.dumps(values) == before


@pytest.mark.parametrize("field", [field.name for field in fields(History)])
def test_a_missing_part_of_the_history_is_an_error(field: str) -> None:
    values = WHOLE.to_dict()
    del values[field]
    with pytest.raises((KeyError, TypeError), match=field):
        History.from_dict(values)


@pytest.mark.parametrize("field", [field.name for field in fields(EpochRecord) if field.name != "n_substituted"])
def test_a_missing_field_of_an_epoch_is_an_error(field: str) -> None:
    values = WHOLE.to_dict()
    del values["epochs"][0][field]
    with pytest.raises((KeyError, TypeError), match=field):
        History.from_dict(values)


def test_an_unknown_field_is_an_error() -> None:
    values = WHOLE.to_dict()
    values["epochs"][1]["health"]["mood"] = "good"
    with pytest.raises(TypeError, match="mood"):
        History.from_dict(values)


def test_candidates_come_in_the_order_they_were_tried() -> None:
    assert [(each.epoch, each.share) for each in WHOLE.candidates] == [(0, 1.0), (1, 0.5), (1, 1.0), (3, 1.0)]


@pytest.mark.parametrize(
    ("start", "tried", "best"),
    [
        (0.5, [], (0, 1.0)),
        (0.5, [candidate(1, 0.4), candidate(2, 0.6), candidate(3, 0.55)], (2, 1.0)),
        (0.5, [candidate(1, 0.5), candidate(2, 0.5)], (0, 1.0)),  # training must earn its place
        (0.5, [candidate(1, 0.7, 0.5), candidate(1, 0.7), candidate(2, 0.7)], (1, 0.5)),
        (-0.09, [candidate(1, -0.05), candidate(2, -0.07)], (1, 1.0)),  # errors of reconstructions, below zero
        (0.5, [candidate(1, float("nan")), candidate(2, 0.6)], (2, 1.0)),
        (0.5, [candidate(1, float("nan"))], (0, 1.0)),
    ],
)
def test_the_best_is_the_earliest_of_the_highest(
    start: float, tried: list[Validation], best: tuple[int, float]
) -> None:
    history = History(candidate(0, start), tuple(record(each.epoch, each) for each in tried))
    assert (history.best.epoch, history.best.share) == best
