"""Single files by their address, on this machine or in a bucket: lists, truths, weights."""

import os
from pathlib import Path
from typing import Literal

from revsearch.errors import InvalidSpec
from revsearch.storage.s3.address import S3Address, is_s3


def kind_at(uri: str) -> Literal["file", "folder"] | None:
    """Say what is at an address: a file or object, a folder or keys below a prefix, or nothing.

    Raises:
        RevsearchError: where a bucket is not there, may not be looked at, or does not answer.
    """
    if is_s3(uri):
        from revsearch.storage.s3 import files  # here, because boto3 takes half a second to import

        return files.kind_at(S3Address.parse(uri))
    if os.path.isdir(uri):  # noqa: PTH112  # Path raises where a name is too long
        return "folder"
    return "file" if os.path.exists(uri) else None  # noqa: PTH110  # as above


def local_copy(uri: str, folder: Path) -> Path:
    """Return a local file with the bytes at an address: itself where it is on this machine, else a copy in `folder`.

    Raises:
        InvalidSpec: where there is nothing at an address in a bucket, or it may not be read.
        RevsearchError: where the server does not answer, or `folder` has no room.
    """
    if is_s3(uri):
        from revsearch.storage.s3 import files

        return files.download(S3Address.parse(uri), folder)
    if "://" in uri:
        raise InvalidSpec(f"expected a file or s3://bucket/key, found {uri!r}")
    return Path(uri)


def kept_copy(uri: str, cache: Path) -> Path:
    """Return a copy of an object, kept in `cache` by its address and ETag: fetched once.

    Raises:
        RevsearchError: as `local_copy`.
    """
    from revsearch.storage.s3 import files

    return files.kept_copy(S3Address.parse(uri), cache)
