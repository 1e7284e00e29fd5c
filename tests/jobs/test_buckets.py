"""Commands on a bucket that cannot be used: told within seconds, and before anything is begun."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Told
from tests.servers.faulty import Asked, Fault, Proxy, always, share
from tests.servers.server import free_port

SOON_S = 40.0  # an idle machine takes 5 s, a busy one some more; what is patient, more than a minute


@pytest.fixture
def told(revsearch: Callable[..., Told]) -> Callable[..., Told]:
    """Run a command, which is to end soon."""

    def told(*arguments: object) -> Told:
        began = time.monotonic()
        found = revsearch(*arguments)
        assert time.monotonic() - began < SOON_S
        return found

    return told


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (Fault.DENIED, 2, "403 AccessDenied: planned; look at AWS_PROFILE"),
        (Fault.EXPIRED, 2, "400 ExpiredToken: planned; look at AWS_PROFILE"),
        (Fault.REDIRECTED, 2, "301 PermanentRedirect: planned; the bucket is in another region: set AWS_REGION"),
        (Fault.OTHER_REGION, 2, "400 AuthorizationHeaderMalformed: planned; the bucket is in another region"),
        (Fault.MOVED, 2, "no S3 server, or https:// is needed"),
        (Fault.INTERNAL, 75, "500 InternalError: planned; try again"),
        (Fault.HANGING, 75, "no answer, or not a whole one: Read timeout"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_told_soon(
    proxy: Proxy, told: Callable[..., Told], fault: Fault, code: int, said: str
) -> None:
    bucket = proxy.upstream.make_bucket()
    proxy.reset(always(fault))
    found = told("ls", "--store", f"{bucket}/a")
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert f"{bucket}/a" in found.err


def test_a_bucket_that_is_not_there(proxy: Proxy, told: Callable[..., Told]) -> None:
    found = told("ls", "--store", "s3://no-such-bucket/a")
    assert found.code == 2
    assert "404 NoSuchBucket" in found.err
    assert "the bucket must be made before" in found.err


def test_a_server_that_is_not_there(
    proxy: Proxy, in_environment_of: Callable[..., None], told: Callable[..., Told]
) -> None:
    in_environment_of(proxy.server.behind(f"http://127.0.0.1:{free_port()}"))
    found = told("ls", "--store", "s3://bucket")
    assert found.code == 75
    assert "Could not connect to the endpoint URL" in found.err


def test_a_server_that_takes_no_connection(
    proxy: Proxy, in_environment_of: Callable[..., None], told: Callable[..., Told]
) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:  # fill what waits to be accepted
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        in_environment_of(proxy.server.behind(f"http://127.0.0.1:{full.getsockname()[1]}"))
        found = told("ls", "--store", "s3://bucket")
        for each in waiting:
            each.close()
    assert found.code == 75
    assert "imeout" in found.err


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("fault", "said"),
    [(Fault.DENIED, "403 AccessDenied"), (Fault.UNCONDITIONAL, "servers that do: Amazon S3, Ceph's radosgw")],
)
def test_a_bucket_that_cannot_take_the_result_is_told_before_anything_is_begun(
    proxy: Proxy, told: Callable[..., Told], fault: Fault, said: str, tmp_path: Path
) -> None:
    bucket = proxy.upstream.make_bucket()

    def plan(asked: Asked) -> Fault | None:
        return fault if asked.operation == "PutObject" else None

    proxy.reset(plan)
    (tmp_path / "a.png").write_bytes(b"no picture")
    found = told("manifest", tmp_path, "--store", bucket)
    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert told("manifest", tmp_path, "--store", bucket, "--dry-run").code == 0
    assert told("ls", "--store", bucket).code == 0


def test_a_bucket_that_often_fails_can_be_listed(proxy: Proxy, told: Callable[..., Told]) -> None:
    bucket = proxy.upstream.make_bucket()
    proxy.reset(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET))
    for _ in range(3):
        assert told("ls", "--store", bucket).code == 0
