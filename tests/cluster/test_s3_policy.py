"""The shipped policy, enforced: with it a store and images work, and nothing else does; nothing in it is needless."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from revsearch.errors import InvalidSpec
from revsearch.storage.s3 import client
from revsearch.storage.s3.store import S3Store
from tests.cluster.shipped import CLUSTER

ACTIONS = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
LARGE = 17 * 2**20  # sent in parts

Allow = Callable[..., None]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration of the developer's own, and no client that another test made."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"REGION": "us-east-1", "EC2_METADATA_DISABLED": "true"}
    files = {"CONFIG_FILE": os.devnull, "SHARED_CREDENTIALS_FILE": os.devnull}
    keys = {"ACCESS_KEY_ID": "root", "SECRET_ACCESS_KEY": "x"}
    for name, value in {**settings, **files, **keys}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    client.forget()
    yield
    client.forget()


@pytest.fixture
def allow(alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Allow]:
    """Become a user with the shipped policy, `without` one action; there are buckets `stored`, `images` and `other`."""
    with mock_aws():
        s3, iam = boto3.client("s3", region_name="us-east-1"), boto3.client("iam", region_name="us-east-1")
        for bucket in ("stored", "images", "other"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="images", Key="a.jpg", Body=b"a picture")
        iam.create_user(UserName="worker")
        key = iam.create_access_key(UserName="worker")["AccessKey"]

        def allow(without: str | None = None) -> None:
            document = json.dumps(policy(without))
            iam.put_user_policy(UserName="worker", PolicyName="shipped", PolicyDocument=document)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

        yield allow


def policy(without: str | None) -> dict[str, Any]:
    """The file, its buckets filled in."""
    text = (CLUSTER / "s3-policy.json").read_text().replace("STORE-BUCKET", "stored").replace("IMAGE-BUCKET", "images")
    found: dict[str, Any] = json.loads(text)
    for statement in found["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without] or ["s3:GetBucketTagging"]
    return found


def work(folder: Path) -> None:
    """Everything that a store is asked for, and what is asked of a bucket of images."""
    store = S3Store.at("s3://stored/below")
    store.require_writable()
    (folder / "large").write_bytes(os.urandom(LARGE))
    store.upload("large", folder / "large")
    assert store.download("large", folder).read_bytes() == (folder / "large").read_bytes()
    store.write("key", b"1")
    assert store.read("key") == b"1"
    assert [info.key for info in store.list("")] == ["key", "large"]
    assert (store.create_if_absent("card", b"1"), store.create_if_absent("card", b"2")) == (True, False)
    assert store.swap("card", b"1", b"2")
    store.delete("key")
    assert S3Store.at("s3://images").read("a.jpg") == b"a picture"


def test_it_is_enough(allow: Allow, tmp_path: Path) -> None:
    allow()
    set_initial_no_auth_action_count(0)(work)(tmp_path)


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_of_it_is_needless(allow: Allow, tmp_path: Path, action: str) -> None:
    allow(without=action)
    with pytest.raises(InvalidSpec, match="AccessDenied"):
        set_initial_no_auth_action_count(0)(work)(tmp_path)


@pytest.mark.parametrize(
    "beyond",
    [
        lambda: S3Store.at("s3://images").write("b.jpg", b""),
        lambda: S3Store.at("s3://images").delete("a.jpg"),
        lambda: S3Store.at("s3://other"),
    ],
)
def test_it_is_no_more(allow: Allow, beyond: Callable[[], object]) -> None:
    allow()
    with pytest.raises(InvalidSpec, match="AccessDenied"):
        set_initial_no_auth_action_count(0)(beyond)()
