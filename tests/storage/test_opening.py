import subprocess
import sys
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.local import LocalStore
from revsearch.storage.opening import open_store


def test_a_folder_is_opened_and_not_made(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    assert isinstance(store, LocalStore)
    assert store.uri == str(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []
    assert open_store(store.uri).uri == store.uri


@pytest.mark.parametrize("uri", ["gs://bucket/prefix", "file:///tmp", "https://host/", "S3://bucket"])
def test_an_address_that_is_neither_folder_nor_bucket_is_refused(uri: str) -> None:
    with pytest.raises(InvalidSpec, match=f"--store: expected a folder or s3://bucket/prefix, found '{uri}'"):
        open_store(uri)


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix"])
def test_an_address_without_a_bucket_is_refused(uri: str) -> None:
    with pytest.raises(InvalidSpec, match=f"expected s3://bucket or s3://bucket/prefix, found '{uri}'"):
        open_store(uri)


@pytest.mark.parametrize("prefix", ["..", "a/../b", ".hidden", "a//b"])
def test_a_prefix_that_is_no_key_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidSpec, match="a key of a store is names"):
        open_store(f"s3://bucket/{prefix}")


def test_a_folder_is_opened_without_boto3(tmp_path: Path) -> None:
    look = (
        "import sys; from revsearch.storage.opening import open_store; open_store('x'); print('boto3' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert told.stdout == "False\n"
