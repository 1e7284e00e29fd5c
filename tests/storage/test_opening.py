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


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "file:///tmp", "https://host/"])
def test_an_address_that_is_no_folder_is_refused(uri: str) -> None:
    with pytest.raises(InvalidSpec, match=f"--store: expected a folder, found '{uri}'"):
        open_store(uri)
