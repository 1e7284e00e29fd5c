"""A picture for training views: upright RGB, no larger than the views need."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from revsearch.imaging.decode import upright_rgb
from revsearch.imaging.faults import pictures_at_fault
from revsearch.imaging.geometry import shorter_side_to
from revsearch.specs import ImageLimits


def decode_reduced(data: bytes, side: int, limits: ImageLimits) -> NDArray[np.uint8]:
    """Decode a picture's first frame, its shorter side resized to `side` with antialiasing, as uint8 `[h, w, 3]`.

    A smaller picture keeps its size: views are resized anyway. A JPEG of more than twice the side is decoded at a
    half, a quarter or an eighth of its size, but at twice the side at least: 12 ms instead of 49 for one of 3,000
    pixels. That differs from decoding it whole by a level or so, far less than what views are jittered by; pictures
    to embed are decoded whole, because their vectors would differ.

    Raises:
        Rejection: as `decode`.
    """
    with pictures_at_fault():
        image, _ = upright_rgb(data, limits, allow_truncated=False, draft_side=2 * side)
        if min(image.size) > side:
            image = image.resize(shorter_side_to(image.size, side), Image.Resampling.BILINEAR)
        return np.array(image)
