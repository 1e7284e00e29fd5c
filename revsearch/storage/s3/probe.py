"""Whether a server has the conditional writes that commits stand on: asked once a command, before any work."""

import uuid
from typing import Any

from botocore.exceptions import ClientError

from revsearch.errors import InvalidSpec
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.failures import status_of

_PRECONDITION_FAILED = 412
_HAVE_THEM = "Amazon S3, Ceph's radosgw (16 and later), MinIO, Cloudflare R2"


def require_conditional_writes(client: Any, root: S3Address) -> None:
    """Put a scratch object twice, replace it by a good and a stale ETag, and remove it.

    A server that checks first and writes afterwards, such as OpenStack Swift, answers as it should here and lets
    several writers win a race all the same: this cannot be seen from one client.

    Raises:
        InvalidSpec: where a condition is not kept.
        ClientError: where the bucket may not be written.
    """
    place = root.below(f"writable-{uuid.uuid4().hex}")
    where = {"Bucket": place.bucket, "Key": place.key}
    etag = client.put_object(**where, Body=b"1")["ETag"].strip('"')
    try:
        kept = (
            _refused(client, where, IfNoneMatch="*")
            and not _refused(client, where, IfMatch=etag)
            and _refused(client, where, IfMatch=etag)
        )
    finally:
        client.delete_object(**where)
    if not kept:
        raise InvalidSpec(
            f"{root}: this server does not keep conditional writes (PutObject with If-None-Match and If-Match), on "
            f"which commits stand; servers that do: {_HAVE_THEM}; or use a folder as --store"
        )


def _refused(client: Any, where: dict[str, str], **condition: str) -> bool:
    """Say whether a conditional put was refused; one that the server knows nothing of was not kept either."""
    try:
        client.put_object(**where, Body=b"2", **condition)
    except ClientError as error:
        if status_of(error) == _PRECONDITION_FAILED:
            return True
        if status_of(error) in (400, 501):
            return False
        raise
    return False
