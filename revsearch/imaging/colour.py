"""From any of Pillow's colour modes to RGB with 8 bits a channel."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESCALED = "rescaled"  # flag: 32-bit values were stretched from their own minimum and maximum to 0..255

_BLOCK_ROWS = 256


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the picture in mode RGB, transparent parts over white, and the flags of what had to be guessed.

    16-bit grey keeps its high byte, as 16-bit colour does in Pillow's drivers. 32-bit integers and floats have no
    agreed range: they are stretched between their own finite minimum and maximum, and flagged `rescaled`. A CMYK JPEG
    is taken to be inverted, as Adobe's are and as browsers take it; its driver has done so already.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray(_high_byte(image)).convert("RGB"), ()
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(image)).convert("RGB"), (RESCALED,)
    if image.has_transparency_data:
        return _over_white(image), ()
    return image if image.mode == "RGB" else image.convert("RGB"), ()


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(rgba, mask=rgba)
    return page


def _high_byte(image: Image.Image) -> NDArray[np.uint8]:
    """Return 16-bit grey as uint8 `[h, w]`; the one value that a PNG may declare transparent becomes white."""
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey


def _stretched(image: Image.Image) -> NDArray[np.uint8]:
    """Return 32-bit grey as uint8 `[h, w]`: finite minimum 0, finite maximum 255; NaN counts as the minimum."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    grey = np.zeros(values.shape, np.uint8)
    if high == low:
        return grey
    for start in range(0, len(values), _BLOCK_ROWS):  # float64 of a whole large picture is 8 bytes a pixel
        block = np.nan_to_num(values[start : start + _BLOCK_ROWS].astype(np.float64), nan=low, posinf=high, neginf=low)
        grey[start : start + _BLOCK_ROWS] = np.interp(block, (low, high), (0, 255)).round()
    return grey
