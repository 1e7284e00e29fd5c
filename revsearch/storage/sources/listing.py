"""What a listing of a folder or prefix holds: ids, sizes and versions as columns, for millions of files."""

import hashlib
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import Strings
from revsearch.rejects import Reject

_HASHED_AT_ONCE = 65_536  # rows


@dataclass(frozen=True)
class Listing:
    """The files of a folder or prefix, sorted by id.

    Attributes:
        ids: str `[n]`, paths below the root, ascending.
        sizes: int64 `[n]`, bytes.
        versions: int64 `[n]`, each changes with its file: the time in ns, or a hash of the ETag.
        ignored: files that are no pictures by their name's kind, and hidden ones; a hidden folder counts as one.
        rejects: folders that could not be read, sorted by id.
    """

    ids: Strings
    sizes: NDArray[np.int64]
    versions: NDArray[np.int64]
    ignored: int
    rejects: tuple[Reject, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Found:
    """What is found while listing, in any order, a few bytes a file."""

    ids: list[str] = field(default_factory=list)
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    versions: "array[int]" = field(default_factory=lambda: array("q"))
    ignored: int = 0
    rejects: list[Reject] = field(default_factory=list)

    def add(self, id: str, size: int, version: int) -> None:
        """Find a file that may be a picture."""
        self.ids.append(id)
        self.sizes.append(size)
        self.versions.append(version)

    def listing(self) -> Listing:
        """Return all of it, sorted."""
        order = np.array(sorted(range(len(self.ids)), key=self.ids.__getitem__), np.int64)
        ids = np.empty(len(self.ids), object)
        ids[:] = self.ids
        return Listing(
            ids=ids[order],
            sizes=np.array(self.sizes, np.int64)[order],
            versions=np.array(self.versions, np.int64)[order],
            ignored=self.ignored,
            rejects=tuple(sorted(self.rejects, key=lambda reject: reject.id)),
        )


def listing_fingerprint(listing: Listing) -> str:
    """Return 64 hex digits that change with any file's path, size or version, and with what could not be listed."""
    digest = hashlib.sha256(b"%d" % len(listing))
    for start in range(0, len(listing), _HASHED_AT_ONCE):
        rows = slice(start, start + _HASHED_AT_ONCE)
        digest.update("\0".join(listing.ids[rows]).encode() + b"\0")
        digest.update(listing.sizes[rows].astype("<i8").tobytes())
        digest.update(listing.versions[rows].astype("<i8").tobytes())
    for reject in listing.rejects:
        digest.update(f"{reject.id}\0{reject.reason}\0".encode())
    return digest.hexdigest()
