"""From an address to the store behind it."""

from pathlib import Path

from revsearch.errors import InvalidSpec
from revsearch.storage.local import LocalStore
from revsearch.storage.s3.address import is_s3
from revsearch.storage.store import Store


def open_store(uri: str, *, asked: str = "--store") -> Store:
    """Open the store at `uri`: a folder (made with its first key), or a prefix of a bucket (which must be there).

    Args:
        uri: the address.
        asked: the option that gave it.

    Raises:
        InvalidSpec: for an address that is neither, or a bucket that is not there or must not be looked at.
        StoreUnavailable: where the server of the bucket does not answer.
    """
    if is_s3(uri):
        from revsearch.storage.s3.store import S3Store  # here, because boto3 takes half a second to import

        return S3Store.at(uri)
    if "://" in uri:
        raise InvalidSpec(f"{asked}: expected a folder or s3://bucket/prefix, found {uri!r}")
    return LocalStore(Path(uri))
