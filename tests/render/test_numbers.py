import pytest

from revsearch.render.numbers import count, duration, figure, percent, short, signed, signed_short


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.9999, "1.0 s"),
        (12.34, "12.3 s"),
        (99.96, "1 min 40 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_duration_in_the_unit_that_suits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_figures_and_counts() -> None:
    assert [figure(0.75149), figure(None), count(1234567)] == ["0.751", "–", "1,234,567"]


@pytest.mark.parametrize(("part", "whole", "text"), [(1, 4, "25.0"), (5, 4, "100.0"), (-1, 4, "0.0"), (1, 0, "0.0")])
def test_percent_stays_in_the_bar(part: float, whole: float, text: str) -> None:
    assert percent(part, whole) == text


def test_quantities_of_any_size() -> None:
    assert [short(value) for value in (0.00012345678, 812.25, 5.0, None)] == ["0.0001235", "812.2", "5", "–"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0614, "+0.061"), (-0.0041, "−0.004"), (0.0, "±0.000"), (-0.0001, "±0.000")]
)
def test_a_change_has_its_sign(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(-0.00123456, "−0.00123"), (12345.0, "+1.23e+04"), (0.0, "±0")])
def test_a_change_of_any_size_has_its_sign(value: float, text: str) -> None:
    assert signed_short(value) == text
