"""Clients of an endpoint, one a process: configured as boto3 and the AWS command line are.

What travels to workers is where the endpoint is. Credentials never do: each process takes its own, from the
environment, a profile, or the role of its machine.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from revsearch.storage.s3.failures import mapped

MAX_CONNECTIONS = 64  # of one process: threads that read images, and parts of transfers
_ATTEMPTS = 10  # of a request: where 3 of 10 answers are errors, 1 request of 170,000 fails
_ATTEMPTS_OF_THE_FIRST = 3  # of the first request of a command, which tells whether anybody answers at all
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 30
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a bucket's server is: url None for Amazon's own, region None for its default."""

    url: str | None = None
    region: str | None = None

    @classmethod
    def of_environment(cls) -> Self:
        """Return what this process is configured for: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION,
        AWS_DEFAULT_REGION, AWS_PROFILE and the files of the AWS command line.

        Raises:
            InvalidSpec: where that configuration cannot be used.
        """
        with mapped("the configuration of S3"):
            session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
            meta = session.client("s3", config=Config(signature_version=UNSIGNED)).meta
        own = not str(meta.endpoint_url).endswith(_AMAZON)
        return cls(str(meta.endpoint_url) if own else None, session.region_name)


def client_of(endpoint: Endpoint, *, patient: bool = True) -> Any:
    """Return this process's client of an endpoint, safe to share among threads.

    A patient one tries for about a minute; the other gives up within seconds.

    Raises:
        InvalidSpec: where the configuration cannot be used.
    """
    return _client(endpoint, patient, os.getpid())  # a forked process must not share its parent's connections


@lru_cache
def _client(endpoint: Endpoint, patient: bool, process: int) -> Any:  # noqa: ARG001  # the process is a key of the cache
    with mapped("the configuration of S3"):
        session = boto3.Session(region_name=endpoint.region)
        config = Config(
            retries={"mode": "adaptive", "max_attempts": _ATTEMPTS if patient else _ATTEMPTS_OF_THE_FIRST},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S if patient else _CONNECT_TIMEOUT_S,
            max_pool_connections=MAX_CONNECTIONS,
            signature_version=UNSIGNED if _is_anonymous(session) else None,
            # A bucket as the first part of a host name needs a name server that plays along.
            s3={"addressing_style": "path" if endpoint.url else "auto"},
            # boto3's own checksums come in trailers that other servers than Amazon's do not understand.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client = session.client("s3", endpoint_url=endpoint.url, config=config)
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register(f"before-call.s3.{operation}", _add_content_md5)
    return client


def _is_anonymous(session: boto3.Session) -> bool:
    """Say whether requests go unsigned, as public buckets take them: asked for, or nothing to sign them with."""
    asked = os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in ("1", "true", "yes")
    return asked or session.get_credentials() is None


def _add_content_md5(params: dict[str, Any], **_: object) -> None:
    """Let the server refuse a body that it did not get as it was sent: all servers check this header."""
    body = params["body"]
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(body, bytes | bytearray):
        digest.update(body)
    else:
        start = body.tell()
        while data := body.read(2**20):
            digest.update(data)
        body.seek(start)
    params["headers"]["Content-MD5"] = base64.b64encode(digest.digest()).decode()
