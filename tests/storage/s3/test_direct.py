"""Objects asked for without boto3, and when boto3 is asked after all."""

from collections.abc import Callable, Iterator

import pytest

from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.storage.s3.address import S3Address
from revsearch.storage.s3.bodies import TooLarge
from revsearch.storage.s3.client import Endpoint
from revsearch.storage.s3.direct import read_directly
from tests.servers.faulty import Asked, Fault, Proxy, always, faulty, none
from tests.servers.server import Server


@pytest.fixture
def proxy(server: Server, in_environment_of: Callable[..., None]) -> Iterator[Proxy]:
    with faulty(server) as proxy:
        in_environment_of(proxy.server)
        yield proxy


@pytest.fixture
def bucket(proxy: Proxy) -> str:
    bucket: str = proxy.upstream.make_bucket()
    return proxy.upstream.fill(bucket, {"a b/é+%.jpg": b"image", "other": b"other"}).removeprefix("s3://")


def read(bucket: str, key: str = "a b/é+%.jpg", max_bytes: int = 100) -> bytes:
    return read_directly(Endpoint.of_environment(), S3Address(bucket, key), max_bytes)


def boto3_asked(asked: Asked) -> bool:
    return "boto3" in asked.headers.get("user-agent", "").lower()


def test_what_goes_well_is_asked_for_once_and_not_by_boto3(proxy: Proxy, bucket: str) -> None:
    proxy.plan = lambda asked: Fault.DENIED if boto3_asked(asked) else None
    assert read(bucket) == b"image"
    with pytest.raises(TooLarge, match="5 bytes"):
        read(bucket, max_bytes=4)
    assert proxy.counts == {"GetObject": 2}


@pytest.mark.parametrize(
    "fault", [Fault.SLOW_DOWN, Fault.INTERNAL, Fault.DENIED, Fault.RESET, Fault.CUT, Fault.LOST, Fault.OTHER_REGION]
)
def test_what_goes_wrong_is_asked_for_again_by_boto3(proxy: Proxy, bucket: str, fault: Fault) -> None:
    proxy.plan = lambda asked: None if boto3_asked(asked) else fault
    assert read(bucket) == b"image"
    assert proxy.counts == {"GetObject": 2}


def test_a_bucket_that_refuses_what_boto3_gets_is_left_to_boto3(proxy: Proxy, bucket: str) -> None:
    proxy.plan = lambda asked: None if boto3_asked(asked) else Fault.DENIED
    assert [read(bucket) for _ in range(5)] == [b"image"] * 5
    assert (proxy.counts["GetObject"], proxy.faults[Fault.DENIED]) == (8, 3)


def test_a_server_that_is_away_for_a_while_is_not_doubted(proxy: Proxy, bucket: str) -> None:
    proxy.plan = lambda asked: None if boto3_asked(asked) else Fault.SLOW_DOWN
    assert [read(bucket) for _ in range(5)] == [b"image"] * 5
    proxy.reset(none)
    assert [read(bucket) for _ in range(5)] == [b"image"] * 5
    assert proxy.counts == {"GetObject": 5}


def test_what_is_not_there_is_told_as_boto3_tells_it(proxy: Proxy, bucket: str) -> None:
    with pytest.raises(MissingArtifact):
        read(bucket, "gone")
    with pytest.raises(InvalidSpec, match="NoSuchBucket"):
        read("no-such-bucket-here")
    with pytest.raises(InvalidSpec, match="Invalid bucket name"):
        read("no bucket")
    proxy.plan = always(Fault.DENIED)
    with pytest.raises(InvalidSpec, match="AccessDenied"):
        read(bucket)


def test_public_buckets_are_read_unsigned(
    server: Server, proxy: Proxy, bucket: str, in_environment_of: Callable[..., None]
) -> None:
    server.client().put_object_acl(Bucket=bucket, Key="other", ACL="public-read")
    in_environment_of(proxy.server, AWS_NO_SIGN_REQUEST="true")
    seen = list[Asked]()
    proxy.plan = lambda asked: seen.append(asked)  # type: ignore[func-returns-value]
    assert read(bucket, "other") == b"other"
    assert [("authorization" in asked.headers, boto3_asked(asked)) for asked in seen] == [(False, False)]
