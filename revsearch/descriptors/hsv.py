"""Colours as hue, saturation and value, and the bins a colour falls into."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def to_hsv(rgb: Floats) -> Floats:
    """Convert colours `[..., 3]` of 0..1 to hue, saturation and value of 0..1; the hue of greys is 0.

    Smith: Color gamut transform pairs, SIGGRAPH 1978.
    """
    red, green, blue = np.moveaxis(rgb, -1, 0)
    value = rgb.max(axis=-1)
    chroma = value - rgb.min(axis=-1)
    spread = np.where(chroma == 0, 1, chroma)
    sector = np.select(
        [chroma == 0, value == red, value == green],
        [np.zeros_like(value), (green - blue) / spread % 6, (blue - red) / spread + 2],
        (red - green) / spread + 4,
    )
    saturation = chroma / np.where(value == 0, 1, value)
    return np.stack([sector / 6, saturation, value], axis=-1)


def soft_bins(hsv: Floats, counts: tuple[int, int, int]) -> tuple[NDArray[np.int64], Floats]:
    """Share each colour `[n, 3]` out among the 8 bins around it, so that a small change of colour changes little.

    Args:
        hsv: hue (cyclic), saturation and value, 0..1.
        counts: bins of each; the joint histogram has their product.

    Returns:
        Bins int64 `[n, 8]` and their shares `[n, 8]`, which sum to 1 a row (trilinear interpolation).
    """
    bins, shares = np.zeros((len(hsv), 1), np.int64), np.ones((len(hsv), 1))
    for axis, count in enumerate(counts):
        place = hsv[:, axis : axis + 1] * count - 0.5
        low = np.floor(place).astype(np.int64)
        pair = np.concatenate([low, low + 1], axis=1)
        pair = pair % count if axis == 0 else pair.clip(0, count - 1)
        upper = place - low
        bins = (bins[:, :, None] * count + pair[:, None, :]).reshape(len(hsv), -1)
        shares = (shares[:, :, None] * np.concatenate([1 - upper, upper], axis=1)[:, None, :]).reshape(len(hsv), -1)
    return bins, shares
