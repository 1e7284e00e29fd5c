"""Images that two sets have in common: by equal bytes, or by difference hashes so near that one is a copy.

Blockwise, with one pair kept an image: memory grows with the images, not with the pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.manifest import Strings, content_keys

Hashes = NDArray[np.uint64]  # [n], difference hashes

# Measured on real photographs (22 animals, 41 products, others; 3,688 pictures, 6.8 million pairs) and 159 copies made
# smaller, grey or JPEG quality 12: at 3 bits of 64 or less lie 152 of the copies and 4 of the pairs, of which one is a
# copy and three show one scene, seconds apart; up to 7 bits there are 16 pairs, every one of one scene. Copies that
# are cut, mirrored or turned are 7 bits off and more: no distance finds those without finding others too.
NEAR_BITS = 3
EQUAL = -1  # distance of images of equal bytes

_BITS = 64
# Half a megabyte of differences at a time stays in a core's cache: three times as fast as 32 MB.
_LEFT_BLOCK, _RIGHT_BLOCK = 16, 4_096
_SHOWN = 5


@dataclass(frozen=True)
class ImageSet:
    """Images as far as telling them apart needs.

    Attributes:
        name: what people are told it is, such as `training rows of manifest/0123456789ab`.
        ids: str `[n]`.
        contents: uint8 `[n, 32]`, SHA-256 of their bytes.
        hashes: uint64 `[n]`; without them only equal bytes count.
    """

    name: str
    ids: Strings
    contents: NDArray[np.uint8]
    hashes: Hashes | None = None


@dataclass(frozen=True)
class Overlap:
    """The images of a set that another one has too, each with one of those it meets there.

    Attributes:
        left: int64 `[p]` ascending, rows of the first set.
        right: int64 `[p]`, rows of the second: of equal bytes, else the nearest.
        distances: int64 `[p]`, bits by which their hashes differ; `EQUAL` where the bytes are the same.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    distances: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)


def overlap(left: ImageSet, right: ImageSet) -> Overlap:
    """Return the images of `left` that are in `right` too; hashes count where both sets have them."""
    partners = equal_contents(left.contents, right.contents)
    distances = np.where(partners >= 0, EQUAL, _BITS)
    if left.hashes is not None and right.hashes is not None:
        others = np.flatnonzero(partners < 0)
        partners[others], distances[others] = nearest_hashes(left.hashes[others], right.hashes)
    rows = np.flatnonzero(distances <= NEAR_BITS)
    return Overlap(rows, partners[rows], distances[rows])


def require_disjoint(left: ImageSet, right: ImageSet, *, asked: str, fix: str) -> None:
    """Refuse two sets that have images in common.

    Args:
        left: images counted and named first.
        right: those that none of them may be.
        asked: the flag that asks for it, begins the message.
        fix: what to do about it, ends the message.

    Raises:
        InvalidSpec: with counts, the first five pairs and the fix.
    """
    if len(found := overlap(left, right)):
        n_equal = int(np.count_nonzero(found.distances == EQUAL))
        raise InvalidSpec(
            f"{asked}: expected none of the {left.name} among the {right.name}, found {len(found)} of "
            f"{len(left.ids)} (equal bytes: {n_equal}, near copies: {len(found) - n_equal}); first:\n"
            f"{_first_pairs(left, right, found)}\n{fix}"
        )


def equal_contents(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each content hash `[n, 32]` the first row of `right` `[m, 32]` that has it, or -1: `[n]`."""
    keys, first = np.unique(content_keys(right), return_index=True)
    if not len(keys):
        return np.full(len(left), -1)
    wanted = content_keys(left)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, first[places], -1)


def nearest_hashes(left: Hashes, right: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each hash `[n]` the row of the nearest of `right` `[m]`, the first of equals, and their distance.

    Hashes with hardly a bit set or unset are those of blank pictures and of ramps, which are alike without being
    copies: they are near to none. Where there is none, row -1 at distance 64.
    """
    rows, distances = np.full(len(left), -1), np.full(len(left), _BITS)
    own, others = np.flatnonzero(_telling(left)), np.flatnonzero(_telling(right))
    for start in range(0, len(own), _LEFT_BLOCK):
        mine = own[start : start + _LEFT_BLOCK]
        for other in range(0, len(others), _RIGHT_BLOCK):
            theirs = others[other : other + _RIGHT_BLOCK]
            differing = np.bitwise_count(left[mine, None] ^ right[None, theirs])  # [b, c] uint8
            best = differing.argmin(axis=1)
            found = differing[np.arange(len(mine)), best]
            nearer = found < distances[mine]
            rows[mine[nearer]] = theirs[best[nearer]]
            distances[mine[nearer]] = found[nearer]
    return rows, distances


def _telling(hashes: Hashes) -> NDArray[np.bool_]:
    n_set = np.bitwise_count(hashes)
    telling: NDArray[np.bool_] = (n_set > NEAR_BITS) & (n_set < _BITS - NEAR_BITS)
    return telling


def _first_pairs(left: ImageSet, right: ImageSet, found: Overlap) -> str:
    pairs = zip(found.left[:_SHOWN], found.right[:_SHOWN], found.distances[:_SHOWN], strict=True)
    return "\n".join(
        f"  {left.ids[one]!r} and {right.ids[other]!r}" + ("" if bits == EQUAL else f" ({bits} of {_BITS} bits apart)")
        for one, other, bits in pairs
    )
