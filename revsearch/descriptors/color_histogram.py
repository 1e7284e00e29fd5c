"""A colour histogram: how much of which hue, saturation and brightness, in the whole picture and in its quarters.

Swain & Ballard 1991, in HSV with soft bins, so that a small change of light moves little; compared by square roots
(Hellinger), which keeps large plain areas from deciding alone (Arandjelović & Zisserman 2012).
"""

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.errors import SpaceMismatch
from revsearch.space import EmbeddingSpace, Preprocess

_HUES, _SATURATIONS, _VALUES = 12, 3, 4  # bins
_BINS = _HUES * _SATURATIONS * _VALUES
_CELLS = 5  # the whole picture and its quarters
_SIZE = 64  # pixels a side: colours need no more

SPACE = EmbeddingSpace(
    encoder="color-histogram",
    weights="revision-1",
    preprocess=Preprocess(
        fit="squash", resize=_SIZE, size=_SIZE, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)
    ),
    pooling="native",
    dim=_CELLS * _BINS,
)


class ColorHistogram:
    """The encoder of `SPACE`."""

    halvings = 0  # it needs no device memory

    def __init__(self, space: EmbeddingSpace) -> None:
        """Check that the space is the one this code computes.

        Raises:
            SpaceMismatch: where it is of another revision.
        """
        if space != SPACE:
            raise SpaceMismatch(f"{space.encoder}: expected {SPACE.weights}, found {space.weights}; embed again")

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Describe pictures `[b, 64, 64, 3]` as float32 `[b, 720]`, of length sqrt(5): never zero."""
        return np.stack([_describe(picture) for picture in pixels])


def _describe(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    hue, saturation, value = _hsv(picture.reshape(-1, 3).astype(np.float32) / 255)
    quarters = _quarters(picture.shape[0])
    counts = np.zeros((4, _BINS))
    for hue_bin, hue_share in _soft(hue * _HUES, _HUES, circular=True):
        for saturation_bin, saturation_share in _soft(saturation * (_SATURATIONS - 1), _SATURATIONS):
            for value_bin, value_share in _soft(value * (_VALUES - 1), _VALUES):
                # Grey has no hue: what noise says of it would scatter the plainest areas over all bins.
                tone = np.where(saturation_bin == 0, 0, hue_bin)
                bins = (tone * _SATURATIONS + saturation_bin) * _VALUES + value_bin
                shares = hue_share * saturation_share * value_share
                counts += np.bincount(quarters * _BINS + bins, shares, 4 * _BINS).reshape(4, _BINS)
    cells = np.concatenate([counts.sum(axis=0, keepdims=True), counts])
    return np.sqrt(cells / cells.sum(axis=1, keepdims=True)).astype(np.float32).reshape(-1)


def _hsv(rgb: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return hue 0..1, saturation 0..1 and value 0..1, each `[p]`, of colours `[p, 3]` (Smith 1978)."""
    value, chroma = rgb.max(axis=1), np.ptp(rgb, axis=1)
    red, green, blue = rgb.T
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return (hue / 6).astype(np.float32), chroma / np.where(value == 0, 1, value), value


def _soft(
    position: NDArray[np.float32], bins: int, *, circular: bool = False
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Share each position `[p]` between the two nearest bins, linearly: (bin, share) twice."""
    low = np.floor(position).astype(np.int64)
    share = position - low
    if circular:
        return [(low % bins, 1 - share), ((low + 1) % bins, share)]
    return [(np.minimum(low, bins - 1), 1 - share), (np.minimum(low + 1, bins - 1), share)]


def _quarters(size: int) -> NDArray[np.int64]:
    """Return the quarter 0..3 of each pixel of a square picture, `[size * size]`."""
    half = np.arange(size) * 2 // size
    return np.asarray((half[:, None] * 2 + half[None, :]).reshape(-1), np.int64)
