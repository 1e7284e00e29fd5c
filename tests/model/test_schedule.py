import math
from itertools import pairwise

import pytest

from revsearch.model.schedule import LearningRate


def test_the_warm_up_rises_in_equal_steps_to_the_highest_rate() -> None:
    rate = LearningRate(0.4, 100, "constant", 0.04)
    assert [rate.at(step) for step in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_a_cosine_falls_from_the_highest_rate_to_a_hundredth_of_it() -> None:
    rate = LearningRate(1.0, 50, "cosine", 0.0)
    naive = [0.01 + 0.99 * (1 + math.cos(math.pi * step / 50)) / 2 for step in range(51)]
    assert [rate.at(step) for step in range(51)] == pytest.approx(naive, abs=1e-12)
    assert rate.at(0) == 1.0
    assert rate.at(10**6) == pytest.approx(0.01)  # beyond the last step it stays there


def test_steps_fall_by_ten_at_six_and_nine_tenths() -> None:
    rate = LearningRate(1.0, 100, "step", 0.0)
    assert [rate.at(step) for step in (0, 59, 60, 89, 90, 99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_a_step_has_the_same_rate_however_it_was_reached(schedule: str) -> None:
    straight = LearningRate(0.1, 40, schedule, 0.1)  # type: ignore[arg-type]  # one of the three words
    resumed = LearningRate(0.1, 40, schedule, 0.1)  # type: ignore[arg-type]  # the same
    before = [straight.at(step) for step in range(40)]
    assert [resumed.at(step) for step in range(25, 40)] == before[25:]
    assert all(later <= earlier for earlier, later in pairwise(before[4:]))
