"""Which server is asked, and as whom."""

import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec, RevsearchError
from revsearch.storage.opening import open_store
from revsearch.storage.s3.client import Endpoint, client_of
from tests.servers.faulty import Fault, always, faulty
from tests.servers.server import Server

NOWHERE = Server("http://127.0.0.1:1")
CONFIG = """
[default]
region = eu-north-1
[profile plain]
region = eu-west-1
endpoint_url = http://plain.example:9000
[profile named]
services = ours
region = eu-west-2
s3 =
    addressing_style = virtual
[services ours]
s3 =
    endpoint_url = http://named.example
"""


@pytest.fixture
def configured(tmp_path: Path, in_environment_of: Callable[..., None]) -> Callable[..., Endpoint]:
    """Return the endpoint of an environment beside a config file."""
    (tmp_path / "config").write_text(CONFIG)

    def configured(**environment: str | None) -> Endpoint:
        start = {"AWS_ENDPOINT_URL": None, "AWS_REGION": None, "AWS_CONFIG_FILE": str(tmp_path / "config")}
        in_environment_of(NOWHERE, **start | environment)
        return Endpoint.of_environment()

    return configured


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Endpoint(None, "eu-north-1")),
        ({"AWS_REGION": "us-west-1"}, Endpoint(None, "us-west-1")),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, Endpoint(None, "us-west-2")),
        ({"AWS_REGION": "us-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, Endpoint(None, "us-west-1")),
        ({"AWS_ENDPOINT_URL": "http://a.example"}, Endpoint("http://a.example", "eu-north-1")),
        (
            {"AWS_ENDPOINT_URL": "http://a.example", "AWS_ENDPOINT_URL_S3": "https://b.example:9000"},
            Endpoint("https://b.example:9000", "eu-north-1"),
        ),
        ({"AWS_PROFILE": "plain"}, Endpoint("http://plain.example:9000", "eu-west-1")),
        ({"AWS_PROFILE": "plain", "AWS_REGION": "us-west-1"}, Endpoint("http://plain.example:9000", "us-west-1")),
        ({"AWS_PROFILE": "plain", "AWS_ENDPOINT_URL": "http://a.example"}, Endpoint("http://a.example", "eu-west-1")),
        ({"AWS_PROFILE": "plain", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, Endpoint(None, "eu-west-1")),
        ({"AWS_PROFILE": "named"}, Endpoint("http://named.example", "eu-west-2", "virtual")),
        (
            {"AWS_ENDPOINT_URL": "https://vpce-1.s3.eu-west-1.vpce.amazonaws.com"},
            Endpoint("https://vpce-1.s3.eu-west-1.vpce.amazonaws.com", "eu-north-1"),
        ),
    ],
)
def test_it_is_configured_as_boto3_and_the_aws_command_line(
    configured: Callable[..., Endpoint], environment: dict[str, str], expected: Endpoint
) -> None:
    assert configured(**environment) == expected


def test_a_bucket_is_part_of_the_path_where_the_server_is_ones_own(configured: Callable[..., Endpoint]) -> None:
    for profile, address in (
        ("plain", "http://plain.example:9000/bucket/k"),
        ("named", "http://bucket.named.example/k"),
    ):
        client = client_of(configured(AWS_PROFILE=profile))
        signed = client.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"})
        assert signed.partition("?")[0] == address


def test_a_worker_asks_the_server_that_it_was_told_of(configured: Callable[..., Endpoint]) -> None:
    amazon = configured(AWS_REGION="us-west-1")
    configured(AWS_ENDPOINT_URL="http://another.example")
    assert client_of(amazon).meta.endpoint_url == "https://s3.us-west-1.amazonaws.com"


def test_who_is_told_to_sign_never_asks_without(configured: Callable[..., Endpoint]) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"}
    assert configured(**nobody).anonymous
    assert configured(AWS_NO_SIGN_REQUEST="true").anonymous
    signing = configured()
    assert not signing.anonymous
    configured(**nobody)
    with pytest.raises(InvalidSpec, match="Unable to locate credentials"):
        client_of(signing)
    configured()
    client_of(signing)  # that there were none is not kept


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_PROFILE": "gone"}, "gone"),
        ({"AWS_ENDPOINT_URL": "no address"}, "no address"),
        ({"AWS_ENDPOINT_URL": "http://"}, "http://"),
        ({"AWS_ENDPOINT_URL": "http://user:word@a.example"}, "^AWS_ENDPOINT_URL: .* without user and password"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "(?i)secret"),
        ({"AWS_CONFIG_FILE": __file__}, "test_client.py"),
        ({"AWS_REGION": "no region"}, "no region"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    in_environment_of: Callable[..., None], environment: dict[str, str | None], said: str
) -> None:
    in_environment_of(NOWHERE, **environment)
    with pytest.raises(InvalidSpec, match=said):
        open_store("s3://bucket")


def test_without_keys_a_public_bucket_can_be_read(radosgw: Server, in_environment_of: Callable[..., None]) -> None:
    bucket, private = radosgw.make_bucket(), radosgw.make_bucket()
    client = radosgw.client()
    client.put_bucket_acl(Bucket=bucket.removeprefix("s3://"), ACL="public-read")
    client.put_object(Bucket=bucket.removeprefix("s3://"), Key="a/b", Body=b"1", ACL="public-read")
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    for changed in (nobody, {"AWS_NO_SIGN_REQUEST": "true", "AWS_SECRET_ACCESS_KEY": "wrong"}):
        in_environment_of(radosgw, **changed)
        store = open_store(bucket)
        assert (store.read("a/b"), [info.key for info in store.list("")]) == (b"1", ["a/b"])
        with pytest.raises(InvalidSpec, match=r"403 AccessDenied.*without credentials only public buckets"):
            store.require_writable()
        with pytest.raises(InvalidSpec, match="403 AccessDenied"):
            open_store(private)


@pytest.mark.parametrize("changed", [{"AWS_SECRET_ACCESS_KEY": "wrong"}, {"AWS_ACCESS_KEY_ID": "UNKNOWN"}])
def test_wrong_keys_are_refused(
    radosgw: Server, in_environment_of: Callable[..., None], changed: dict[str, str]
) -> None:
    bucket = radosgw.make_bucket()
    in_environment_of(radosgw, **changed)
    with pytest.raises(InvalidSpec, match=r"403 .*; look at AWS_PROFILE"):
        open_store(bucket)


def test_keys_are_nowhere_but_in_the_environment(
    moto: Server, in_environment_of: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    canaries = {name: f"CANARY{name}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    bucket, said = moto.make_bucket(), []
    caplog.set_level(logging.DEBUG, "revsearch")
    with faulty(moto) as proxy:
        in_environment_of(proxy.server, **canaries)
        store = open_store(bucket)
        store.write("a", b"1")
        pickled = pickle.dumps(store)
        for fault in (Fault.DENIED, Fault.EXPIRED, Fault.REDIRECTED, Fault.NOT_IMPLEMENTED):
            proxy.reset(always(fault))
            with pytest.raises(RevsearchError) as error:
                store.read("a")
            said.append(f"{error.value!r}{error.value}")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("revsearch")]
    assert b"CANARY" not in pickled
    assert "CANARY" not in f"{store!r}{store.uri}{said}{ours}"


FORK = """
import os, sys
from revsearch.storage.opening import open_store
from revsearch.storage.s3.client import client_of

store = open_store(sys.argv[1])
store.write("a", b"1")
mine = client_of(store.endpoint)
assert client_of(store.endpoint) is mine
child = os.fork()
if child == 0:
    own = client_of(store.endpoint) is not mine
    os._exit(0 if own and all(store.read("a") == b"1" for _ in range(50)) else 1)
assert all(store.read("a") == b"1" for _ in range(50))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_has_a_client_of_its_own(moto: Server, in_environment_of: Callable[..., None]) -> None:
    in_environment_of(moto)
    subprocess.run([sys.executable, "-c", FORK, moto.make_bucket()], check=True)
