"""From an address to the store behind it."""

from pathlib import Path

from revsearch.errors import InvalidSpec
from revsearch.storage.local import LocalStore
from revsearch.storage.store import Store


def open_store(uri: str) -> Store:
    """Open the store at `uri`, a folder (made with its first key).

    Raises:
        InvalidSpec: for an address that is no folder.
    """
    if "://" in uri:
        raise InvalidSpec(f"--store: expected a folder, found {uri!r}")
    return LocalStore(Path(uri))
