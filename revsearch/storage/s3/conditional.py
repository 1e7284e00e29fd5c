"""Conditional writes: one small PutObject of which the writer learns for sure whether it took place.

An answer may get lost on the way. The request is then made again, and refused for what it did itself the first time.
So each writer leaves a mark with the object, before those of the writers that it follows.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from revsearch.errors import InvalidSpec, MissingArtifact, StoreUnavailable
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import Body
from revsearch.storage.s3.failures import is_without_bucket, mapped, status_of

_MARKS = "revsearch-writers"  # name in the object's metadata; newest first
_REMEMBERED = 16  # marks: how many others may write before one whose answer was lost looks again
_PRECONDITION_FAILED, _NOT_FOUND, _NOT_IMPLEMENTED = 412, 404, 501
_KEEP_THEM = "Amazon S3, Ceph's radosgw (16 and later), MinIO, Cloudflare R2"


def create(client: Any, address: S3Address, data: bytes) -> bool:
    """Put `data` where nothing is; False where something is.

    Raises:
        RevsearchError: as `mapped`.
    """
    return _put(client, address, data, (), IfNoneMatch="*")


def replace(client: Any, address: S3Address, found: Body, data: bytes) -> bool:
    """Put `data` where `found` was read; False where it is not there any more.

    Raises:
        RevsearchError: as `mapped`.
    """
    return _put(client, address, data, _marks(found.metadata), IfMatch=found.etag)


def without_conditions(address: S3Address) -> InvalidSpec:
    """Return the error that says that nothing can be committed there."""
    return InvalidSpec(
        f"{address}: this server does not keep conditional writes (PutObject with If-None-Match and If-Match), on "
        f"which commits stand; servers that do: {_KEEP_THEM}; or use a folder as --store"
    )


def _put(client: Any, address: S3Address, data: bytes, before: Sequence[str], **condition: str) -> bool:
    mark = uuid.uuid4().hex
    metadata = {_MARKS: ",".join([mark, *before][:_REMEMBERED])}
    try:
        with mapped(str(address)):
            held = _holds(client, address, Body=data, Metadata=metadata, **condition)
    except StoreUnavailable:  # it may have been done all the same
        if not _is_marked(client, address, mark):
            raise
        return True
    return held or _is_marked(client, address, mark)


def _holds(client: Any, address: S3Address, **put: Any) -> bool:
    """Put, and say whether the condition held."""
    try:
        client.put_object(Bucket=address.bucket, Key=address.key, **put)
    except ClientError as error:
        if status_of(error) == _NOT_IMPLEMENTED:
            raise without_conditions(address) from error
        # 404 is Amazon's answer to If-Match on a key that is not there.
        if status_of(error) not in (_PRECONDITION_FAILED, _NOT_FOUND) or is_without_bucket(error):
            raise
        return False
    return True


def _is_marked(client: Any, address: S3Address, mark: str) -> bool:
    try:
        with mapped(str(address)):
            return mark in _marks(client.head_object(Bucket=address.bucket, Key=address.key)["Metadata"])
    except MissingArtifact:
        return False


def _marks(metadata: Mapping[str, str]) -> list[str]:
    return [mark for mark in metadata.get(_MARKS, "").split(",") if mark]
