"""One image's bytes from a bucket: an object, or why there is none."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from revsearch.errors import InvalidSpec, MissingArtifact, StoreUnavailable
from revsearch.rejects import Reason, Rejection
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TooLarge, read_body
from revsearch.storage.s3.client import Endpoint, client_of
from revsearch.storage.s3.failures import is_about_keys, is_without_bucket, mapped, said_by, status_of

_FORBIDDEN = 403


def read_object(endpoint: Endpoint, address: S3Address, max_bytes: int) -> bytes:
    """Return the bytes of the image at an address.

    Raises:
        Rejection: `missing`, `permission`, `empty`, `too_many_bytes` (none of them is read), or `store_error` where
            the server fails.
        InvalidSpec: where the keys of this process are refused: no object will be had.
    """
    try:
        data = read_body(client_of(endpoint), address, max_bytes).data
    except TooLarge as error:
        raise _rejection(Reason.TOO_MANY_BYTES, address, f"{error}, expected at most {max_bytes}") from error
    except MissingArtifact as error:
        raise _rejection(Reason.MISSING, address, "no such object") from error
    except StoreUnavailable as error:
        raise _rejection(Reason.STORE_ERROR, address, said_by(error.__cause__)) from error
    except InvalidSpec as error:
        if (reason := _reason(error.__cause__)) is None:
            raise
        raise _rejection(reason, address, said_by(error.__cause__)) from error
    if not data:
        raise _rejection(Reason.EMPTY, address, "no bytes")
    return data


def require_any(endpoint: Endpoint, prefix: S3Address, examples: Sequence[S3Address]) -> None:
    """See whether any object below a prefix will be had: whoever may not list it may be allowed to read it.

    Raises:
        InvalidSpec: where the bucket is not there, or access is denied.
        StoreUnavailable: where nobody answers, within seconds.
    """
    client, folder = client_of(endpoint, patient=False), prefix.folder
    try:
        with mapped(str(prefix)):
            client.list_objects_v2(Bucket=folder.bucket, Prefix=folder.key, MaxKeys=1)
    except InvalidSpec as denied:
        if _reason(denied.__cause__) is not Reason.PERMISSION:
            raise
        # Who may not list is told "denied" of what is not there, too: one example says nothing.
        if examples and all(_is_denied(client, example) for example in examples):
            raise


def _is_denied(client: Any, address: S3Address) -> bool:
    try:
        with mapped(str(address)):
            client.head_object(Bucket=address.bucket, Key=address.key)
    except MissingArtifact:
        return False
    except InvalidSpec:
        return True
    return False


def _rejection(reason: Reason, address: S3Address, why: str) -> Rejection:
    return Rejection(reason, f"{str(address)!r}: {why}")


def _reason(cause: BaseException | None) -> Reason | None:
    """Return why one object is not to be had; None where none is. No address that a list names ends a job."""
    if isinstance(cause, ParamValidationError):  # no bucket can have this name, or no key
        return Reason.MISSING
    if not isinstance(cause, ClientError) or is_about_keys(cause):
        return None
    if is_without_bucket(cause):
        return Reason.MISSING
    return Reason.PERMISSION if status_of(cause) == _FORBIDDEN else Reason.STORE_ERROR
