"""Listings of prefixes: those of a folder with the same files; and what is learned of single keys by as few pages."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.roots import open_root
from revsearch.storage.s3 import listing, pages
from revsearch.storage.sources import Listing, listing_fingerprint
from tests.servers.faulty import Fault, always, faulty
from tests.servers.server import Server

FILES = {
    "1.jpg": b"one", "ape/1.jpg": b"two", "ape/2.JPG": b"three", "ape/notes.txt": b"n", "ape/list.CSV": b"n",
    ".hidden": b"h", ".git/config": b"h", ".git/deep/er": b"h", "ape/.DS_Store": b"h", "ape/.cache/a.jpg": b"h",
    "ape/.cache/b.jpg": b"h", "no suffix": b"x", "é/100%.png": b"x", "%FF.jpg": b"x", "bee.txt/1.jpg": b"x",
}  # fmt: skip


def listed(uri: str) -> Listing:
    return open_root(uri).list(follow_symlinks=False)


@pytest.fixture
def bucket(server: Server, in_environment_of: Callable[..., None]) -> str:
    in_environment_of(server)
    return server.make_bucket()


def test_a_prefix_is_listed_as_a_folder_with_its_files(bucket: str, server: Server, tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    server.fill(f"{bucket}/set", FILES)
    server.fill(f"{bucket}/setting", {"a.jpg": b"beside"})
    found, expected = listed(f"{bucket}/set"), listed(str(tmp_path))
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.sizes.tolist() == expected.sizes.tolist()
    assert (found.ignored, found.rejects) == (expected.ignored, ()) == (6, ())
    assert listed(f"{bucket}/set/").ids.tolist() == expected.ids.tolist()
    assert len(listed(bucket)) == len(expected) + 1


def test_markers_of_folders_are_no_files(bucket: str, server: Server) -> None:
    server.fill(bucket, {"set/": b"", "set/ape/": b"", "set/ape/1.jpg": b"x", "set/.git/": b""})
    found = listed(f"{bucket}/set")
    assert (found.ids.tolist(), found.ignored) == (["ape/1.jpg"], 1)


def test_nothing_is_an_empty_listing(bucket: str) -> None:
    assert len(listed(f"{bucket}/nothing")) == 0


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    with pytest.raises(InvalidSpec, match="NoSuchBucket"):
        listed("s3://no-such-bucket-here/set")


def test_the_fingerprint_changes_with_the_bytes_of_the_same_size(bucket: str, server: Server) -> None:
    server.fill(bucket, {"1.jpg": b"one", "2.jpg": b"two"})
    before = listing_fingerprint(listed(bucket))
    server.fill(bucket, {"1.jpg": b"one"})  # written again: its ETag stays
    assert listing_fingerprint(listed(bucket)) == before
    server.fill(bucket, {"1.jpg": b"two"})
    assert listing_fingerprint(listed(bucket)) != before


@pytest.fixture
def many(server: Server, in_environment_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> str:
    """More keys than a page holds, which is 10 here."""
    for module in (listing, pages):
        monkeypatch.setattr(module, "PAGE", 10)
    in_environment_of(server)
    return server.fill(server.make_bucket(), {f"{n:04d}.jpg": b"x" * (n % 7) for n in range(25)})


def test_many_pages(many: str) -> None:
    found = listed(many)
    assert found.ids.tolist() == [f"{n:04d}.jpg" for n in range(25)]
    assert found.sizes.tolist() == [n % 7 for n in range(25)]
    assert len(np.unique(found.versions)) == 7


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [
        ([5], 1),
        ([19, 3, 2, 15, 9], 2),
        ([0, 24], 2),
        (list(range(25)), 3),
        ([9_999, 7], 2),
        ([], 0),
    ],
)
def test_keys_are_looked_up_by_as_few_pages_as_hold_them(
    many: str, server: Server, in_environment_of: Callable[..., None], wanted: list[int], pages: int
) -> None:
    with faulty(server) as proxy:
        in_environment_of(proxy.server)
        facts = open_root(many).facts([f"{n:04d}.jpg" for n in wanted])
    assert facts.sizes.tolist() == [n % 7 if n < 25 else 0 for n in wanted]
    assert (facts.versions == 0).tolist() == [n >= 25 for n in wanted]
    assert proxy.counts == ({"ListObjectsV2": pages} if pages else {})


def test_what_leads_nowhere_is_not_looked_up(many: str) -> None:
    facts = open_root(many).facts(["../a.jpg", "0001.jpg", "http://host/a.jpg", "\0", "%FF.jpg"])
    assert facts.sizes.tolist() == [0, 1, 0, 0, 0]


def test_keys_of_several_buckets(many: str, server: Server) -> None:
    other = server.fill(server.make_bucket(), {"é\u0301\U0010ffff": b"1", "\ue000": b"12", "a": b"123", " ": b"1234"})
    locations = [f"{other}/{name}" for name in ("é\u0301\U0010ffff", "\ue000", "a", " ")] + [f"{many}/0006.jpg"]
    root = open_root("s3://")
    assert root.facts([root.location_of(uri) for uri in locations]).sizes.tolist() == [1, 2, 3, 4, 6]


def test_where_nobody_may_list_versions_are_never_the_same_twice(
    many: str, server: Server, in_environment_of: Callable[..., None]
) -> None:
    with faulty(server, always(Fault.DENIED, "ListObjectsV2")) as proxy:
        in_environment_of(proxy.server)
        root = open_root(many)
        first, second = (root.facts(["0001.jpg", "0002.jpg"]) for _ in range(2))
    assert first.versions.all()
    assert not np.any(first.versions == second.versions)


@pytest.mark.parametrize("key", ["b", "a b", "é", "\ue000", "x/y/z.jpg", "a!", "\U0010ffff"])
def test_just_before_a_key_lies_next_to_nothing(key: str) -> None:
    before = listing._just_before(key)
    assert before < key
    assert before.encode() < key.encode()


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        ("a/b.jpg", None), (".a", ".a"), (".git/x", ".git"), ("a/.b/c/.d", "a/.b"), ("a/.b", "a/.b"), ("a./b.", None),
        ("a/../b", "a/.."), ("a//b", None), ("./a", "."),
    ],
)  # fmt: skip
def test_hidden_keys(key: str, hidden: str | None) -> None:
    assert listing._hidden(key) == hidden
