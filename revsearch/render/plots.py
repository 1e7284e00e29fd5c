"""Plots of the report page. Series are told apart by line style as well as by colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from revsearch.render.canvas import Panel, Plot, Theme, plot
from revsearch.render.numbers import count, figure
from revsearch.render.report import HitCurve, ScoreHistogram


def plot_hit_curve(curve: HitCurve) -> Plot:
    """Draw the hit rate over k."""

    def draw(axes: Axes, theme: Theme) -> None:
        axes.fill_between(curve.ks, curve.values, color=theme.colours[0], alpha=0.10, linewidth=0)
        axes.plot(curve.ks, curve.values, color=theme.colours[0], marker="o", markersize=5, linewidth=2, clip_on=False)
        for k, value in _ends(curve):
            axes.annotate(
                figure(value), (k, value), (0, 8), textcoords="offset points", ha="center", color=theme.ink, fontsize=9
            )
        axes.set_ylim(0, 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
        axes.set_xlabel("k, first places looked at")
        axes.set_ylabel("queries with a hit")

    values = ", ".join(f"{figure(value)} at {k}" for k, value in zip(curve.ks, curve.values, strict=True))
    alt = f"Share of queries with at least one relevant image in the first k: {values}."
    return plot(Panel("Hit rate at k", alt, draw))


def plot_histogram(histogram: ScoreHistogram) -> Plot:
    """Draw how scores are distributed: each series as shares of its own neighbours, so that few matches show too."""
    series = _series(histogram)

    def draw(axes: Axes, theme: Theme) -> None:
        for one in series:
            _draw_series(axes, histogram.edges, one, theme)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("score, higher is more alike")
        axes.set_ylabel("share of each group" if len(series) > 1 else "share of neighbours")
        axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9)

    alt = " ".join(_describe(histogram.edges, one) for one in series)
    return plot(Panel("Scores", f"Histogram of scores. {alt}", draw))


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    counts: tuple[int, ...]
    is_match: bool


def _series(histogram: ScoreHistogram) -> tuple[_Series, ...]:
    if histogram.matches is None:
        return (_Series("neighbours", histogram.others, is_match=True),)
    return _Series("relevant", histogram.matches, is_match=True), _Series("wrong", histogram.others, is_match=False)


def _draw_series(axes: Axes, edges: Sequence[float], series: _Series, theme: Theme) -> None:
    colour, style = (theme.colours[0], "-") if series.is_match else (theme.colours[1], "--")
    total = sum(series.counts)
    shares = [n / max(total, 1) for n in series.counts]
    axes.stairs(shares, edges, fill=True, color=colour, alpha=0.18)
    axes.stairs(shares, edges, color=colour, linewidth=1.8, linestyle=style, label=f"{series.name} ({count(total)})")


def _ends(curve: HitCurve) -> list[tuple[int, float]]:
    points = list(zip(curve.ks, curve.values, strict=True))
    return [points[0], points[-1]] if len(points) > 1 else points


def _describe(edges: Sequence[float], series: _Series) -> str:
    total = sum(series.counts)
    if not total:
        return f"{series.name.capitalize()}: none."
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    mean = sum(middle * n for middle, n in zip(middles, series.counts, strict=True)) / total
    return f"{series.name.capitalize()}: {count(total)}, mean score about {figure(mean)}."
