"""What S3 and boto3 answer when something is wrong, as our own errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError
from urllib3.exceptions import HTTPError

from revsearch.errors import DiskFull, InvalidSpec, MissingArtifact, RevsearchError, StoreUnavailable
from revsearch.storage.store import NO_ROOM, NOT_USABLE

_NO_ANSWER = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.ResponseStreamingError,
    boto.IncompleteReadError,
    RetriesExceededError,
    HTTPError,
)
_OWN_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_OF_ROLES = {"iam-role", "container-role"}  # providers of credentials that ask a service of the machine
_PASSING_STATUS = {408, 409, 429, 500, 502, 503, 504}  # 409: another write to the key was under way
# The first comes after a slow body; the others where a body did not arrive as it was sent.
_PASSING_CODES = {"RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}
_NO_ROOM = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"}
_NO_UPLOAD = "NoSuchUpload"
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_ABOUT_KEYS = {
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired",
}  # fmt: skip
_OF_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.SSOError,
    boto.TokenRetrievalError,
)
_RETRIES = re.compile(r" \(reached max retries: \d+\)")  # botocore's, which are off
_CREDENTIALS = (
    "; look at AWS_PROFILE, AWS_ACCESS_KEY_ID and what `aws sts get-caller-identity` says; without credentials only "
    "public buckets can be read"
)


@contextmanager
def mapped(where: str) -> Iterator[None]:
    """Raise what boto3 raises within the block as an error of our own that names the place.

    Raises:
        MissingArtifact: where the key is not there.
        InvalidSpec: where the bucket is not, access is denied, or the configuration cannot be used.
        DiskFull: where the server has no room left, or this machine for what is downloaded.
        StoreUnavailable: for all that may pass.
    """
    try:
        yield
    except ClientError as error:
        raise _answered(error, where) from error
    except RecursionError as error:  # botocore asks for the region, is sent elsewhere again, and so on
        raise InvalidSpec(f"{where}: every answer leads elsewhere: no S3 server, or https:// is needed") from error
    except (BotoCoreError, Boto3Error, HTTPError, RetriesExceededError) as error:
        if is_silence(error):
            raise _not_whole(where, error) from error
        raise InvalidSpec(f"{where}: {said_by(error)}{_hint(error)}") from error
    except OSError as error:
        raise _of_this_machine(error, where) from error


def is_silence(error: BaseException | None) -> bool:
    """Say whether there was no answer, or not a whole one, and another time there may be."""
    if isinstance(error, boto.CredentialRetrievalError):
        return error.kwargs.get("provider") in _OF_ROLES
    own = isinstance(error, boto.SSLError) and _OWN_CERTIFICATE in str(error)
    return isinstance(error, (*_NO_ANSWER, boto.MetadataRetrievalError)) and not own


def may_pass(status: int, code: str) -> bool:
    """Say whether an answer that is an error may be another when it is asked for again."""
    return status in _PASSING_STATUS or code in _PASSING_CODES


def said_by(error: BaseException | None) -> str:
    """Return what boto3 says, in one line: names of keys and buckets in it may hold any character."""
    said = _of_parameters(error) if isinstance(error, boto.ParamValidationError) else str(error)
    words = " ".join(_RETRIES.sub("", said).split())
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in words) or type(error).__name__


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_without_bucket(error: ClientError) -> bool:
    """Say whether what is missing is the bucket, and not a key in it."""
    return _code(error) == "NoSuchBucket"


def is_about_keys(error: ClientError) -> bool:
    """Say whether the keys that a request was signed with are refused, and not what it asks for."""
    return _code(error) in _ABOUT_KEYS


def _of_parameters(error: boto.ParamValidationError) -> str:
    """Return what is wrong with them, without the name of a bucket: where it is none, it may be half of a secret."""
    report = str(error.kwargs["report"])
    return "no bucket has such a name" if report.startswith("Invalid bucket name") else report


def is_without_upload(error: BaseException | None) -> bool:
    """Say whether an upload in parts is not under way: somebody ended it, or a request whose answer was lost."""
    return isinstance(error, ClientError) and _code(error) == _NO_UPLOAD


def _answered(error: ClientError, where: str) -> RevsearchError:
    code, status = _code(error), status_of(error)
    said = f"{where}: {status} {code}: {error.response.get('Error', {}).get('Message') or 'no message'}"
    if code in _NO_ROOM or status == 507:
        return DiskFull(f"{said}; make room and run the command again")
    if is_without_bucket(error):
        return InvalidSpec(f"{said}; the bucket must be made before: `aws s3 mb`")
    if code == _NO_UPLOAD:
        return StoreUnavailable(f"{said}; try again")
    if status == 404:
        return MissingArtifact(f"nothing at {where}")
    if may_pass(status, code):
        return StoreUnavailable(f"{said}; try again")
    if status in (301, 307, 308) or code in _ELSEWHERE:
        return InvalidSpec(f"{said}; the bucket is in another region: set AWS_REGION")
    return InvalidSpec(f"{said}{_CREDENTIALS}" if status in (400, 401, 403) else said)


def _of_this_machine(error: OSError, where: str) -> RevsearchError:
    """Return what went wrong with a file that is uploaded or downloaded, or with a socket."""
    if error.errno in NO_ROOM:
        return DiskFull(f"{where}: no room left on this machine for it; make room and run the command again")
    if error.errno in NOT_USABLE:
        return InvalidSpec(f"{where}: {error.strerror} at {error.filename}; choose another TMPDIR")
    if isinstance(error, FileNotFoundError):  # what the configuration names: a tool, or a file with a token
        return InvalidSpec(f"{where}: {error.strerror}: {error.filename}{_CREDENTIALS}")
    return _not_whole(where, error)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _not_whole(where: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"{where}: no answer, or not a whole one: {said_by(error)}; try again")


def _hint(error: Exception) -> str:
    if isinstance(error, boto.SSLError):
        return "; look at AWS_CA_BUNDLE, which names the file with your own authority's certificate"
    return _CREDENTIALS if isinstance(error, _OF_CREDENTIALS) else ""
