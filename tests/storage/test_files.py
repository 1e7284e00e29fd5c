"""Single files by their address, of this machine and of S3."""

from collections.abc import Callable
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.files import kept_copy, kind_at, local_copy
from tests.servers.faulty import faulty
from tests.servers.server import Server


def test_files_and_folders_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x")
    assert [kind_at(str(place)) for place in (path, tmp_path, tmp_path / "gone")] == ["file", "folder", None]
    assert kind_at("x" * 300) is None
    assert local_copy(str(path), tmp_path / "nowhere") == path


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"expected a file or s3://bucket/key, found 'http://host/a'"):
        local_copy("http://host/a", tmp_path)


@pytest.fixture
def bucket(moto: Server, in_environment_of: Callable[..., None]) -> str:
    in_environment_of(moto)
    return moto.fill(moto.make_bucket(), {"lists/a.csv": b"list", "lists/a.csv.d/x": b"", "both": b"", "both/x": b""})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "folder"), ("/lists", "folder"), ("/lists/", "folder"), ("/lists/a.csv", "file"), ("/lists/a", None),
        ("/lists/a.csv/", None), ("/both", "folder"), ("/nothing", None),
    ],
)  # fmt: skip
def test_what_is_at_an_address(bucket: str, name: str, kind: str | None) -> None:
    assert kind_at(bucket + name) == kind


def test_an_empty_bucket_is_nothing(moto: Server, in_environment_of: Callable[..., None]) -> None:
    in_environment_of(moto)
    assert kind_at(moto.make_bucket()) is None


def test_a_bucket_that_is_not_there_is_an_error(bucket: str) -> None:
    with pytest.raises(InvalidSpec, match="NoSuchBucket"):
        kind_at("s3://no-such-bucket-here/a")


def test_copies_keep_their_name(bucket: str, tmp_path: Path) -> None:
    path = local_copy(f"{bucket}/lists/a.csv", tmp_path)
    assert (path, path.read_bytes()) == (tmp_path / "a.csv", b"list")
    with pytest.raises(InvalidSpec, match=f"{bucket}/lists/b.csv: no such object"):
        local_copy(f"{bucket}/lists/b.csv", tmp_path)


def test_a_copy_has_a_name_that_files_may_have(bucket: str, moto: Server, tmp_path: Path) -> None:
    name = "é" * 400 + ".csv"
    moto.fill(bucket, {name: b"list"})
    for path in (local_copy(f"{bucket}/{name}", tmp_path), kept_copy(f"{bucket}/{name}", tmp_path)):
        assert (path.suffix, path.read_bytes()) == (".csv", b"list")
    with pytest.raises(InvalidSpec, match=f"{bucket}/lists/: expected an object"):
        local_copy(f"{bucket}/lists/", tmp_path)


def test_a_kept_copy_is_fetched_once_until_it_changes(
    bucket: str, moto: Server, in_environment_of: Callable[..., None], tmp_path: Path
) -> None:
    cache, uri = tmp_path / "cache", f"{bucket}/lists/a.csv"
    with faulty(moto) as proxy:
        in_environment_of(proxy.server)
        first, again = kept_copy(uri, cache), kept_copy(uri, cache)
        assert first == again
        assert (first.suffix, first.read_bytes(), proxy.counts["GetObject"]) == (".csv", b"list", 1)
        moto.fill(bucket, {"lists/a.csv": b"other"})
        assert kept_copy(uri, cache).read_bytes() == b"other"
        assert len(list(cache.iterdir())) == 2
        with pytest.raises(InvalidSpec, match="no such object"):
            kept_copy(f"{bucket}/gone", cache)
