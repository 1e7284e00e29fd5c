"""A pen whose paper is 100 wide and high, whatever its pixels."""

import math
from collections.abc import Iterator

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Pen:
    """Draws filled shapes on an image; all coordinates run from 0 to 100, y downwards."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._unit = image.width / 100

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse about (x, y)."""
        self._draw.ellipse(self._pixels((x - rx, y - ry), (x + rx, y + ry)), colour)

    def wedge(self, x: float, y: float, rx: float, ry: float, degrees: tuple[float, float], colour: Colour) -> None:
        """Fill the part of an ellipse between two angles, clockwise from the right."""
        self._draw.pieslice(self._pixels((x - rx, y - ry), (x + rx, y + ry)), *degrees, fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, corner: float = 0.0) -> None:
        """Fill a box with corners of the radius `corner`."""
        self._draw.rounded_rectangle(self._pixels((left, top), (right, bottom)), corner * self._unit, colour)

    def shape(self, colour: Colour, *points: Point) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._pixels(*points), colour)

    def stroke(self, colour: Colour, width: float, *points: Point) -> None:
        """Draw a line through the points."""
        self._draw.line(self._pixels(*points), colour, round(width * self._unit), joint="curve")

    def _pixels(self, *points: Point) -> list[Point]:
        return [(x * self._unit, y * self._unit) for x, y in points]


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker (factor < 1) or lighter (up to 2: white) tone of a colour."""
    toward, share = (255, factor - 1) if factor > 1 else (0, 1 - factor)
    red, green, blue = (round(part + (toward - part) * share) for part in colour)
    return red, green, blue


def around(x: float, y: float, radius: float, count: int) -> Iterator[Point]:
    """Yield `count` points evenly on a circle, from its top."""
    for n in range(count):
        angle = 2 * math.pi * n / count - math.pi / 2
        yield x + radius * math.cos(angle), y + radius * math.sin(angle)
