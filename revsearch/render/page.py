"""A report as one HTML page that needs nothing else: no script, no file beside it, no network.

Everything from outside is escaped by jinja2, and the page's Content-Security-Policy lets in only its own style sheet,
by its hash, and the pictures it carries.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from revsearch.render import numbers, text
from revsearch.render.plots import Plot, plot_histogram, plot_hit_curve
from revsearch.render.report import ClassRow, ClassTable, Report

_STYLE = "report.css"


def render_report(report: Report) -> str:
    """Return the page of `report`; written as UTF-8 it opens from a file in any browser."""
    environment = _environment()
    return environment.get_template("report.html.jinja").render(
        report=report,
        style_hash=_style_hash(environment),
        plots=tuple(_plots(report)),
        classes=_worst_first(report.classes) if report.classes else (),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("revsearch.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": _base64,
        "count": numbers.count,
        "duration": numbers.duration,
        "figure": numbers.figure,
        "percent": numbers.percent,
        "pieces": text.pieces,
        "plain": text.plain,
        "sum_values": _sum_values,
    }
    return environment


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _sum_values(steps: Mapping[str, float]) -> float:
    return sum(steps.values())


def _style_hash(environment: Environment) -> str:
    """Return the hash by which the policy knows the style sheet, of the text as the page includes it."""
    style = environment.get_template(_STYLE).render()
    return _base64(hashlib.sha256(style.encode()).digest())


def _plots(report: Report) -> Iterator[Plot]:
    if report.hit_curve:
        yield plot_hit_curve(report.hit_curve)
    if report.histogram:
        yield plot_histogram(report.histogram)


def _worst_first(table: ClassTable) -> list[ClassRow]:
    return sorted(table.rows, key=lambda row: (*(1.0 if value is None else value for value in row.values), row.label))
