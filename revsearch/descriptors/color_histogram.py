"""The colour histogram: a classical descriptor that needs no weights, and the floor any learned encoder must beat.

A joint histogram of hue, saturation and value (Swain, Ballard: Color indexing, IJCV 1991), softly binned, pixels
weighted by a Gaussian around the centre, where the object mostly is. Square roots of the shares make the Euclidean
distance and the cosine of vectors those of Hellinger (Arandjelović, Zisserman: Three things everyone should know to
improve object retrieval, CVPR 2012); every vector has length 1.
"""

import numpy as np
from numpy.typing import NDArray

from revsearch.descriptors.hsv import soft_bins, to_hsv
from revsearch.errors import SpaceMismatch
from revsearch.space import EmbeddingSpace, Preprocess

REVISION = 1  # raised whenever vectors change
_SIZE = 96
_BINS = (24, 4, 4)  # of hue, saturation, value
_CENTRE = 0.4  # standard deviation of the Gaussian, in half sides of the picture
_BITS = 5  # of each channel that are looked at

SPACE = EmbeddingSpace(
    encoder="color-histogram",
    weights=f"revision-{REVISION}",
    preprocess=Preprocess("squash", _SIZE, _SIZE, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    pooling="native",
    dim=_BINS[0] * _BINS[1] * _BINS[2],
)


class ColorHistogram:
    """The encoder of `SPACE`.

    Attributes:
        space: what its vectors may be compared with.
        halvings: how often a batch was halved for memory: never, as pictures are embedded one by one.
    """

    halvings = 0

    def __init__(self, space: EmbeddingSpace = SPACE) -> None:
        """Compute the bins of all colours.

        Raises:
            SpaceMismatch: for vectors of another revision than this code computes.
        """
        if space != SPACE:
            raise SpaceMismatch(
                f"color-histogram: this version computes {SPACE.weights} at {_SIZE} pixels, asked was {space.weights} "
                f"at {space.preprocess.size}; embed again"
            )
        self.space = space
        levels = (np.arange(2**_BITS) + 0.5) / 2**_BITS
        colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
        self._bins, self._shares = soft_bins(to_hsv(colours), _BINS)  # [colours, 8]
        self._weights = _centre_weights(_SIZE)  # [size * size]

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures `[b, size, size, 3]` as float32 `[b, dim]`, each of length 1.

        Raises:
            SpaceMismatch: for pictures of another size.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (_SIZE, _SIZE, 3):
            raise SpaceMismatch(
                f"color-histogram: expected pictures uint8 [b, {_SIZE}, {_SIZE}, 3], "
                f"found {pixels.dtype} {list(pixels.shape)}; preprocess them as its space says"
            )
        histograms = [self._histogram(codes) for codes in _colour_codes(pixels)]
        return np.sqrt(np.array(histograms, np.float32).reshape(len(pixels), self.space.dim))

    def _histogram(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weighted shares `[dim]` of the colours of one picture `[size * size]`; they sum to 1."""
        shares = self._shares[codes] * self._weights[:, None]
        return np.bincount(self._bins[codes].ravel(), shares.ravel(), self.space.dim).astype(np.float64)


def _colour_codes(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number the colours of pictures `[b, h, w, 3]` by their leading bits: `[b, h * w]`, rows of the table of bins."""
    red, green, blue = np.moveaxis(pixels.astype(np.int64) >> (8 - _BITS), -1, 0)
    codes: NDArray[np.int64] = (red << 2 * _BITS) | (green << _BITS) | blue
    return codes.reshape(len(pixels), _SIZE * _SIZE)


def _centre_weights(size: int) -> NDArray[np.float64]:
    """Return what each pixel counts, `[size * size]`, summing to 1."""
    along = np.exp(-(np.linspace(-1, 1, size) ** 2) / (2 * _CENTRE**2))
    weights = np.outer(along, along).ravel()
    return np.asarray(weights / weights.sum())
