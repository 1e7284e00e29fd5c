"""Pages from templates: no script, no file beside a page, no network.

Everything from outside is escaped by jinja2, and a page's Content-Security-Policy lets in only its own style sheet,
by its hash, and the pictures it carries.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from revsearch.render import numbers, text

_STYLE = "report.css"


def render_page(template: str, **values: object) -> str:
    """Return a page of the template named; written as UTF-8 it opens from a file in any browser."""
    environment = _environment()
    return environment.get_template(template).render(style_hash=_style_hash(environment), **values)


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
        "short": numbers.short,
        "signed": numbers.signed,
        "signed_short": numbers.signed_short,
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
