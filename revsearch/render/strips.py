"""Pictures side by side as one PNG, pixel for pixel: what a decoder rebuilds, what triplets are drawn.

The ground is transparent, and the names are in a grey that light and dark pages both bear. No text from outside is
drawn.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.render.canvas import png
from revsearch.render.training_report import Triplet

_GAP = 6  # pixels between pictures
_NAMES_WIDTH, _NAME_HEIGHT = 70, 24  # pixels; room for the names
_GREY = "#7a8494"
_DPI = 100


def reconstruction_png(originals: NDArray[np.uint8], rebuilt: NDArray[np.uint8]) -> bytes:
    """Return pictures above their reconstructions.

    Args:
        originals: uint8 `[n, side, side, 3]`.
        rebuilt: the same of the decoder.

    Raises:
        InvalidSpec: where the two are not of one shape, or are empty.
    """
    if originals.shape != rebuilt.shape or originals.ndim != 4 or not len(originals):
        raise InvalidSpec(
            "reconstructions: expected pictures and as many rebuilt ones, [n, side, side, 3] each, "
            f"found {list(originals.shape)} and {list(rebuilt.shape)}"
        )
    return _grid_png([originals, rebuilt], rows=("picture", "rebuilt"))


def triplets_png(triplets: Sequence[Triplet]) -> bytes:
    """Return triplets, one a row, each as the network meets it; views are all of one size.

    Raises:
        InvalidSpec: where there is no triplet.
    """
    if not triplets:
        raise InvalidSpec("triplets: expected at least one to draw, found none")
    rows = [np.stack([view.pixels for view in triplet.views]) for triplet in triplets]
    return _grid_png(rows, columns=("anchor", "positive", "negative"))


def _grid_png(
    grid: Sequence[NDArray[np.uint8]],  # rows of [n, height, width, 3]
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> bytes:
    pixels = _joined(grid)
    height, width = grid[0].shape[1:3]
    left, top = _NAMES_WIDTH * bool(rows), _NAME_HEIGHT * bool(columns)
    whole_width, whole_height = pixels.shape[1] + left, pixels.shape[0] + top
    drawn = Figure(figsize=(whole_width / _DPI, whole_height / _DPI), dpi=_DPI)
    drawn.figimage(pixels, xo=left, yo=0, origin="upper")
    for number, name in enumerate(rows):
        y = pixels.shape[0] - number * (height + _GAP) - height / 2
        drawn.text(0, y / whole_height, name, va="center", color=_GREY, fontsize=9)
    for number, name in enumerate(columns):
        x = left + number * (width + _GAP) + width / 2
        drawn.text(x / whole_width, 1, name, ha="center", va="top", color=_GREY, fontsize=9)
    return png(drawn, transparent=True)


def _joined(grid: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return rows of pictures as one, uint8 `[height, width, 4]`, gaps transparent."""
    n_columns, height, width = grid[0].shape[:3]
    shape = (len(grid) * (height + _GAP) - _GAP, n_columns * (width + _GAP) - _GAP, 4)
    joined = np.zeros(shape, np.uint8)
    for row, pictures in enumerate(grid):
        for column, picture in enumerate(pictures):
            y, x = row * (height + _GAP), column * (width + _GAP)
            joined[y : y + height, x : x + width, :3] = picture
            joined[y : y + height, x : x + width, 3] = 255
    return joined
