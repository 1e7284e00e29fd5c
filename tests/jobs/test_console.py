import io
import logging

import pytest

from jobs.console import SECONDS_BETWEEN_LINES, Console, logs_to


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def progress(
    console: Console, done: int, total: int = 100, rejected: int = 0, step: str = "embed", unit: str = "images"
) -> None:
    extra = {"step": step, "unit": unit, "done": done, "total": total, "rejected": rejected}
    console.emit(logging.makeLogRecord({"name": "revsearch.progress", "msg": "", **extra}))


def test_where_it_is_no_terminal_a_line_every_ten_seconds_and_at_the_end(clock):
    stream = io.StringIO()
    console = Console(stream, clock)
    progress(console, 10)
    clock.now += SECONDS_BETWEEN_LINES - 1
    progress(console, 20)
    assert stream.getvalue() == ""
    clock.now += 1
    progress(console, 30, rejected=1)
    clock.now += 10
    progress(console, 50, rejected=1)
    clock.now += 5
    progress(console, 100, rejected=2)
    assert stream.getvalue().splitlines() == [
        "embed: 30 of 100, 1 rejected, 2 images/s, 35 s left",
        "embed: 50 of 100, 1 rejected, 2 images/s, 25 s left",
        "embed: 100 of 100, 2 rejected, 3.6 images/s, done",
    ]


def test_a_step_may_count_other_things_than_images(clock):
    stream = io.StringIO()
    console = Console(stream, clock)
    progress(console, 0, step="copy", unit="parts")
    clock.now += 10
    progress(console, 100, step="copy", unit="parts")
    assert stream.getvalue() == "copy: 100 of 100, 0 rejected, 10 parts/s, done\n"


def test_every_step_is_timed_by_itself(clock):
    stream = io.StringIO()
    console = Console(stream, clock)
    progress(console, 0, step="list")
    clock.now += 5
    progress(console, 0, step="embed")
    clock.now += 10
    progress(console, 50, step="embed")
    assert stream.getvalue() == "embed: 50 of 100, 0 rejected, 5 images/s, 10 s left\n"


def test_a_step_that_is_done_at_once_has_no_rate(clock):
    stream = io.StringIO()
    progress(Console(stream, clock), 100)
    assert stream.getvalue() == "embed: 100 of 100, 0 rejected\n"


def test_on_a_terminal_there_is_one_bar_with_rejects():
    stream = Terminal()
    console = Console(stream)
    progress(console, 1)
    progress(console, 100, rejected=3)
    console.close()
    shown = stream.getvalue()
    assert "100/100" in shown
    assert "3 rejected" in shown
    assert shown.count("\n") == 1


def test_a_log_line_under_a_bar_is_a_line_of_its_own():
    stream = Terminal()
    console = Console(stream)
    progress(console, 1)
    console.emit(logging.makeLogRecord({"levelno": logging.INFO, "msg": "hello"}))
    console.close()
    assert "hello\n" in stream.getvalue()


def test_log_lines_are_plain_and_stay_one_line():
    stream = io.StringIO()
    log = logging.getLogger("revsearch.stages.some")
    with logs_to(stream):
        log.info("took %s", "a\nb\x1b[0m.jpg")
        log.warning("careful")
        log.debug("not shown")
    log.warning("after the block: not shown")
    assert stream.getvalue() == "took a\\nb\\x1b[0m.jpg\nwarning: careful\n"


def test_debug_lines_are_shown_on_request_and_the_logger_is_left_as_it_was():
    stream, logger = io.StringIO(), logging.getLogger("revsearch")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with logs_to(stream, debug=True):
        logger.debug("shown")
    assert stream.getvalue() == "shown\n"
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
