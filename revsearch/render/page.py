"""A report as one HTML page that needs nothing else."""

from collections.abc import Iterator

from revsearch.render.canvas import Plot
from revsearch.render.plots import plot_histogram, plot_hit_curve
from revsearch.render.report import ClassRow, ClassTable, Report
from revsearch.render.template import render_page
from revsearch.render.timeline_plot import tell_time


def render_report(report: Report) -> str:
    """Return the page of `report`; written as UTF-8 it opens from a file in any browser."""
    return render_page(
        "report.html.jinja",
        report=report,
        plots=tuple(_plots(report)),
        time=tell_time(report.timelines),
        classes=_worst_first(report.classes) if report.classes else (),
    )


def _plots(report: Report) -> Iterator[Plot]:
    if report.hit_curve:
        yield plot_hit_curve(report.hit_curve)
    if report.histogram:
        yield plot_histogram(report.histogram)


def _worst_first(table: ClassTable) -> list[ClassRow]:
    return sorted(table.rows, key=lambda row: (*(1.0 if value is None else value for value in row.values), row.label))
