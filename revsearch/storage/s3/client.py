"""Clients of an endpoint, one a process: configured as boto3 and the AWS command line are.

What travels to workers is where the endpoint is. Credentials never do: each process takes its own, from the
environment, a profile, or the role of its machine.
"""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.loaders import create_loader

from revsearch.errors import InvalidSpec
from revsearch.storage.s3.failures import mapped
from revsearch.storage.s3.patience import Patience

MAX_CONNECTIONS = 64  # of one process: threads that read images, and parts of transfers

_LOCKS: dict[int, threading.RLock] = {}  # by process: one that is forked may find its parent's locked

_PATIENT = Patience(connect_s=5, read_s=30, in_all_s=60)
_IMPATIENT = Patience(connect_s=2, read_s=4, in_all_s=4)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a bucket's server is.

    Attributes:
        url: None for Amazon's own.
        region: None for the server's default.
        addressing: `virtual` where the bucket is to be part of the host name, None for what suits the server.
    """

    url: str | None = None
    region: str | None = None
    addressing: str | None = None

    @classmethod
    def of_environment(cls) -> Self:
        """Return what this process is configured for: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION,
        AWS_DEFAULT_REGION, AWS_PROFILE and the files of the AWS command line.

        Raises:
            InvalidSpec: where that configuration cannot be used.
        """
        with _configuring():
            session = _session(os.environ.get("AWS_REGION"))
            plain = Config(signature_version=UNSIGNED)
            asked = session.client("s3", config=plain).meta
            amazon = session.client("s3", config=plain.merge(Config(ignore_configured_endpoint_urls=True))).meta
        own = asked.endpoint_url != amazon.endpoint_url
        addressing = (asked.config.s3 or {}).get("addressing_style")
        return cls(asked.endpoint_url if own else None, session.region_name, addressing)


def client_of(endpoint: Endpoint, *, patient: bool = True) -> Any:
    """Return this process's client of an endpoint, safe to share among threads.

    A patient one tries for about a minute; the other gives up within seconds.

    Raises:
        InvalidSpec: where the configuration cannot be used.
    """
    with one_at_a_time():
        return _client(endpoint, _PATIENT if patient else _IMPATIENT, os.getpid())


def one_at_a_time() -> AbstractContextManager[object]:
    """Return this process's lock for making clients: threads that begin together would make one each, for seconds."""
    return _LOCKS.setdefault(os.getpid(), threading.RLock())


@lru_cache
def _client(endpoint: Endpoint, patience: Patience, process: int) -> Any:  # noqa: ARG001  # see below
    """Make a client; a process that was forked makes its own, and leaves its parent's connections alone."""
    with _configuring():
        session = _session(endpoint.region)
        config = Config(
            signature_version=UNSIGNED if _is_anonymous(session) else None,
            max_pool_connections=MAX_CONNECTIONS,
            connect_timeout=patience.connect_s,
            read_timeout=patience.read_s,
            retries={"mode": "standard", "total_max_attempts": 1},  # `Patience` tries again
            s3=endpoint.addressing and {"addressing_style": endpoint.addressing},
            ignore_configured_endpoint_urls=True,  # this process may be configured otherwise than the one that asks
            # boto3's own checksums come in trailers that other servers than Amazon's do not understand.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client = session.client("s3", endpoint_url=endpoint.url, config=config)
    patience.rule(client)
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register(f"before-call.s3.{operation}", _add_content_md5)
    return client


def _session(region: str | None) -> Any:
    core = botocore.session.get_session()
    core.register_component("data_loader", _loader())
    return boto3.Session(botocore_session=core, region_name=region)


@lru_cache
def _loader() -> Any:
    """Return what reads botocore's tables of services: once a process, as each time takes as long as ten requests."""
    return create_loader()


@contextmanager
def _configuring() -> Iterator[None]:
    try:
        with mapped("the configuration of S3"):
            yield
    except ValueError as error:  # what botocore says of an address that is none
        raise InvalidSpec(f"the configuration of S3: {error}; look at AWS_ENDPOINT_URL and ~/.aws/config") from error


def _is_anonymous(session: Any) -> bool:
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
