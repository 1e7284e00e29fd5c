import logging

import pytest

from revsearch.stages.progress import Progress, Stopwatch
from revsearch.timeline import Span


def test_each_step_is_logged_with_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "revsearch.progress"):
        progress = Progress("embed", 10)
        progress.add(4, 1)
        progress.add(6)
    told = [(record.step, record.total, record.done, record.rejected) for record in caplog.records]
    assert told == [("embed", 10, 0, 0), ("embed", 10, 4, 1), ("embed", 10, 10, 1)]


def test_seconds_of_a_step_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 2.0, 10.0, 13.0, 20.0, 21.0, 30.0])
    monkeypatch.setattr("revsearch.stages.progress.time.perf_counter", lambda: next(ticks))
    watch = Stopwatch(began=1000.0, _since=0.0)
    for step in ("fetch", "fetch", "write"):
        with watch.time(step):
            pass
    assert watch.seconds == {"fetch": 5.0, "write": 1.0}
    assert watch.span() == Span(1000.0, 1030.0, {"fetch": 5.0, "write": 1.0})


def test_a_step_that_fails_is_timed_too() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="no"), watch.time("fetch"):
        raise ValueError("no")
    assert list(watch.seconds) == ["fetch"]
