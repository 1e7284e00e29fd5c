"""Timelines beside a naive loop over units and bins."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revsearch.errors import InvalidSpec
from revsearch.timeline import MAX_BINS, WAIT, Span, Timeline

BEGAN = 1_700_000_000.0
TIMES = st.floats(0, 5e5).map(lambda seconds: BEGAN + seconds)


def unit(began: float, length: float, shares: tuple[float, float]) -> Span:
    return Span(began, began + length, {"fetch": length * shares[0], "embed": length * shares[1]})


LENGTHS = st.one_of(st.just(0.0), st.floats(0.001, 1e5))
SPANS = st.lists(
    st.builds(unit, TIMES, LENGTHS, st.tuples(st.floats(0, 0.5), st.floats(0, 0.5))), min_size=1, max_size=20
)


def naive(timeline: Timeline, spans: list[Span], step: str) -> list[float]:
    """Spread each unit over the bins by how much of it lies in them, one at a time."""
    bins = [0.0] * len(timeline.there)
    for span in spans:
        for number in range(len(bins)):
            low = (timeline.began // timeline.width_s + number) * timeline.width_s
            high = low + timeline.width_s
            length = span.ended - span.began
            if length <= 0:
                share = 1.0 if low <= span.began < high else 0.0
            else:
                share = max(0.0, min(span.ended, high) - max(span.began, low)) / length
            bins[number] += share * span.seconds.get(step, 0.0)
    return bins


@given(SPANS)
def test_units_are_spread_over_bins_as_by_hand(spans: list[Span]) -> None:
    timeline = Timeline.of(spans)
    assert len(timeline.there) <= MAX_BINS
    assert timeline.edges[0] <= timeline.began
    assert timeline.ended < timeline.edges[-1]
    for place, step in enumerate(timeline.steps):
        assert timeline.busy[:, place] == pytest.approx(naive(timeline, spans, step), rel=1e-6, abs=1e-6)


@given(SPANS, st.integers(0, 20))
def test_parts_merged_are_the_whole(spans: list[Span], split: int) -> None:
    whole, parts = Timeline.of(spans), [part for part in (spans[:split], spans[split:]) if part]
    merged = Timeline.of(parts[0])
    for part in parts[1:]:
        merged = merged.merged(Timeline.of(part))
    assert (merged.began, merged.ended, merged.width_s) == (whole.began, whole.ended, whole.width_s)
    assert merged.steps == whole.steps
    assert np.allclose(merged.busy, whole.busy, rtol=1e-6, atol=1e-6)


@given(SPANS)
def test_nothing_is_lost_by_coarser_bins(spans: list[Span]) -> None:
    whole = Timeline.of(spans).merged(Timeline.idle(BEGAN, BEGAN + 1e7))
    assert len(whole.there) <= MAX_BINS
    for step in ("fetch", "embed"):
        assert whole.seconds()[step] == pytest.approx(sum(span.seconds[step] for span in spans), abs=1e-6)


@given(SPANS, st.integers(1, 5))
def test_it_comes_back_from_a_card_to_the_millisecond(spans: list[Span], n_workers: int) -> None:
    sent = Timeline.of(spans).merged(Timeline.idle(BEGAN, BEGAN + 10, n_workers))
    found = Timeline.from_dict(sent.to_dict())
    assert (found.began, found.ended, found.width_s, found.steps) == (sent.began, sent.ended, sent.width_s, sent.steps)
    assert np.allclose(found.busy, sent.busy, atol=0.00051)
    assert np.allclose(found.there, sent.there, atol=0.00051)


def test_wait_is_what_is_left_of_the_workers() -> None:
    spans = [Span(BEGAN, BEGAN + 4, {"embed": 3.0}), Span(BEGAN, BEGAN + 8, {"fetch": 2.0, "embed": 4.0})]
    timeline = Timeline.of(spans).merged(Timeline.idle(BEGAN, BEGAN + 10, 2))
    assert timeline.waited.sum() == pytest.approx(2 * 10 - 9)
    assert timeline.shares() == pytest.approx({"embed": 7 / 20, "fetch": 2 / 20, WAIT: 11 / 20})
    assert timeline.workers[timeline.covered > 0] == pytest.approx(2.0)
    assert timeline.wall_s == 10


def test_workers_come_and_go() -> None:
    timeline = Timeline.idle(BEGAN, BEGAN + 32).merged(Timeline.idle(BEGAN + 8, BEGAN + 16, 3))
    width = timeline.width_s
    expected = [4.0 if 8 <= number * width < 16 else 1.0 for number in range(len(timeline.there) - 1)]
    assert timeline.workers[:-1] == pytest.approx(expected)


def test_clocks_that_differ_make_nothing_negative() -> None:
    behind = Span(BEGAN - 3, BEGAN - 1, {"embed": 2.0})
    backwards = Span(BEGAN + 5, BEGAN + 4, {"embed": 1.0})
    timeline = Timeline.of([behind, backwards]).merged(Timeline.idle(BEGAN, BEGAN - 1, 2))
    assert (timeline.busy >= 0).all()
    assert (timeline.waited >= 0).all()
    assert timeline.seconds() == pytest.approx({"embed": 3.0})
    assert timeline.wall_s >= 0


def test_of_no_time_at_all_there_are_no_shares() -> None:
    assert Timeline.idle(BEGAN, BEGAN).shares() == {WAIT: 0.0}


def test_a_card_stays_readable_however_long_the_run() -> None:
    spans = [Span(BEGAN + 20 * n, BEGAN + 20 * n + 19, {"fetch": 1.0, "embed": 17.123456}) for n in range(5_000)]
    values = Timeline.of(spans).to_dict()
    assert len(str(values)) < 3_000
    assert all(len(line.split()) <= MAX_BINS for line in values["busy"].values())


SOUND = Timeline.of([Span(BEGAN, BEGAN + 1, {"embed": 0.5})]).to_dict()


@pytest.mark.parametrize(
    "changed",
    [
        {"began": math.nan},
        {"began": -1.0},
        {"began": BEGAN + 2},
        {"ended": 1e300},
        {"ended": math.inf},
        {"width_s": 0.0},
        {"width_s": 0.1},
        {"width_s": 2.0**-30},
        {"width_s": "wide"},
        {"busy": {"embed": "nan " * len(SOUND["there"].split())}},
        {"busy": {"embed": "-1 " * len(SOUND["there"].split())}},
        {"busy": {"embed": "1e30 " * len(SOUND["there"].split())}},
        {"busy": {"embed": "1 2 3"}},
        {"busy": {"embed": None}},
        {"busy": {"$\\frac{": SOUND["there"]}},
        {"busy": {"x" * 33: SOUND["there"]}},
        {"busy": {"wait": SOUND["there"]}},
        {"busy": {"a" * (n + 1): SOUND["there"] for n in range(33)}},
        {"busy": []},
        {"there": ""},
        {"there": [1, 2]},
        {"there": "1 " * 100_000},
    ],
)
def test_what_is_no_timeline_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="timeline"):
        Timeline.from_dict({**SOUND, **changed})


@pytest.mark.parametrize("missing", sorted(SOUND))
def test_nothing_may_be_missing(missing: str) -> None:
    with pytest.raises(InvalidSpec, match=missing):
        Timeline.from_dict({name: value for name, value in SOUND.items() if name != missing})


@pytest.mark.parametrize("values", [None, 3, "timeline", []])
def test_something_else_is_refused(values: Any) -> None:
    with pytest.raises(InvalidSpec, match="timeline"):
        Timeline.from_dict(values)


def test_more_bins_than_there_may_be_are_refused() -> None:
    fine = Timeline.idle(BEGAN, BEGAN + 1)
    n = 10 * MAX_BINS
    with pytest.raises(InvalidSpec, match="bins"):
        replace(fine, ended=BEGAN + n * fine.width_s, busy=np.zeros((n, 0)), there=np.zeros(n))


def test_no_unit_of_work_has_no_timeline() -> None:
    with pytest.raises(InvalidSpec, match="at least one unit"):
        Timeline.of([])
