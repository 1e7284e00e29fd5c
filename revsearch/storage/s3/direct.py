"""GET of objects without what boto3 does around each, which costs more CPU than all else that reading a small one does.

Signed and sent by botocore's own parts, and only as long as all goes well: whatever else comes of it is asked for again
by boto3, which knows regions, retries and errors.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TooLarge, read_body
from revsearch.storage.s3.client import MAX_CONNECTIONS, Endpoint, client_of, one_at_a_time
from revsearch.storage.s3.failures import mapped

_TIMEOUTS_S = (5.0, 10.0)  # to connect, and for each answer; boto3 is asked afterwards
_STAND_IN = "key"
_SCOPE = re.compile(r"[^/]+/[0-9]{8}/([^/]+)/s3/aws4_request")  # of a signature for S3 itself, not for its relatives
_OK, _SERVER_ERRORS = 200, 500
_DOUBTS = 3  # refusals of a bucket that boto3 did not get: after these, boto3 alone is asked


def read_directly(endpoint: Endpoint, address: S3Address, max_bytes: int) -> bytes:
    """Return an object.

    Raises:
        TooLarge: where it has more than `max_bytes`.
        RevsearchError: as `mapped`.
    """
    with one_at_a_time():
        direct = _direct(endpoint, os.getpid())  # a forked process must not share its parent's connections
    try:
        return direct.get(address, max_bytes)
    except _NotSo as failed:
        data = read_body(client_of(endpoint), address, max_bytes).data
        if failed.refused:
            direct.doubts[address.bucket] += 1
        return data


class _NotSo(Exception):
    """The object did not come this way; `refused` where the server said so, and is not just away."""

    def __init__(self, *, refused: bool = False) -> None:
        super().__init__()
        self.refused = refused


@dataclass(frozen=True, slots=True)
class _Bucket:
    """How a bucket is asked: what its URLs begin with, and the region that requests are signed for; None: unsigned."""

    url: str
    region: str | None


@lru_cache
def _direct(endpoint: Endpoint, process: int) -> "_Direct":  # noqa: ARG001  # the process is a key of the cache
    with mapped("the configuration of S3"):
        return _Direct.at(endpoint)


@dataclass
class _Direct:
    """What asks; safe to share among threads.

    Attributes:
        client: knows how a bucket is addressed, and is never sent anywhere.
        credentials: what signs; refreshed by itself where it expires.
        doubts: how often a bucket refused what boto3 got.
    """

    client: Any
    credentials: Any
    http: URLLib3Session
    doubts: Counter[str] = field(default_factory=Counter)
    buckets: dict[str, _Bucket | None] = field(default_factory=dict)

    @classmethod
    def at(cls, endpoint: Endpoint) -> Self:
        config = client_of(endpoint).meta.config
        if config.signature_version is not UNSIGNED:
            config = config.merge(Config(signature_version="s3v4"))
        session = boto3.Session(region_name=endpoint.region)
        client = session.client("s3", endpoint_url=endpoint.url, config=config)
        http = URLLib3Session(
            verify=botocore.session.Session().get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(client.meta.endpoint_url),
            timeout=_TIMEOUTS_S,
            max_pool_connections=MAX_CONNECTIONS,
        )
        return cls(client, session.get_credentials(), http)

    def get(self, address: S3Address, max_bytes: int) -> bytes:
        """Return an object; `_NotSo` where it did not come, `TooLarge` where it has too many bytes."""
        bucket = self._bucket(address.bucket)
        if bucket is None or self.doubts[address.bucket] >= _DOUBTS:
            raise _NotSo
        try:
            answer = self.http.send(self._request(bucket, address.key))
            if answer.status_code == _OK:
                return _body(answer, max_bytes)
        except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
            raise _NotSo from error
        answer.raw.close()
        raise _NotSo(refused=answer.status_code < _SERVER_ERRORS)

    def _bucket(self, name: str) -> _Bucket | None:
        if name not in self.buckets:
            self.buckets[name] = self._how_to_ask(name)
        return self.buckets[name]

    def _how_to_ask(self, name: str) -> _Bucket | None:
        """Read off a URL that boto3 signs; None where the bucket needs more than a signature, or is no bucket."""
        try:
            url = self.client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": _STAND_IN})
        except BotoCoreError:
            return None
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix(_STAND_IN)}"
        if self.client.meta.config.signature_version is UNSIGNED:
            return _Bucket(base, None)
        scope = _SCOPE.fullmatch(parse_qs(parts.query).get("X-Amz-Credential", [""])[0])
        return _Bucket(base, scope[1]) if scope else None

    def _request(self, bucket: _Bucket, key: str) -> Any:
        request = AWSRequest("GET", url=bucket.url + quote(key, safe="/~"), stream_output=True)
        if bucket.region is not None:
            S3SigV4Auth(self.credentials.get_frozen_credentials(), "s3", bucket.region).add_auth(request)
        return request.prepare()


def _body(answer: Any, max_bytes: int) -> bytes:
    size = int(answer.headers["Content-Length"])
    if size > max_bytes:
        answer.raw.close()
        raise TooLarge(size)
    data: bytes = answer.raw.read()
    if len(data) != size:
        raise _NotSo
    return data
