"""How every plot looks: size, axes, and colours for light and for dark pages, as PNG bytes.

Only matplotlib's `Figure` is used: pyplot keeps every figure in the process and asks for a display.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 5.6, 3.1  # inches of a plot; 100 CSS pixels each
_DPI = 200  # two image pixels a CSS pixel


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a plot on a light or a dark page: Okabe and Ito's, which colour-blind people tell apart.

    Attributes:
        colours: of series, in the order they are used.
    """

    ink: str
    faint: str
    colours: tuple[str, str, str, str]


LIGHT = Theme(ink="#3b4252", faint="#dfe3ea", colours=("#0072B2", "#D55E00", "#009E73", "#AA4499"))
DARK = Theme(ink="#c9d1dc", faint="#39424f", colours=("#56B4E9", "#F0903C", "#2FC79B", "#DD8CC4"))


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot before it is drawn: title, the words for those who do not see it, what draws it in a theme; inches."""

    title: str
    alt: str
    draw: Callable[[Axes, Theme], None]
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot as two PNGs with transparent ground, and the words for those who do not see it."""

    title: str
    alt: str
    light: bytes
    dark: bytes


def plot(panel: Panel) -> Plot:
    """Draw a panel for light and for dark pages."""
    return Plot(panel.title, panel.alt, _themed(panel, LIGHT), _themed(panel, DARK))


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches."""
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def draw(panel: Panel, axes: Axes, theme: Theme) -> None:
    """Draw a panel without its title."""
    axes.grid(axis="y", color=theme.faint, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.faint)
    axes.tick_params(colors=theme.ink, labelsize=9, length=0)
    panel.draw(axes, theme)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=theme.ink, fontsize=9.5)


def png(figure: Figure, *, transparent: bool) -> bytes:
    """Return a figure as PNG. Without the name of the software equal figures are equal bytes, whatever wrote them."""
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", transparent=transparent, metadata={"Software": None})
    return encoded.getvalue()


def _themed(panel: Panel, theme: Theme) -> bytes:
    figure = new_figure(panel.width, panel.height)
    draw(panel, figure.add_subplot(), theme)
    return png(figure, transparent=True)
