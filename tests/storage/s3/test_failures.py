import errno
import os

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from s3transfer.exceptions import RetriesExceededError

from revsearch.errors import DiskFull, InvalidSpec, MissingArtifact, RevsearchError, StoreUnavailable
from revsearch.storage.s3.failures import mapped


def answer(status: int, code: str, message: str = "said") -> ClientError:
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "GetObject")


@pytest.mark.parametrize(
    ("raised", "expected", "said"),
    [
        (answer(404, "NoSuchKey"), MissingArtifact, "nothing at s3://b/k"),
        (answer(404, "404"), MissingArtifact, "nothing at s3://b/k"),  # HEAD has no body
        (answer(404, "NoSuchBucket"), InvalidSpec, "404 NoSuchBucket: said; the bucket must be made before"),
        (answer(403, "AccessDenied"), InvalidSpec, "403 AccessDenied: said; look at AWS_PROFILE"),
        (answer(400, "ExpiredToken"), InvalidSpec, "400 ExpiredToken: said; look at AWS_PROFILE"),
        (answer(400, "InvalidBucketName"), InvalidSpec, "400 InvalidBucketName"),
        (answer(301, "PermanentRedirect"), InvalidSpec, "another region: set AWS_REGION"),
        (answer(400, "AuthorizationHeaderMalformed"), InvalidSpec, "another region: set AWS_REGION"),
        (answer(501, "NotImplemented"), InvalidSpec, "501 NotImplemented: said"),
        (answer(412, "PreconditionFailed", ""), InvalidSpec, "412 PreconditionFailed: no message"),
        (answer(400, "RequestTimeout"), StoreUnavailable, "400 RequestTimeout: said; try again"),
        (answer(400, "BadDigest"), StoreUnavailable, "400 BadDigest: said; try again"),
        (answer(409, "ConditionalRequestConflict"), StoreUnavailable, "try again"),
        (answer(429, "TooManyRequests"), StoreUnavailable, "try again"),
        (answer(503, "SlowDown"), StoreUnavailable, "503 SlowDown: said; try again"),
        (answer(507, "InsufficientStorage"), DiskFull, "make room"),
        (answer(503, "XMinioStorageFull"), DiskFull, "make room"),
        (boto.EndpointConnectionError(endpoint_url="http://e"), StoreUnavailable, "Could not connect.*try again"),
        (boto.ReadTimeoutError(endpoint_url="http://e"), StoreUnavailable, "no answer, or not a whole one"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnavailable, "not a whole one"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), StoreUnavailable, "reset"),
        (boto.SSLError(endpoint_url="https://e", error="EOF"), StoreUnavailable, "SSL validation failed"),
        (boto.SSLError(endpoint_url="https://e", error="CERTIFICATE_VERIFY_FAILED"), InvalidSpec, "AWS_CA_BUNDLE"),
        (boto.MetadataRetrievalError(error_msg="time-out"), StoreUnavailable, "time-out"),
        (boto.CredentialRetrievalError(provider="iam-role", error_msg="busy"), StoreUnavailable, "busy"),
        (boto.CredentialRetrievalError(provider="sso", error_msg="gone"), InvalidSpec, "gone; look at AWS_PROFILE"),
        (answer(404, "NoSuchUpload"), StoreUnavailable, "404 NoSuchUpload"),
        (boto.ProfileNotFound(profile="p"), InvalidSpec, r"profile \(p\).*look at AWS_PROFILE"),
        (boto.ParamValidationError(report="bad name"), InvalidSpec, "s3://b/k: bad name"),
        (
            boto.ParamValidationError(report='Invalid bucket name "CANARY"'),
            InvalidSpec,
            "^s3://b/k: no bucket has such a name$",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), DiskFull, "no room left on this machine"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/tool"),
            InvalidSpec,
            "No such file: /tool; look at",
        ),
        (RetriesExceededError(ValueError("cut")), StoreUnavailable, "not a whole one"),
        (PermissionError(errno.EACCES, "denied", "/tmp/x"), InvalidSpec, "denied at /tmp/x"),
    ],
)
def test_what_went_wrong_is_told_as_our_own(raised: Exception, expected: type[RevsearchError], said: str) -> None:
    with pytest.raises(expected, match=said) as told, mapped("s3://b/k"):
        raise raised
    assert "s3://b/k" in str(told.value)
    assert told.value.__cause__ is raised


def test_a_mistake_of_our_own_stays_one() -> None:
    for mistake in (ValueError("mine"), TypeError("mine"), KeyError("mine")):
        with pytest.raises(type(mistake)), mapped("s3://b/k"):
            raise mistake
