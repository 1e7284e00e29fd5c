"""A training run as one HTML page that needs nothing else, in the look of the report page."""

from revsearch.render.canvas import plot
from revsearch.render.pixels import jpeg
from revsearch.render.report import Sheet, Tile
from revsearch.render.template import render_page
from revsearch.render.timeline_plot import tell_time
from revsearch.render.training_plots import training_panels
from revsearch.render.training_report import TrainingReport, Triplet
from revsearch.render.verdict import gains
from revsearch.training import EpochRecord, History, Validation


def render_training(report: TrainingReport) -> str:
    """Return the page of a training run; written as UTF-8 it opens from a file in any browser."""
    return render_page(
        "training.html.jinja",
        report=report,
        gains={gain.name: gain for gain in gains(report.history)},
        plots=[plot(panel) for panel in training_panels(report.history)],
        time=tell_time(report.timelines),
        candidates=_best_first(report.history),
        figures=_figures(report.history),
        parts=_parts(report.history.epochs),
        triplets=[_tiles(triplet) for triplet in report.triplets],
        sheets=[Sheet(shown.query, shown.before + shown.after) for shown in report.neighbours],
    )


def _best_first(history: History) -> list[Validation]:
    """Return the start, then all that was tried; of equals the earliest first, as `History.best` chooses."""
    start, *tried = history.candidates
    return [start, *sorted(tried, key=lambda validation: -validation.better)]


def _figures(history: History) -> list[str]:
    """Return the names of all validation figures, in the order they first come."""
    return list(dict.fromkeys(name for candidate in history.candidates for name in candidate.metrics))


def _parts(epochs: tuple[EpochRecord, ...]) -> list[str]:
    """Return the names of the loss's terms, where it has more than one."""
    names = list(dict.fromkeys(name for record in epochs for name in record.parts))
    return names if len(names) > 1 else []


def _tiles(triplet: Triplet) -> list[tuple[str, Tile]]:
    roles = ("anchor", "positive", "negative")
    return [
        (role, Tile(view.id, view.label, thumbnail=jpeg(view.pixels)))
        for role, view in zip(roles, triplet.views, strict=True)
    ]
