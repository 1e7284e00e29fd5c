"""Views of a thing: it stands turned, nearer or farther in some scene, and some light falls on both."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from revsearch.imaging.drawn.pen import Colour, Pen, shade

SIDE = 256  # pixels of a view
SHEET = 2 * SIDE  # things and scenes are drawn at twice the size, so that edges come out smooth

_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((120, 178, 226), (222, 236, 244)),
    ((246, 178, 120), (252, 226, 190)),
    ((92, 108, 160), (206, 178, 196)),
    ((186, 198, 206), (232, 234, 232)),
)
_GROUNDS: tuple[Colour, ...] = ((126, 166, 92), (214, 190, 142), (96, 140, 168), (150, 144, 138))
_WALLS: tuple[Colour, ...] = ((236, 226, 210), (206, 218, 214), (222, 200, 196), (190, 196, 214))


def draw_scene(random: np.random.Generator) -> Image.Image:
    """Return a scene to put things in, RGB `[SHEET, SHEET]`."""
    return _outdoors(random) if random.random() < 0.6 else _indoors(random)


def draw_view(thing: Image.Image, scene: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return an RGB view `[SIDE, SIDE]` of a thing, drawn on a clear RGBA sheet `[SHEET, SHEET]`, in a scene."""
    view, placed = scene.copy(), _place(thing, random)
    view.paste(placed, (0, 0), placed)
    return _light(view.reduce(2), random)


def _place(thing: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turn by up to 14 degrees, scale to 0.85 to 1.05, shift by up to 6 %, mirror every second one."""
    if random.random() < 0.5:
        thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale, angle = random.uniform(0.85, 1.05), np.deg2rad(random.uniform(-14, 14))
    shift = random.uniform(-0.06, 0.06, 2) * SHEET
    cos, sin, middle = np.cos(angle) / scale, np.sin(angle) / scale, SHEET / 2
    x, y = middle + shift
    matrix = (cos, sin, middle - cos * x - sin * y, -sin, cos, middle + sin * x - cos * y)
    return thing.transform(thing.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _outdoors(random: np.random.Generator) -> Image.Image:
    """Sky over hills and ground, with clouds."""
    scene = _fade(*_SKIES[random.integers(len(_SKIES))])
    pen, ground = Pen(scene), _GROUNDS[random.integers(len(_GROUNDS))]
    for x, y in random.uniform((0, 6), (100, 34), (3, 2)):
        for offset in (-7, 0, 7):
            pen.oval(x + offset, y, 8, 4, (246, 248, 250))
    horizon = random.uniform(60, 78)
    for x in random.uniform(0, 100, 3):
        pen.oval(x, horizon + 10, 42, 18, shade(ground, 1.25))
    pen.box(0, horizon, 100, 100, ground)
    for x, y in random.uniform((0, horizon + 3), (100, 100), (24, 2)):
        pen.oval(x, y, 3, 0.7, shade(ground, 0.9))
    return scene


def _indoors(random: np.random.Generator) -> Image.Image:
    """A papered wall, plain, striped or dotted, over a table."""
    wall = _WALLS[random.integers(len(_WALLS))]
    scene = _fade(wall, shade(wall, 0.9))
    pen, paper = Pen(scene), random.integers(3)
    for n in range(0, 100, 12):
        if paper == 1:
            pen.box(n, 0, n + 5, 100, shade(wall, 0.93))
        for y in range(0, 100, 12) if paper == 2 else ():
            pen.oval(n + 6 * (y % 24 == 0), y, 1.6, 1.6, shade(wall, 0.82))
    table = random.uniform(76, 88)
    pen.box(0, table, 100, 100, (158, 118, 84))
    pen.box(0, table, 100, table + 1.5, (184, 146, 108))
    return scene


def _fade(top: Colour, bottom: Colour) -> Image.Image:
    """Return a sheet that goes from one colour to the other downwards."""
    share = np.linspace(0, 1, SHEET)[:, None]
    rows = np.asarray(top) * (1 - share) + np.asarray(bottom) * share  # [SHEET, 3]
    return Image.fromarray(np.broadcast_to(rows[:, None], (SHEET, SHEET, 3)).astype(np.uint8))


def _light(view: Image.Image, random: np.random.Generator) -> Image.Image:
    """Light a view: brighter or darker, warmer or colder, and falling off to one side."""
    cast = random.uniform(0.9, 1.08) * random.uniform(0.98, 1.02, 3)
    left, right = random.uniform(0.94, 1.04, 2)
    fall_off = np.linspace(left, right, SIDE)[:, None]  # [SIDE, 1], along a row
    pixels: NDArray[np.float64] = np.asarray(view) * (fall_off * cast)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
