import pytest

from revsearch.render.verdict import Gain, gains
from revsearch.training import History


@pytest.mark.parametrize(
    ("gain", "is_better"),
    [
        (Gain("ap_plain", 0.4, 0.5), True),
        (Gain("ap_plain", 0.5, 0.4), False),
        (Gain("ap_plain", 0.5, 0.5), False),
        (Gain("mse", 0.5, 0.4), True),
        (Gain("mse", 0.4, 0.5), False),
    ],
)
def test_metrics_are_to_rise_and_losses_to_fall(gain: Gain, is_better: bool) -> None:
    assert gain.is_better is is_better


def test_the_best_candidate_is_held_against_the_start(history: History) -> None:
    found = gains(history)
    assert [(gain.name, gain.start) for gain in found] == [("hit_rate_at_1", 0.7), ("ap_plain", 0.4)]
    assert [gain.change for gain in found] == pytest.approx([0.1, 0.1])
