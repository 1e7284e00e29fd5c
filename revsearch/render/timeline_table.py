"""Where the time of a run went, in words: one row a stage, and what most of its workers' time went to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from revsearch.render.numbers import duration
from revsearch.render.report import StageTimeline
from revsearch.render.step_looks import said_of
from revsearch.timeline import Timeline

_TOLD = 0.005  # share of a step that is worth telling


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A stage in the table beside the plot.

    Attributes:
        made: when it ended, UTC.
        workers: there at most.
        shares: of the workers' time, largest first, as step and share of 1.
    """

    name: str
    made: str
    wall_s: float
    workers: int
    shares: tuple[tuple[str, float], ...]

    @property
    def bottleneck(self) -> str:
        """What most of the workers' time went to."""
        step, share = self.shares[0]
        return f"{100 * share:.0f} % of the workers' time {said_of(step)}"


def in_order(stages: Iterable[StageTimeline]) -> list[StageTimeline]:
    """Return stages in the order they began."""
    return sorted(stages, key=lambda stage: (stage.timeline.began, stage.timeline.ended))


def timeline_rows(stages: Iterable[StageTimeline]) -> list[TimelineRow]:
    """Return a row a stage, in the order they began."""
    return [_row(stage) for stage in in_order(stages)]


def bottleneck(rows: Sequence[TimelineRow]) -> str:
    """Return one sentence on the stage that took longest, and what most of its workers' time went to."""
    longest, whole = max(rows, key=lambda row: row.wall_s), sum(row.wall_s for row in rows)
    took = f" took {duration(longest.wall_s)} of {duration(whole)}" if len(rows) > 1 else ""
    return f"{longest.name}{took}: {longest.bottleneck}."


def _row(stage: StageTimeline) -> TimelineRow:
    timeline = stage.timeline
    shares = sorted(timeline.shares().items(), key=lambda item: -item[1])
    return TimelineRow(
        name=stage.name,
        made=datetime.fromtimestamp(timeline.ended, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        wall_s=timeline.wall_s,
        workers=_most_workers(timeline),
        shares=tuple(each for each in shares if each[1] >= _TOLD) or tuple(shares),
    )


def _most_workers(timeline: Timeline) -> int:
    return max(1, round(float(timeline.workers.max())))
