"""What a listing of a folder holds: ids, sizes and times as columns, for millions of files."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Strings
from revsearch.rejects import Reject

_HASHED_AT_ONCE = 65_536  # rows


@dataclass(frozen=True)
class Listing:
    """The files of a folder, sorted by id.

    Attributes:
        ids: str `[n]`, paths below the root, ascending.
        sizes: int64 `[n]`, bytes.
        mtimes_ns: int64 `[n]`.
        ignored: files that are no pictures by their name's kind, and hidden ones; a hidden folder counts as one.
        rejects: folders that could not be read, sorted by id.
    """

    ids: Strings
    sizes: NDArray[np.int64]
    mtimes_ns: NDArray[np.int64]
    ignored: int
    rejects: tuple[Reject, ...]

    def __len__(self) -> int:
        return len(self.ids)


def listing_fingerprint(listing: Listing) -> str:
    """Return 64 hex digits that change with any file's path, size or time, and with what could not be listed."""
    digest = hashlib.sha256(b"%d" % len(listing))
    for start in range(0, len(listing), _HASHED_AT_ONCE):
        rows = slice(start, start + _HASHED_AT_ONCE)
        digest.update("\0".join(listing.ids[rows]).encode() + b"\0")
        digest.update(listing.sizes[rows].astype("<i8").tobytes())
        digest.update(listing.mtimes_ns[rows].astype("<i8").tobytes())
    for reject in listing.rejects:
        digest.update(f"{reject.id}\0{reject.reason}\0".encode())
    return digest.hexdigest()
