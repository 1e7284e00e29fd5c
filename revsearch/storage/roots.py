"""Where images lie: below a folder, or below a prefix of a bucket. The one place that decides which of the two."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import InvalidSpec
from revsearch.storage.names import encode_id
from revsearch.storage.s3.address import SCHEME, is_s3
from revsearch.storage.sources import Listing


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of files without their bytes; zeros where one is not there.

    Attributes:
        sizes: int64 `[n]`, bytes.
        versions: int64 `[n]`, each changes with its file: the time in ns, or a hash of the ETag.
    """

    sizes: NDArray[np.int64]
    versions: NDArray[np.int64]

    @classmethod
    def nothing(cls, n: int) -> Self:
        """Return what is known of `n` files that are not there, to be filled."""
        return cls(np.zeros(n, np.int64), np.zeros(n, np.int64))


class Root(Protocol):
    """What locations are relative to. Implementations are small, and survive pickling: workers get a copy."""

    @property
    def uri(self) -> str:
        """The address that `open_root` takes."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether bytes come over a network, so that it pays to ask for many at once."""
        ...

    def require_reachable(self, examples: Sequence[str]) -> None:
        """See whether images of a bucket will be had at all; a folder tells when they are read.

        Args:
            examples: locations of some, as far as they are known.

        Raises:
            InvalidSpec: where the bucket is not there, or neither it nor any example may be looked at.
            StoreUnavailable: where nobody answers, within seconds.
        """
        ...

    def read(self, location: str, *, max_bytes: int, follow_symlinks: bool = False) -> bytes:
        """Return the bytes of the image at `location`, never from outside the root.

        Raises:
            Rejection: `outside_root`, `permission`, `missing`, `empty`, `too_many_bytes`, `store_error`; of a folder
                also `not_regular` and `symlink`.
        """
        ...

    def list(self, *, follow_symlinks: bool) -> Listing:
        """List what may be pictures; `InvalidSpec` where the place cannot be listed."""
        ...

    def facts(self, locations: Sequence[str]) -> Facts:
        """Return what is known of the files at `n` locations."""
        ...

    def location_of(self, uri: str) -> str:
        """Return where the image is that a list calls `uri`: its path below the root, without `.` and empty parts.

        What lies outside stays as it is, and so does `..`: reading rejects them.
        """
        ...

    def uri_of(self, location: str) -> str:
        """Return the address of a location as text, for people: in no form that hides where it leads."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of one image lie."""

    root: Root
    location: str

    @property
    def uri(self) -> str:
        """The same as text."""
        return self.root.uri_of(self.location)

    def read(self, *, max_bytes: int, follow_symlinks: bool = False) -> bytes:
        """Return the bytes; see `Root.read`."""
        return self.root.read(self.location, max_bytes=max_bytes, follow_symlinks=follow_symlinks)


def place_of(uri: str) -> Place:
    """Return the place of one file or object by its address: below the folder or prefix that holds it.

    Raises:
        InvalidSpec: as `open_root`.
    """
    if is_s3(uri):
        root = open_root(SCHEME + uri.removeprefix(SCHEME).rpartition("/")[0])
        return Place(root, root.location_of(uri))
    path = Path(uri).absolute()
    return Place(open_root(str(path.parent)), encode_id(os.fsencode(path.name)))


def open_root(uri: str) -> Root:
    """Return the root at an address: a folder, `s3://bucket/prefix`, or `s3://` for all buckets. Nothing is asked.

    Raises:
        InvalidSpec: for an address that is neither, or a configuration of S3 that cannot be used.
    """
    if is_s3(uri):
        from revsearch.storage.s3.prefix import Prefix  # here, because boto3 takes half a second to import

        return Prefix.at(uri)
    if "://" in uri:
        raise InvalidSpec(f"expected a folder or s3://bucket/prefix, found {uri!r}")
    from revsearch.storage.folder import Folder

    return Folder(Path(uri).absolute())
