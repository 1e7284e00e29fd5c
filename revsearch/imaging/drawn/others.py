"""Things of no class, for the distractors, drawn like those that have one."""

from revsearch.imaging.drawn.looks import Draw, Look
from revsearch.imaging.drawn.pen import Pen, around, shade

_DARK = (45, 42, 50)
_WOOD = (122, 84, 54)
_CREAM = (244, 234, 214)


def draw_umbrella(pen: Pen, look: Look) -> None:
    """An umbrella."""
    pen.stroke(_WOOD, 2.5, (50, 10), (50, 84), (56, 90), (62, 84))
    for share, colour in ((1.0, look.main), (0.62, look.second), (0.24, look.accent)):
        pen.wedge(50, 52, 42 * share, 40, (180, 360), colour)


def draw_cup(pen: Pen, look: Look) -> None:
    """A cup on its saucer."""
    pen.oval(74, 54, 16, 15, look.main)
    pen.oval(74, 54, 9, 8, look.second)
    pen.oval(48, 88, 40, 6, look.accent)
    pen.shape(look.main, (20, 32), (76, 32), (66, 86), (30, 86))
    pen.oval(48, 32, 28, 6, shade(look.main, 0.7))
    pen.box(23, 48, 73, 56, look.second)


def draw_clock(pen: Pen, look: Look) -> None:
    """A wall clock."""
    pen.oval(50, 50, 42, 42, look.main)
    pen.oval(50, 50, 35, 35, _CREAM)
    for x, y in around(50, 50, 29, 12):
        pen.oval(x, y, 2.2, 2.2, look.second)
    pen.stroke(_DARK, 3, (50, 50), (50 + 18 * look.build, 34))
    pen.stroke(look.accent, 2, (50, 50), (42, 74))


def draw_kite(pen: Pen, look: Look) -> None:
    """A kite with its tail."""
    pen.stroke(_DARK, 0.8, (50, 70), (44, 82), (54, 88), (46, 98))
    pen.shape(look.main, (50, 4), (82, 34), (50, 74))
    pen.shape(look.second, (50, 4), (18, 34), (50, 74))
    pen.shape(look.accent, (50, 34), (82, 34), (50, 74))
    for x, y in ((45, 82), (53, 89)):
        pen.oval(x, y, 4, 2.5, look.accent)


OTHERS: dict[str, Draw] = {
    "umbrella": draw_umbrella,
    "cup": draw_cup,
    "clock": draw_clock,
    "kite": draw_kite,
}
