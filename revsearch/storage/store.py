"""The store: keys to bytes. A key is whole or absent; two operations are conditional."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from revsearch.errors import InvalidSpec, MissingArtifact

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # what the system answers where a disk is full
# What it answers where a place is not to be written, or no place.
NOT_USABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key that is there, and the bytes it holds."""

    key: str
    size: int


def require_key(key: str) -> None:
    """Refuse what no store takes for a key.

    Raises:
        InvalidSpec: where it is not names joined by `/`, none empty or with a leading dot.
    """
    if not is_key(key):
        raise InvalidSpec(f"a key of a store is names joined by /, none empty or with a leading dot, found {key!r}")


def require_prefix(prefix: str) -> None:
    """Refuse what no key begins with.

    Raises:
        InvalidSpec: where what stands before its last `/` is no key.
    """
    folder, _, _ = prefix.rpartition("/")
    if "/" in prefix:
        require_key(folder)


def is_key(text: str) -> bool:
    """Say whether it is names joined by `/`, none empty or with a leading dot."""
    return "\0" not in text and all(name and not name.startswith(".") for name in text.split("/"))


def missing(key: str, uri: str) -> MissingArtifact:
    """Return the error that a key is not in the store of that address."""
    return MissingArtifact(f"no {key} in the store {uri}; `revsearch ls --store {uri}` lists what is there")


class Store(Protocol):
    """A flat name space of POSIX-like keys. Implementations survive pickling: workers get a copy.

    Every method raises `StoreUnavailable` or `DiskFull` where a later try may succeed, and `InvalidSpec` where the
    place does not exist or may not be written.
    """

    @property
    def uri(self) -> str:
        """The address that `opening.open_store` takes."""
        ...

    def read(self, key: str) -> bytes:
        """Return the bytes of `key`; `MissingArtifact` where there is none."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Put `data` under `key`, whole or not at all, whatever was there."""
        ...

    def upload(self, key: str, path: Path) -> None:
        """Put the bytes of a local file under `key`, without holding them in memory."""
        ...

    def download(self, key: str, folder: Path) -> Path:
        """Return a local file with the bytes of `key`: the store's own where it has one, else a copy in `folder`."""
        ...

    def list(self, prefix: str) -> Iterator[KeyInfo]:
        """Yield the keys that start with `prefix`, in order."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where it is absent."""
        ...

    def create_if_absent(self, key: str, data: bytes) -> bool:
        """Put `data` under `key` unless it is there; of many writers exactly one gets True."""
        ...

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """Replace `old` (None: absent) by `new`; False, and nothing changed, where something else is there."""
        ...

    def require_writable(self) -> None:
        """Refuse, before any work is done, a place that cannot be written or where a commit cannot be relied on."""
        ...
