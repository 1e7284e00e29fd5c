"""A folder as the place where images lie; how it is read and listed is tested with `images` and `sources`."""

import os
import pickle
from pathlib import Path

import pytest

from revsearch.rejects import Reason, Rejection
from revsearch.storage.folder import Folder


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("a/./b//c.jpg", "a/b/c.jpg"),
        ("a/.hidden/b.jpg", "a/.hidden/b.jpg"),
        ("a/", "a"),
        (".", "."),
        ("../a.jpg", "../a.jpg"),
        ("./../a/./b.jpg", "../a/b.jpg"),
        ("a/../b.jpg", "a/../b.jpg"),
        ("/data/set/a.jpg", "a.jpg"),
        ("/data//set/./b/a.jpg", "b/a.jpg"),
        ("/data/set/../a.jpg", "../a.jpg"),
        ("/data/settings/a.jpg", "/data/settings/a.jpg"),
        ("/etc//passwd", "/etc/passwd"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://host//a/./b.jpg", "https://host//a/./b.jpg"),
        ("a b%20.jpg", "a b%20.jpg"),
    ],
)
def test_a_location_is_the_path_below_the_folder(uri: str, location: str) -> None:
    assert Folder(Path("/data/set")).location_of(uri) == location


def test_names_that_are_no_utf8_are_written_as_in_ids() -> None:
    folder = Folder(Path("/data/\udcffset"))
    assert folder.location_of("/data/%FFset/a.jpg") == "a.jpg"
    assert folder.uri_of("a/%FE.jpg") == "/data/%FFset/a/%FE.jpg"
    assert Folder(Path("/data/set")).uri_of("a/b.jpg") == "/data/set/a/b.jpg"


def test_it_reads_lists_and_looks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "\udcff.jpg").write_bytes(b"image")
    os.utime(tmp_path / "a" / "\udcff.jpg", ns=(5, 5))
    folder = pickle.loads(pickle.dumps(Folder(tmp_path)))
    assert folder == Folder(tmp_path)
    assert not folder.is_remote
    assert folder.read("a/%FF.jpg", max_bytes=10) == b"image"
    assert folder.list(follow_symlinks=False).ids.tolist() == ["a/%FF.jpg"]
    facts = folder.facts(["gone", "a/%FF.jpg", "x" * 300, "\0", "\udcff"])
    assert (facts.sizes.tolist(), facts.versions.tolist()) == ([0, 5, 0, 0, 0], [0, 5, 0, 0, 0])


def test_an_address_of_a_bucket_says_which_root_would_allow_it(tmp_path: Path) -> None:
    with pytest.raises(Rejection, match=r"found a URL; --root s3://bucket allows it") as rejected:
        Folder(tmp_path).read("s3://bucket/a.jpg", max_bytes=10)
    assert rejected.value.reason is Reason.OUTSIDE_ROOT
