"""Pixels to the bytes of a picture."""

import io

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

_QUALITY = 88


def jpeg(pixels: NDArray[np.uint8]) -> bytes:  # [height, width, 3]
    """Return an RGB picture as JPEG, without any metadata."""
    encoded = io.BytesIO()
    imsave(encoded, pixels, format="jpeg", pil_kwargs={"quality": _QUALITY})
    return encoded.getvalue()
