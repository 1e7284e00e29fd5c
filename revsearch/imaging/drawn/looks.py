"""Looks: what tells one thing of a class from another. All classes draw on the same few palettes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from revsearch.imaging.drawn.pen import Colour, Pen


@dataclass(frozen=True, slots=True)
class Look:
    """Three colours, a pattern of 0 to 3, and a build of 0 to 1: slim to broad."""

    main: Colour
    second: Colour
    accent: Colour
    pattern: int
    build: float


Draw = Callable[[Pen, Look], None]

_PALETTES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((206, 62, 54), (244, 226, 196), (60, 86, 140)),
    ((52, 108, 172), (240, 240, 236), (232, 150, 52)),
    ((232, 168, 48), (178, 70, 60), (250, 240, 210)),
    ((86, 148, 84), (238, 212, 96), (196, 66, 70)),
    ((136, 84, 158), (236, 190, 214), (250, 214, 90)),
    ((226, 116, 138), (250, 236, 226), (110, 150, 96)),
    ((64, 156, 160), (252, 226, 160), (206, 88, 66)),
    ((150, 106, 72), (226, 198, 160), (86, 120, 152)),
)


def choose_look(kind: int, random: np.random.Generator) -> Look:
    """Return a look by chance, in one of the three palettes usual for a kind; kinds n and n + 1 share two of them."""
    main, second, accent = _PALETTES[(kind + random.integers(3)) % len(_PALETTES)]
    return Look(main, second, accent, pattern=int(random.integers(4)), build=random.random())
