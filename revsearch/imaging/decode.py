"""From a picture's bytes to upright RGB pixels: the whole picture, or the encoder's square."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from revsearch.imaging.colour import to_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.geometry import fit_square, orientation, turn
from revsearch.imaging.loading import load
from revsearch.space import Preprocess
from revsearch.specs import ImageLimits


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels, and what had to be done to get them.

    Attributes:
        pixels: uint8 `[size, size, 3]`, RGB.
        flags: of `truncated` and `rescaled`, in this order.
    """

    pixels: NDArray[np.uint8]
    flags: tuple[str, ...]


def decode(data: bytes, preprocess: Preprocess, limits: ImageLimits, *, allow_truncated: bool = False) -> Decoded:
    """Decode a picture's first frame into the encoder's square `[size, size, 3]`.

    Threads may call it side by side: nothing global is changed.

    Raises:
        Rejection: what `read_header` raises, TRUNCATED (with `allow_truncated` only where nothing can be shown, or
            the format cannot be read in part), or CORRUPT.
    """
    with pictures_at_fault():
        image, flags = upright_rgb(data, limits, allow_truncated=allow_truncated)
        return Decoded(np.array(fit_square(image, preprocess)), flags)


def upright_rgb(
    data: bytes, limits: ImageLimits, *, allow_truncated: bool, draft_side: int | None = None
) -> tuple[Image.Image, tuple[str, ...]]:
    """Return a decoded picture in mode RGB, upright, with its flags; call it inside `pictures_at_fault`.

    `draft_side` is as in `load`.

    Raises:
        Rejection: as `decode`.
    """
    picture, load_flags = load(data, limits, allow_truncated=allow_truncated, draft_side=draft_side)
    rgb, colour_flags = to_rgb(picture)
    return turn(rgb, orientation(picture)), load_flags + colour_flags
