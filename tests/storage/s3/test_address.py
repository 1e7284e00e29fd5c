import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.s3.address import S3Address, is_s3


@pytest.mark.parametrize(
    ("uri", "bucket", "key", "folder"),
    [
        ("s3://bucket", "bucket", "", ""),
        ("s3://bucket/", "bucket", "", ""),
        ("s3://bucket/a", "bucket", "a", "a/"),
        ("s3://bucket/a/b.c/", "bucket", "a/b.c/", "a/b.c/"),
        ("s3://bucket/a?b#c%20d e", "bucket", "a?b#c%20d e", "a?b#c%20d e/"),
    ],
)
def test_an_address_is_a_bucket_and_a_key(uri: str, bucket: str, key: str, folder: str) -> None:
    address = S3Address.parse(uri)
    assert (address.bucket, address.key) == (bucket, key)
    assert address.folder == S3Address(bucket, folder)
    assert address.below("x/y") == S3Address(bucket, f"{folder}x/y")
    assert str(address) == uri.rstrip("/")
    assert S3Address.parse(str(address)).folder == address.folder
    assert is_s3(uri)


@pytest.mark.parametrize(
    "uri", ["", "s3:", "s3://", "s3:///a", "bucket/a", "/s3://bucket", "https://s3.amazonaws.com/a"]
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(InvalidSpec, match="expected s3://bucket or s3://bucket/prefix, found"):
        S3Address.parse(uri)
