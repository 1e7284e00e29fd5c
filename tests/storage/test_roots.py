"""From an address to the place behind it; what each does is tested beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.folder import Folder
from revsearch.storage.roots import Place, open_root, place_of
from tests.servers.server import Server


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_root(str(tmp_path)) == open_root(".") == Folder(tmp_path)
    assert place_of("\udcff.jpg") == Place(Folder(tmp_path), "%FF.jpg")
    assert place_of("\udcff.jpg").uri == f"{tmp_path}/%FF.jpg"


@pytest.mark.parametrize("uri", ["http://host/", "file:///tmp", "S3://bucket"])
def test_other_schemes_are_refused(uri: str) -> None:
    with pytest.raises(InvalidSpec, match="expected a folder or s3://bucket/prefix, found"):
        open_root(uri)


def test_prefixes(moto: Server, in_environment_of: Callable[..., None]) -> None:
    in_environment_of(moto)
    for written in ("s3://bucket/a", "s3://bucket/a/"):
        assert open_root(written).uri == "s3://bucket/a"
    assert open_root("s3://").uri == "s3://"
    place = place_of("s3://bucket/a/%FF.jpg")
    assert (place.root, place.location) == (open_root("s3://bucket/a"), "%25FF.jpg")
    assert place.uri == "s3://bucket/a/%25FF.jpg"
