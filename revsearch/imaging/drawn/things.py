"""Things of the ten classes, one function a class; each draws in the look it is given."""

import math

from revsearch.imaging.drawn.looks import Draw, Look
from revsearch.imaging.drawn.pen import Colour, Pen, Point, around, shade

_DARK = (45, 42, 50)
_WOOD = (122, 84, 54)
_GREEN = (74, 132, 62)
_GLASS = (196, 224, 238)
_CREAM = (244, 234, 214)
_YELLOW = (250, 208, 70)


def draw_balloon(pen: Pen, look: Look) -> None:
    """A hot-air balloon."""
    width = 26 + 8 * look.build
    for x in (-9, 9):
        pen.stroke(_DARK, 0.7, (50 + 1.6 * x, 58), (50 + 0.7 * x, 82))
    pen.shape(look.main, (50 - 0.8 * width, 50), (50 + 0.8 * width, 50), (57, 72), (43, 72))
    for share, colour in ((1.0, look.main), (0.66, look.second), (0.3, look.accent)):
        pen.oval(50, 36, width * share, 31, colour)
    if look.pattern % 2:
        pen.box(50 - width, 33, 50 + width, 40, shade(look.accent, 0.85), 3)
    pen.box(43, 81, 57, 92, _WOOD, 2)


def draw_boat(pen: Pen, look: Look) -> None:
    """A sailing boat."""
    top = 8 + 12 * look.build
    pen.stroke(_WOOD, 2, (48, top), (48, 74))
    pen.shape(look.second, (51, top + 2), (51, 66), (84, 66))
    pen.shape(look.accent, (45, top + 8), (45, 66), (18, 66))
    for n in range(look.pattern):
        pen.stroke(look.main, 2, (51, 40 + 8 * n), (62 + 6 * n, 40 + 8 * n))
    pen.shape(look.main, (8, 70), (92, 70), (78, 90), (22, 90))
    pen.shape(shade(look.main, 0.7), (18, 84), (82, 84), (78, 90), (22, 90))


def draw_butterfly(pen: Pen, look: Look) -> None:
    """A butterfly from above."""
    lower = 13 + 7 * look.build
    for side in (-1, 1):
        pen.oval(50 + 19 * side, 66, lower, lower, look.second)
        pen.oval(50 + 23 * side, 37, 23, 22, look.main)
        pen.oval(50 + 25 * side, 36, 14, 13, shade(look.main, 1.35))
        for x, y in around(50 + 24 * side, 37, 9, look.pattern + 2):
            pen.oval(x, y, 4, 4, look.accent)
        pen.oval(50 + 20 * side, 67, 6, 6, look.accent)
        pen.stroke(_DARK, 1.2, (50, 28), (50 + 10 * side, 10))
    pen.oval(50, 52, 4, 27, _DARK)


def draw_car(pen: Pen, look: Look) -> None:
    """A car from the side."""
    roof = 26 + 10 * look.build
    pen.shape(look.main, (22, 52), (34, roof), (66, roof), (82, 52))
    pen.shape(_GLASS, (29, 51), (37, roof + 4), (48, roof + 4), (48, 51))
    pen.shape(_GLASS, (52, 51), (52, roof + 4), (64, roof + 4), (74, 51))
    pen.box(6, 50, 95, 74, look.main, 7)
    pen.box(6, 66, 95, 74, shade(look.main, 0.75), 3)
    if look.pattern:
        pen.box(8, 57, 93, 58 + 2 * look.pattern, look.second)
    pen.oval(92, 59, 3, 4, _YELLOW)
    for x in (26, 74):
        pen.oval(x, 75, 12, 12, _DARK)
        pen.oval(x, 75, 6, 6, look.accent)


def draw_fish(pen: Pen, look: Look) -> None:
    """A fish that looks to the left."""
    height = 17 + 11 * look.build
    pen.shape(look.second, (70, 50), (95, 50 - height), (88, 50), (95, 50 + height))
    pen.shape(look.accent, (34, 50 - 0.8 * height), (64, 50 - 0.7 * height), (60, 38 - height))
    pen.oval(44, 50, 36, height, look.main)
    pen.oval(44, 50 + 0.45 * height, 26, 0.45 * height, shade(look.main, 1.3))
    for n in range(look.pattern + 1):
        reach = height * (0.86 - 0.1 * n)
        pen.oval(44 + 10 * n, 50, 2.5, reach, look.second)
    pen.shape(look.accent, (40, 54), (58, 50), (56, 66))
    pen.oval(22, 45, 5, 5, (255, 255, 255))
    pen.oval(21, 45, 2.6, 2.6, _DARK)


