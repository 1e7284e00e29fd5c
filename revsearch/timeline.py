"""What the workers of a stage did when: busy seconds a step, in at most 60 bins however long it took.

Times are seconds since 1970 by the clock of the machine that names them. Clocks of several machines differ by a little:
a unit of work then lies beside where it was by as much. Durations come from one clock each, and nothing is negative.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec

Seconds = NDArray[np.float64]

WAIT = "wait"  # the step that nobody times: what the others leave of workers x wall seconds
MAX_BINS = 60

_FINEST_S = 2.0**-4  # widths are powers of two, and bins begin at multiples of them: timelines add up bin by bin
_STEP = re.compile(r"[a-z][a-z_]{0,31}")
_MAX_STEPS = 32
_MAX_S = 1e12  # a sum of seconds beyond which something is wrong
_END_OF_TIME = 253_402_300_800.0  # the year 10000, which calendars do not have


@dataclass(frozen=True, slots=True)
class Span:
    """A unit of work of one worker: from when to when, and its busy seconds a step."""

    began: float
    ended: float
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Busy seconds of a stage, step by step and bin by bin.

    Bin `i` covers the `width_s` seconds from `(began // width_s + i) * width_s` on; the first and the last reach
    beyond `began` and `ended`.

    Attributes:
        began: when the stage began.
        ended: when it ended.
        width_s: of a bin; a power of two.
        steps: names, in the order they first came.
        busy: float64 `[bins, steps]`, seconds that workers spent on each step.
        there: float64 `[bins]`, seconds that workers were there to spend: of two workers twice those of the clock.
    """

    began: float
    ended: float
    width_s: float
    steps: tuple[str, ...]
    busy: Seconds
    there: Seconds

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise InvalidSpec(f"timeline: {problem}")

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Self:
        """Return the timeline of units of work, from the first's beginning to the last's end.

        A unit's seconds are spread evenly over it. How many workers were there is for `idle` to say.

        Raises:
            InvalidSpec: where there is no unit, or a step has no name that a timeline may keep.
        """
        whole = list(spans)
        if not whole:
            raise InvalidSpec("timeline: expected at least one unit of work, found none")
        steps = tuple(dict.fromkeys(step for span in whole for step in span.seconds))
        seconds = np.array([[span.seconds.get(step, 0.0) for step in steps] for span in whole])
        began = np.array([span.began for span in whole])
        ended = np.maximum(began, [span.ended for span in whole])
        empty = cls._empty(float(began.min()), float(ended.max()))
        busy = _shares(began, ended, empty.edges).T @ seconds.reshape(len(whole), len(steps))
        return replace(empty, steps=steps, busy=busy)

    @classmethod
    def idle(cls, began: float, ended: float, n_workers: int = 1) -> Self:
        """Return the timeline of workers who are there and do nothing; where clocks differ it has no length."""
        empty = cls._empty(began, max(began, ended))
        return replace(empty, there=n_workers * empty.covered)

    def merged(self, other: "Timeline") -> Self:
        """Return both in one, from the first beginning to the last end: the work of both, and the workers."""
        began, ended = min(self.began, other.began), max(self.ended, other.ended)
        empty = self._empty(began, ended, max(self.width_s, other.width_s))
        steps = tuple(dict.fromkeys((*self.steps, *other.steps)))
        busy, there = np.zeros((len(empty.there), len(steps))), np.zeros(len(empty.there))
        for each in (self, other):
            bins = np.floor_divide(each.edges[:-1], empty.width_s).astype(np.int64) - _first(empty)
            columns = np.array([steps.index(step) for step in each.steps], np.int64)
            np.add.at(busy, (bins[:, None], columns), each.busy)
            np.add.at(there, bins, each.there)
        return replace(empty, steps=steps, busy=busy, there=there)

    @classmethod
    def _empty(cls, began: float, ended: float, width_s: float = _FINEST_S) -> Self:
        """Return the timeline of nobody, in bins of `width_s`, or as much wider as it takes."""
        while _n_bins(began, ended, width_s) > MAX_BINS:
            width_s *= 2
        n = _n_bins(began, ended, width_s)
        return cls(began, ended, width_s, (), np.zeros((n, 0)), np.zeros(n))

    @property
    def edges(self) -> Seconds:
        """Where bins begin and end, `[bins + 1]` ascending."""
        numbers = _first(self) + np.arange(len(self.there) + 1)
        return np.multiply(numbers, self.width_s, dtype=np.float64)

    @property
    def wall_s(self) -> float:
        """From beginning to end."""
        return self.ended - self.began

    @property
    def covered(self) -> Seconds:
        """Seconds of each bin between beginning and end, `[bins]`."""
        (covered,) = _overlaps(np.array([self.began]), np.array([self.ended]), self.edges)
        return np.asarray(covered)

    @property
    def workers(self) -> Seconds:
        """How many workers were there in each bin, in the mean, `[bins]`."""
        return self.in_workers(self.there)

    def in_workers(self, seconds: Seconds) -> Seconds:
        """Return seconds of each bin `[bins]` as the number of workers that give them; bins of no length have none."""
        covered = self.covered
        return np.divide(seconds, covered, out=np.zeros_like(covered), where=covered > 0)

    @property
    def waited(self) -> Seconds:
        """What no step took of the seconds that workers were there, `[bins]`; never negative."""
        return np.asarray(np.maximum(self.there - self.busy.sum(axis=1), 0.0))

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each step."""
        return dict(zip(self.steps, self.busy.sum(axis=0).tolist(), strict=True))

    def shares(self) -> dict[str, float]:
        """Return each step's share of the workers' time, that of `wait` last; all nothing where it took no time."""
        totals = {**self.seconds(), WAIT: float(self.waited.sum())}
        whole = sum(totals.values())
        return {step: seconds / whole if whole else 0.0 for step, seconds in totals.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a card; a row of bins is one line of text, to the millisecond, so that cards read."""
        busy = dict(zip(self.steps, map(_line, self.busy.T), strict=True))
        times = {"began": self.began, "ended": self.ended, "width_s": self.width_s}
        return {**times, "busy": busy, "there": _line(self.there)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave.

        Raises:
            InvalidSpec: where it is no timeline.
        """
        try:
            there, rows = _numbers(values["there"]), {step: _numbers(line) for step, line in values["busy"].items()}
            busy = np.stack([*rows.values(), there], axis=1)[:, :-1]
            times = (float(values["began"]), float(values["ended"]), float(values["width_s"]))
            return cls(*times, tuple(rows), busy, there)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InvalidSpec(f"timeline: expected what a stage writes, found {error!r}") from error


def _n_bins(began: float, ended: float, width_s: float) -> int:
    return int(ended // width_s - began // width_s) + 1


def _first(timeline: Timeline) -> int:
    """Return the number of the first bin, counted from 1970."""
    return int(timeline.began // timeline.width_s)


def _overlaps(began: Seconds, ended: Seconds, edges: Seconds) -> Seconds:
    """Return how many seconds of each bin each of n stretches covers, `[n, bins]`."""
    until, since = np.minimum(ended[:, None], edges[1:]), np.maximum(began[:, None], edges[:-1])
    return np.asarray(np.maximum(until - since, 0.0))


def _shares(began: Seconds, ended: Seconds, edges: Seconds) -> Seconds:
    """Return which share of each unit lies in each bin, `[n, bins]`; one that took no time lies where it began."""
    held = _overlaps(began, ended, edges)
    lengths = held.sum(axis=1)
    shares = held / np.where(lengths, lengths, 1.0)[:, None]
    instant = np.flatnonzero(lengths == 0)
    shares[instant, np.searchsorted(edges, began[instant], side="right") - 1] = 1.0
    return shares


def _problem(timeline: Timeline) -> str | None:
    """Return what is wrong with a timeline, None where it is sound."""
    began, ended, width = timeline.began, timeline.ended, timeline.width_s
    if not 0 <= began <= ended < _END_OF_TIME:
        return f"expected seconds since 1970, the beginning before the end, found {began} and {ended}"
    if not (_FINEST_S <= width < _END_OF_TIME and math.frexp(width)[0] == 0.5):
        return f"expected bins of a power of two seconds, at least {_FINEST_S}, found {width}"
    return _problem_of_steps(timeline) or _problem_of_bins(timeline)


def _problem_of_steps(timeline: Timeline) -> str | None:
    steps = timeline.steps
    if len(set(steps)) < len(steps) or len(steps) > _MAX_STEPS:
        return f"expected up to {_MAX_STEPS} different steps, found {len(steps)}"
    if strange := [step for step in steps if not _STEP.fullmatch(step) or step == WAIT]:
        return f"expected steps named by a few small letters, none of them {WAIT}, found {strange[0]!r}"
    return None


def _problem_of_bins(timeline: Timeline) -> str | None:
    n = _n_bins(timeline.began, timeline.ended, timeline.width_s)
    if n > MAX_BINS:
        return f"expected at most {MAX_BINS} bins, found {n}"
    if (timeline.busy.shape, timeline.there.shape) != ((n, len(timeline.steps)), (n,)):
        return f"expected {n} bins of {len(timeline.steps)} steps, found {timeline.busy.shape}"
    for seconds in (timeline.busy, timeline.there):
        if not np.all((seconds >= 0) & (seconds < _MAX_S)):  # neither holds for NaN
            return "expected seconds that are finite and not negative"
    return None


def _line(seconds: Seconds) -> str:
    return " ".join(np.format_float_positional(each, precision=3, trim="-") for each in seconds)


def _numbers(line: str) -> Seconds:
    return np.array([float(number) for number in line.split()])
