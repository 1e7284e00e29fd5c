"""Whether a server has the conditional writes that commits stand on: asked once, before any work."""

import uuid
from typing import Any

from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import read_body
from revsearch.storage.s3.conditional import create, replace, without_conditions
from revsearch.storage.s3.failures import mapped


def require_conditional_writes(client: Any, root: S3Address) -> None:
    """Put a scratch object twice, replace it by a good and a stale ETag, and remove it: eight requests.

    A server that checks first and writes afterwards, such as OpenStack Swift, answers as it should here and lets
    several writers win a race all the same: this cannot be seen from one client.

    Raises:
        InvalidSpec: where a condition is not kept, or nothing can be written.
        StoreUnavailable: where the server does not answer.
    """
    scratch = root.below(f".writable-{uuid.uuid4().hex}")  # no key of a store
    kept = create(client, scratch, b"1")
    try:
        kept = kept and not create(client, scratch, b"2")
        found = read_body(client, scratch)
        kept = kept and replace(client, scratch, found, b"3") and not replace(client, scratch, found, b"4")
    finally:
        with mapped(str(scratch)):
            client.delete_object(Bucket=scratch.bucket, Key=scratch.key)
    if not kept:
        raise without_conditions(root)
