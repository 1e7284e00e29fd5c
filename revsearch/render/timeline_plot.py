"""What the workers of a run did, stage after stage. Heights are workers, so that areas are seconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from revsearch.render.canvas import DARK, Panel, Plot, Theme, plot
from revsearch.render.numbers import duration
from revsearch.render.report import StageTimeline
from revsearch.render.step_looks import Look, look_of, stacked
from revsearch.render.timeline_table import TimelineRow, bottleneck, in_order, timeline_rows
from revsearch.timeline import WAIT, Timeline

_WIDTH, _HEIGHT = 11.4, 3.7  # inches
_LONG_PAUSE = 0.1  # of all seconds; what lies further apart was not one run, and the pause is cut out
_CUT = 0.03  # of all seconds; the room that a cut takes
_NAMED = 0.06  # of all seconds; a shorter stage has no room for its name


@dataclass(frozen=True, slots=True)
class Placed:
    """A stage where it is drawn.

    Attributes:
        offset: seconds from the left end of the plot.
        pause_s: that were cut out before it.
    """

    name: str
    timeline: Timeline
    offset: float
    pause_s: float = 0.0

    @property
    def end(self) -> float:
        """Where it ends on the plot."""
        return self.offset + self.timeline.wall_s

    @property
    def edges(self) -> NDArray[np.float64]:
        """Where its bins begin and end on the plot, `[bins + 1]`."""
        timeline = self.timeline
        return np.clip(timeline.edges, timeline.began, timeline.ended) - timeline.began + self.offset


@dataclass(frozen=True, slots=True)
class ToldTime:
    """Where the time went: in one sentence, as a picture, and as a table."""

    bottleneck: str
    plot: Plot
    rows: list[TimelineRow]


def tell_time(stages: Sequence[StageTimeline]) -> ToldTime | None:
    """Return what a page tells of the timelines of stages, None where there is none."""
    if not stages:
        return None
    rows = timeline_rows(stages)
    return ToldTime(bottleneck(rows), plot_timeline(stages), rows)


def place(stages: Iterable[StageTimeline]) -> list[Placed]:
    """Return stages one after another on one axis, in the order they began; those side by side in time too."""
    ordered = in_order(stages)
    whole = sum(stage.timeline.wall_s for stage in ordered)
    placed: list[Placed] = []
    end, last = 0.0, ordered[0].timeline.began
    for stage in ordered:
        pause = max(stage.timeline.began - last, 0.0)
        is_cut = pause > _LONG_PAUSE * whole
        offset = end + (_CUT * whole if is_cut else pause)
        placed.append(Placed(stage.name, stage.timeline, offset, pause if is_cut else 0.0))
        end, last = placed[-1].end, max(last, stage.timeline.ended)
    return placed


def plot_timeline(stages: Sequence[StageTimeline]) -> Plot:
    """Draw the timelines of at least one stage."""
    placed = place(stages)

    def draw(axes: Axes, theme: Theme) -> None:
        for stage in placed:
            _draw_stage(axes, stage, theme)
        _draw_names(axes, placed, theme)
        _draw_axes(axes, placed)
        _draw_legend(axes, placed, theme)

    told = " ".join(f"{row.name}: {duration(row.wall_s)}, {row.bottleneck}." for row in timeline_rows(stages))
    return plot(Panel("What the workers did", f"Workers busy with each step, over time. {told}", draw, _WIDTH, _HEIGHT))


def _draw_stage(axes: Axes, stage: Placed, theme: Theme) -> None:
    timeline, edges = stage.timeline, stage.edges
    busy = dict(zip(timeline.steps, timeline.busy.T, strict=True)) | {WAIT: timeline.waited}
    below = np.zeros(len(timeline.there))
    for step in stacked(set(busy)):
        above = below + timeline.in_workers(busy[step])
        axes.stairs(above, edges, baseline=below, fill=True, linewidth=0, color=_colour(look_of(step), theme))
        below = above
    axes.stairs(timeline.workers, edges, baseline=None, color=theme.ink, linewidth=1.4)


def _colour(look: Look, theme: Theme) -> str:
    return look.dark if theme is DARK else look.light


def _draw_names(axes: Axes, placed: Sequence[Placed], theme: Theme) -> None:
    """Name the stages that have room for it, above; say what was cut out between them."""
    whole = placed[-1].end
    above: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "va": "bottom", "color": theme.ink}
    for stage in placed:
        if stage is not placed[0]:
            axes.axvline(stage.offset, color=theme.ink, linewidth=0.6, alpha=0.5)
        if stage.timeline.wall_s > _NAMED * whole:
            axes.text((stage.offset + stage.end) / 2, 1.02, stage.name, ha="center", fontsize=9.5, **above)
        if stage.pause_s:
            axes.text(stage.offset, 1.02, f"// {duration(stage.pause_s)} later", ha="center", fontsize=8, **above)


def _draw_axes(axes: Axes, placed: Sequence[Placed]) -> None:
    most = max(_top(stage.timeline) for stage in placed) or 1.0
    axes.set_xlim(0, placed[-1].end or 1.0)
    axes.set_ylim(0, 1.04 * most)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    pauses = ", pauses left out" if any(stage.pause_s for stage in placed) else ""
    axes.set_xlabel(f"seconds since the beginning{pauses}")
    axes.set_ylabel("workers")


def _top(timeline: Timeline) -> float:
    """Return the most workers that were there, or busy by clocks that differ."""
    return float(np.maximum(timeline.workers, timeline.in_workers(timeline.busy.sum(axis=1))).max())


def _draw_legend(axes: Axes, placed: Sequence[Placed], theme: Theme) -> None:
    """Name the steps of each look that are there, and the line."""
    steps = stacked({step for stage in placed for step in (*stage.timeline.steps, WAIT)})
    kinds: dict[Look, list[str]] = {}
    for step in steps:
        kinds.setdefault(look_of(step), []).append(step.replace("_", " "))
    patches = [Patch(label=", ".join(names), linewidth=0, color=_colour(look, theme)) for look, names in kinds.items()]
    line = Line2D([], [], color=theme.ink, linewidth=1.4, label="workers")
    axes.legend(
        handles=[*patches, line],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=len(patches) + 1,
        frameon=False,
        labelcolor=theme.ink,
        fontsize=9,
        handlelength=1.4,
        columnspacing=1.4,
    )
