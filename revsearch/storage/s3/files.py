"""Single objects that become files of this machine; see `storage.files`."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Literal

from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.fingerprint import sha256_hex
from revsearch.storage.s3 import transfers
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.client import Endpoint, client_of
from revsearch.storage.s3.failures import mapped

_LONGEST_NAME = 200  # bytes; files may have 255, and some are kept with more before their name
_LONGEST_SUFFIX = 20


def kind_at(address: S3Address) -> Literal["file", "folder"] | None:
    """Say what is at an address; keys below it count more than an object under it.

    Raises:
        RevsearchError: as `mapped`, within seconds.
    """
    client, folder = client_of(Endpoint.of_environment(), patient=False), address.folder
    with mapped(str(address)):
        if client.list_objects_v2(Bucket=folder.bucket, Prefix=folder.key, MaxKeys=1).get("Contents"):
            return "folder"
    if address == folder:  # a whole bucket, or written with a slash at its end
        return None
    try:
        with mapped(str(address)):
            client.head_object(Bucket=address.bucket, Key=address.key)
    except MissingArtifact:
        return None
    return "file"


def download(address: S3Address, folder: Path) -> Path:
    """Return a copy of an object in `folder`, under its own name, whole.

    Raises:
        InvalidSpec: where there is no such object.
        RevsearchError: as `mapped`.
    """
    path = folder / _file_name(address)
    try:
        transfers.download(client_of(Endpoint.of_environment()), address, path)
    except MissingArtifact as error:
        raise InvalidSpec(f"{address}: no such object; check the address") from error
    return path


def kept_copy(address: S3Address, cache: Path) -> Path:
    """Return a copy of an object, kept in `cache` by its address and ETag: fetched once.

    Raises:
        InvalidSpec: where there is no such object.
        RevsearchError: as `mapped`.
    """
    try:
        with mapped(str(address)):
            head = client_of(Endpoint.of_environment()).head_object(Bucket=address.bucket, Key=address.key)
    except MissingArtifact as error:
        raise InvalidSpec(f"{address}: no such object; check the address") from error
    version = sha256_hex(f"{address} {head['ETag']}".encode())[:16]
    kept = cache / f"{version}-{_file_name(address)}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".revsearch-", dir=cache) as folder:
            download(address, Path(folder)).replace(kept)
    return kept


def _file_name(address: S3Address) -> str:
    """Return the last name of an object's key; of a long one, which no file may have, what its kind is told by."""
    name = address.key.rpartition("/")[2]
    if not name:
        raise InvalidSpec(f"{address}/: expected an object, found a folder")
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"{sha256_hex(name.encode())[:16]}{PurePosixPath(name).suffix[:_LONGEST_SUFFIX]}"
