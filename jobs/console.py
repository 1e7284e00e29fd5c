"""How log records look on stderr: plain lines, and one bar (a line every 10 s where it is no terminal) of progress."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from jobs.printable import printable

SECONDS_BETWEEN_LINES = 10.0
_LOGGER = "revsearch"
_PROGRESS = re.compile(r"[^:]+: \d+ of \d+, \d+ rejected\b")
_WARNINGS = "py.warnings"  # where `logging.captureWarnings` sends what libraries warn of


def is_progress(line: str) -> bool:
    """Say whether a line is one of progress, as shown where there is no terminal."""
    return _PROGRESS.match(line) is not None


@contextmanager
def logs_to(stream: TextIO, *, debug: bool = False) -> Iterator[None]:
    """Show what `revsearch.*` logs on `stream` within the block; warnings of libraries with `debug` only."""
    console = Console(stream)
    logging.captureWarnings(True)
    try:
        with (
            _handled(_LOGGER, console, logging.DEBUG if debug else logging.INFO),
            _handled(_WARNINGS, console if debug else logging.NullHandler(), logging.WARNING),
        ):
            yield
    finally:
        logging.captureWarnings(False)
        console.close()


@contextmanager
def _handled(name: str, handler: logging.Handler, level: int) -> Iterator[None]:
    """Let one handler, and no other, have what a logger is told within the block."""
    logger = logging.getLogger(name)
    before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@dataclass
class _Step:
    """A step under way: where it was first seen."""

    name: str
    unit: str
    done_before: int
    began: float

    def line(self, done: int, total: int, rejected: int, now: float) -> str:
        """Say how far it is, how fast, and how long it will take."""
        said = f"{self.name}: {done} of {total}, {rejected} rejected"
        seconds, new = now - self.began, done - self.done_before
        if seconds <= 0 or new <= 0:
            return said
        rate = new / seconds
        return f"{said}, {rate:.4g} {self.unit}/s, " + (
            f"{(total - done) / rate:.0f} s left" if done < total else "done"
        )


class Console(logging.Handler):
    """Shows log records on a stream; records with `step`, `unit`, `done`, `total` and `rejected` are progress."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock
        self._step: _Step | None = None
        self._last_line = 0.0
        self._bar: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; a failure to do so never stops the job."""
        try:
            if hasattr(record, "done"):
                self._progress(record)
            else:
                self._write(_plain(record))
        except Exception:  # noqa: BLE001  # logging's own contract: what goes wrong in a handler goes to handleError
            self.handleError(record)

    def close(self) -> None:
        """Take the bar off the screen."""
        self._close_bar()
        super().close()

    def _progress(self, record: Any) -> None:
        """Take a record with the members of `revsearch.stages.progress`."""
        if self._step is None or self._step.name != record.step:
            self._step = _Step(record.step, record.unit, record.done, self._clock())
            self._last_line = self._step.began
            self._close_bar()
        if self._stream.isatty():
            self._move_bar(record)
        else:
            self._say(self._step, record)

    def _say(self, step: _Step, record: Any) -> None:
        now = self._clock()
        if record.done >= record.total or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._write(printable(step.line(record.done, record.total, record.rejected, now)))

    def _move_bar(self, record: Any) -> None:
        if self._bar is None:
            # Here, because only a terminal needs it. It comes without types.
            from tqdm import tqdm  # type: ignore[import-untyped]  # see above

            self._bar = tqdm(
                total=record.total,
                initial=record.done,
                desc=printable(record.step),
                unit=f" {record.unit}",
                file=self._stream,
                dynamic_ncols=True,
            )
        self._bar.set_postfix_str(f"{record.rejected} rejected", refresh=False)
        self._bar.update(record.done - self._bar.n)
        if record.done >= record.total:
            self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        self._stream.write(line + "\n")
        self._stream.flush()
        if self._bar is not None:
            self._bar.refresh()


def _plain(record: logging.LogRecord) -> str:
    level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
    return printable(f"{level}{record.getMessage()}")
