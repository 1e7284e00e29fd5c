"""Curves of a training run: loss, validation beside the start, learning rate, health."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from revsearch.render.canvas import HEIGHT, LIGHT, WIDTH, Panel, Theme, draw, new_figure, png
from revsearch.render.numbers import short
from revsearch.training import EpochRecord, History, Validation

_STYLES = ("-", "--", "-.", ":")
_MOST_POINTS = 2000  # of a line; matplotlib fails on noise of some hundred thousand points, and a screen shows no more
_HEALTH = {  # shares, and a distance of unit vectors: one axis holds them all
    "spread": "spread of embeddings",
    "active_share": "active triplets or pairs",
    "at_margin": "steps pinned at the margin",
}


def training_panels(history: History) -> list[Panel]:
    """Return the curves that there is something to draw for, most telling first."""
    return [
        *_validation_panels(history),
        *_loss_panels(history),
        *_epoch_panels(history.epochs),
    ]


def training_curves_png(history: History) -> bytes:
    """Return all curves as one PNG on white, two a row; for a folder, a mail, a README."""
    panels = training_panels(history)
    n_rows = max(1, math.ceil(len(panels) / 2))
    drawn = new_figure(2 * WIDTH, n_rows * HEIGHT)
    for number, panel in enumerate(panels, 1):
        axes = drawn.add_subplot(n_rows, 2, number)
        draw(panel, axes, LIGHT)
        axes.set_title(panel.title, loc="left", color=LIGHT.ink, fontsize=11)
    return png(drawn, transparent=False)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    x: Sequence[float]
    y: Sequence[float]


def _loss_panels(history: History) -> Iterator[Panel]:
    losses = np.asarray(history.losses, np.float64)  # [steps]
    if not len(losses):
        return
    window = max(1, len(losses) // 30)
    smooth = _running_mean(losses, window)
    shown = slice(None, None, math.ceil(len(losses) / _MOST_POINTS))
    steps = np.arange(1, len(losses) + 1)[shown]

    def curve(axes: Axes, theme: Theme) -> None:
        axes.plot(steps, losses[shown], color=theme.colours[0], alpha=0.3, linewidth=0.9, label="each step")
        axes.plot(steps, smooth[shown], color=theme.colours[0], linewidth=2, label=f"mean of {window} steps")
        _finish(axes, theme, "step", "loss")

    said = f"{len(losses)} steps, from {short(float(smooth[0]))} to {short(float(smooth[-1]))}"
    yield Panel("Loss a step", f"Loss of training: {said}.", curve)


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the mean of each value and those before it, `window` in all; fewer at the beginning."""
    sums = np.cumsum(values)
    sums[window:] -= sums[:-window].copy()
    return sums / np.minimum(np.arange(1, len(values) + 1), window)


def _validation_panels(history: History) -> Iterator[Panel]:
    tried, best = history.candidates[1:], history.best
    for name, start in history.start.metrics.items():
        if name in best.metrics and any(name in candidate.metrics for candidate in tried):
            yield _validation_panel(name, start, tried, best)


def _validation_panel(name: str, start: float, tried: Sequence[Validation], best: Validation) -> Panel:
    lines = list(_share_lines(name, start, tried))

    def curve(axes: Axes, theme: Theme) -> None:
        axes.axhline(start, color=theme.ink, linewidth=1.2, linestyle=(0, (1, 2)), label=f"start, {short(start)}")
        _draw_lines(axes, theme, lines)
        axes.plot(
            [best.epoch], [best.metrics[name]], "*", color=theme.ink, markersize=13, label="handed out", clip_on=False
        )
        _finish(axes, theme, "epoch", name)

    said = f"start {short(start)}, handed out {short(best.metrics[name])} of epoch {best.epoch}"
    return Panel(f"{name}, validation", f"{name} of the candidates on the validation rows: {said}.", curve)


def _share_lines(name: str, start: float, tried: Sequence[Validation]) -> Iterator[_Line]:
    for share in sorted({candidate.share for candidate in tried}, reverse=True):
        points = [(each.epoch, each.metrics[name]) for each in tried if each.share == share and name in each.metrics]
        label = "trained weights" if share == 1 else f"{share:.0%} of the way"
        yield _Line(label, [0, *(epoch for epoch, _ in points)], [start, *(value for _, value in points)])


def _epoch_panels(epochs: Sequence[EpochRecord]) -> Iterator[Panel]:
    if not epochs:
        return
    numbers = [record.epoch for record in epochs]
    parts = {name: [record.parts[name] for record in epochs] for name in epochs[0].parts}
    if len(parts) > 1:
        yield _panel_of("Terms of the loss", "before their weights", numbers, parts)
    health = {label: [_or_nan(getattr(record.health, name)) for record in epochs] for name, label in _HEALTH.items()}
    known = {label: values for label, values in health.items() if not np.isnan(values).all()}
    yield _panel_of("Does it learn", "", numbers, known)
    yield _panel_of("Learning rate", "", numbers, {"learning rate": [record.lr for record in epochs]})


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _panel_of(title: str, y_label: str, numbers: Sequence[float], series: Mapping[str, Sequence[float]]) -> Panel:
    lines = [_Line(name, numbers, values) for name, values in series.items()]

    def curve(axes: Axes, theme: Theme) -> None:
        _draw_lines(axes, theme, lines)
        axes.set_ylim(bottom=0)
        _finish(axes, theme, "epoch", y_label)

    said = "; ".join(f"{line.name} from {short(line.y[0])} to {short(line.y[-1])}" for line in lines)
    return Panel(title, f"{title}, epoch by epoch: {said}.", curve)


def _draw_lines(axes: Axes, theme: Theme, lines: Sequence[_Line]) -> None:
    for line, colour, style in zip(lines, cycle(theme.colours), cycle(_STYLES)):  # cycles have no end
        axes.plot(
            line.x, line.y, color=colour, linestyle=style, linewidth=1.8, marker="o", markersize=4, label=line.name
        )


def _finish(axes: Axes, theme: Theme, x_label: str, y_label: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9)
