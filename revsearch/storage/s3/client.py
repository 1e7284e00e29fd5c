"""Clients of an endpoint, one a process: configured as boto3 and the AWS command line are.

What travels to workers is where the endpoint is. Credentials never do: each process takes its own, from the
environment, a profile, or the role of its machine.
"""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

from revsearch.errors import InvalidSpec
from revsearch.storage.s3.failures import mapped
from revsearch.storage.s3.patience import Patience

_MAX_CONNECTIONS = 64  # of one process: threads that read images, and parts of transfers
_METADATA_TRIES = 3  # of a machine's role, whose service is busy where many workers begin together

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
        anonymous: whether requests go unsigned, as public buckets take them. Decided once, for all processes of a job:
            one that finds no credentials later must not go on without.
    """

    url: str | None = None
    region: str | None = None
    addressing: str | None = None
    anonymous: bool = False

    @classmethod
    def of_environment(cls) -> "Endpoint":
        """Return what this process is configured for: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION,
        AWS_DEFAULT_REGION, AWS_PROFILE and the files of the AWS command line.

        Raises:
            InvalidSpec: where that configuration cannot be used.
        """
        return _of_environment(frozenset((name, os.environ[name]) for name in os.environ if name.startswith("AWS_")))

    @classmethod
    def configured(cls) -> "Endpoint":
        """Return the same without a look at credentials, which may take a machine's role seconds; raises the same."""
        with _configuring():
            session = _session(os.environ.get("AWS_REGION"))
            plain = Config(signature_version=UNSIGNED)
            asked = session.client("s3", config=plain).meta
            amazon = session.client("s3", config=plain.merge(Config(ignore_configured_endpoint_urls=True))).meta
        url = asked.endpoint_url if asked.endpoint_url != amazon.endpoint_url else None
        if url is not None and "@" in urlsplit(url).netloc:
            raise InvalidSpec(
                "AWS_ENDPOINT_URL: expected an address without user and password; keys have variables of theirs"
            )
        return cls(url, session.region_name, (asked.config.s3 or {}).get("addressing_style"))


def client_of(endpoint: Endpoint, *, patient: bool = True) -> Any:
    """Return this process's client of an endpoint, safe to share among threads.

    A patient one tries for about a minute; the other gives up within seconds.

    Raises:
        InvalidSpec: where the configuration cannot be used.
    """
    # Threads that begin together would make one each, for seconds.
    with _LOCKS.setdefault(os.getpid(), threading.RLock()):
        return _client(endpoint, _PATIENT if patient else _IMPATIENT, os.getpid())


def forget() -> None:
    """Forget the clients and the configuration of this process: it is about to be configured anew."""
    _client.cache_clear()
    _of_environment.cache_clear()


@lru_cache(maxsize=4)
def _of_environment(variables: frozenset[tuple[str, str]]) -> Endpoint:  # noqa: ARG001  # the key of the cache
    with _configuring():
        return replace(Endpoint.configured(), anonymous=_is_anonymous(_session(None, _METADATA_TRIES)))


@lru_cache
def _client(endpoint: Endpoint, patience: Patience, process: int) -> Any:  # noqa: ARG001  # see below
    """Make a client; a process that was forked makes its own, and leaves its parent's connections alone."""
    with _configuring():
        session = _session(endpoint.region, _METADATA_TRIES)
        if not endpoint.anonymous and session.get_credentials() is None:
            raise NoCredentialsError
        config = Config(
            signature_version=UNSIGNED if endpoint.anonymous else None,
            max_pool_connections=_MAX_CONNECTIONS,
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


def _session(region: str | None, metadata_tries: int | None = None) -> Any:
    core = botocore.session.get_session()
    core.register_component("data_loader", _loader())
    if metadata_tries is not None:
        core.set_config_variable("metadata_service_num_attempts", metadata_tries)
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