def draw_flag(pen: Pen, look: Look) -> None:
    """A flag in the wind: bars, bands, a cross or a disc."""
    pen.stroke(_WOOD, 3, (10, 4), (10, 98))
    pen.oval(10, 5, 3, 3, _YELLOW)
    top, bottom = 12.0, 56 + 12 * look.build
    if look.pattern == 3:
        _cloth(pen, look.main, (0, 1), (top, bottom))
        pen.oval(53, 8 + bottom / 2, 13, 13, look.accent)
        return
    colours = (look.accent, look.main, look.second) if look.pattern == 1 else (look.main, look.second, look.accent)
    for n, colour in enumerate(colours):
        low, high = n / 3, (n + 1) / 3
        if look.pattern == 0:
            _cloth(pen, colour, (low, high), (top, bottom))
        else:
            _cloth(pen, colour, (0, 1), (top + (bottom - top) * low, top + (bottom - top) * high))


def _cloth(pen: Pen, colour: Colour, across: tuple[float, float], rows: tuple[float, float]) -> None:
    """Fill the part of the waving cloth between two shares of its width and two heights."""
    steps = [across[0] + (across[1] - across[0]) * n / 16 for n in range(17)]
    edge = [(12 + 82 * step, 5 * math.sin(5.5 * step)) for step in steps]
    above: list[Point] = [(x, rows[0] + lift) for x, lift in edge]
    below: list[Point] = [(x, rows[1] + lift) for x, lift in reversed(edge)]
    pen.shape(colour, *above, *below)


def draw_flower(pen: Pen, look: Look) -> None:
    """A flower with its stem and leaves."""
    pen.stroke(_GREEN, 3, (50, 44), (48, 98))
    pen.shape(_GREEN, (49, 84), (22, 70), (30, 86))
    pen.shape(shade(_GREEN, 0.85), (49, 90), (78, 74), (70, 91))
    size = 9 + 4 * look.build
    for x, y in around(50, 36, 20, 6 + look.pattern):
        pen.oval(x, y, size, size, look.main)
    for x, y in around(50, 36, 12, 5 + look.pattern):
        pen.oval(x, y, 0.6 * size, 0.6 * size, look.second)
    pen.oval(50, 36, 9, 9, look.accent)


def draw_house(pen: Pen, look: Look) -> None:
    """A house from the front."""
    top = 34 + 8 * look.build
    pen.box(68, 14, 77, 40, shade(look.accent, 0.7))
    pen.box(18, top, 82, 92, look.second)
    for row in range(look.pattern * 2):
        pen.stroke(shade(look.second, 0.88), 0.8, (18, top + 8 + 8 * row), (82, top + 8 + 8 * row))
    pen.shape(look.main, (8, top + 4), (50, 8), (92, top + 4))
    pen.shape(shade(look.main, 0.8), (8, top + 4), (92, top + 4), (88, top), (12, top))
    pen.box(43, 66, 57, 92, look.accent, 1)
    for x in (25, 63):
        pen.box(x, 56, x + 13, 70, _CREAM)
        pen.box(x + 1.5, 57.5, x + 11.5, 68.5, _GLASS)


def draw_mushroom(pen: Pen, look: Look) -> None:
    """A mushroom with a dotted cap."""
    stem = 9 + 6 * look.build
    pen.box(50 - stem, 46, 50 + stem, 92, _CREAM, 8)
    pen.box(50, 50, 50 + stem, 92, shade(_CREAM, 0.9), 6)
    pen.oval(50, 54, 22, 5, shade(_CREAM, 0.8))
    pen.wedge(50, 54, 42, 42, (180, 360), look.main)
    pen.oval(50, 54, 42, 6, shade(look.main, 0.8))
    for x, y in around(50, 36, 17 + look.pattern, 4 + look.pattern):
        pen.oval(x, y + 3, 4.5, 4.5, look.second)
    pen.oval(50, 36, 6, 6, look.accent)


def draw_tree(pen: Pen, look: Look) -> None:
    """A tree with a round or a pointed crown, and fruit."""
    pen.box(45, 58, 55, 97, _WOOD, 1)
    wide = 22 + 8 * look.build
    if look.pattern % 2:
        for n in range(3):
            foot = 40 + 16 * n
            pen.shape(shade(look.main, 0.8 + 0.15 * n), (50, foot - 36), (50 - wide, foot), (50 + wide, foot))
    else:
        for side in (-1, 1):
            pen.oval(50 + 16 * side, 46, wide, 24, look.main)
        pen.oval(50, 28, wide, 24, look.main)
        pen.oval(44, 26, 14, 12, shade(look.main, 1.2))
    for x, y in around(50, 44, 17, 4 + look.pattern):
        pen.oval(x, y, 3.6, 3.6, look.accent)


CLASSES: dict[str, Draw] = {
    "balloon": draw_balloon,
    "boat": draw_boat,
    "butterfly": draw_butterfly,
    "car": draw_car,
    "fish": draw_fish,
    "flag": draw_flag,
    "flower": draw_flower,
    "house": draw_house,
    "mushroom": draw_mushroom,
    "tree": draw_tree,
}
