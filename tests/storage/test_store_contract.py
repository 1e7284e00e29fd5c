"""What every store promises: a folder, and buckets of two S3 servers."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Barrier

import pytest

from revsearch.errors import InvalidSpec, MissingArtifact
from revsearch.fingerprint import file_sha256
from revsearch.storage.opening import open_store
from revsearch.storage.store import KeyInfo, Store
from tests.servers.server import Server

WRITERS = 8
rounds_of_a_race = pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])

KEYS = ["a-b/1", "a/-", "a/b-/1", "a/b/1", "a/b/10", "a/b/2", "a0/1", "b"]  # "-" < "/" < "0": not the order of paths
STRANGE_KEYS = [
    "%2e%2e/%",
    "%41",
    "a b/ c ",
    "a+b&c=d?e#f;g",
    "A",
    "a",
    "\u00e9",
    "e\u0301",
    "日本語/🙂",
    "quote\"'<&>\\",
    "trailing.",
    "~tilde*(x)!",
    "x" * 240,
    "/".join(["deep"] * 60),
]
BAD_KEYS = ["", ".", "..", "/etc/passwd", "../a", "a/../b", "a/..", "a//b", "a/", "./a", "a\0b", ".tmp-1", "a/.lock"]


@pytest.fixture(params=["folder", "moto", "radosgw"])
def store(request: pytest.FixtureRequest, tmp_path: Path, in_environment_of: Callable[[Server], None]) -> Store:
    """An empty store."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    server: Server = request.getfixturevalue(request.param)
    in_environment_of(server)
    return open_store(f"{server.make_bucket()}/some/prefix")


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


class TestKeys:
    def test_a_key_is_its_bytes(self, store: Store) -> None:
        for data in (b"\x00\xff", b"", b"longer than before"):
            store.write("a/b", data)
            assert store.read("a/b") == data
            assert list(store.list("")) == [KeyInfo("a/b", len(data))]

    def test_a_file_goes_up_and_comes_down_as_it_is(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "down").mkdir()
        for size in (0, 1, 5_000):
            (tmp_path / "up").write_bytes(bytes(range(256)) * 20)
            with (tmp_path / "up").open("r+b") as file:
                file.truncate(size)
            store.upload("a/b.parquet", tmp_path / "up")
            copy = store.download("a/b.parquet", tmp_path / "down")
            assert copy.read_bytes() == store.read("a/b.parquet") == (tmp_path / "up").read_bytes()

    def test_the_same_key_may_be_fetched_again_into_one_folder(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "down").mkdir()
        for data in (b"1", b"2"):
            store.write("a/b", data)
            assert store.download("a/b", tmp_path / "down").read_bytes() == data

    def test_a_large_file_too(self, store: Store, tmp_path: Path) -> None:
        block = bytes(range(251)) * 4_000  # no power of two: parts differ
        with (tmp_path / "up").open("wb") as file:
            for _ in range(42):
                file.write(block)
        (tmp_path / "down").mkdir()
        store.upload("a/large", tmp_path / "up")
        copy = store.download("a/large", tmp_path / "down")
        assert list(store.list("")) == [KeyInfo("a/large", 42 * len(block))]
        assert file_sha256(copy) == file_sha256(tmp_path / "up")
        assert store.read("a/large") == (tmp_path / "up").read_bytes()

    def test_a_key_that_is_absent_is_missing_and_its_deletion_nothing(self, store: Store, tmp_path: Path) -> None:
        for read in (lambda: store.read("a/b"), lambda: store.download("a/b", tmp_path)):
            with pytest.raises(MissingArtifact, match=f"no a/b in the store {store.uri}; .*revsearch ls"):
                read()
        assert list(tmp_path.rglob("*b*")) == []
        store.delete("a/b")
        store.write("a/b", b"1")
        store.delete("a/b")
        assert keys(store) == []
        with pytest.raises(MissingArtifact):
            store.read("a/b")

    def test_a_key_may_have_any_letters(self, store: Store, tmp_path: Path) -> None:
        for number, key in enumerate(STRANGE_KEYS):
            data = b"%d" % number
            (tmp_path / "file").write_bytes(data)
            store.upload(key, tmp_path / "file")
            assert store.read(key) == store.download(key, tmp_path).read_bytes() == data
            assert not store.create_if_absent(key, b"other")
            assert store.swap(key, data, data + data)
        assert keys(store) == sorted(STRANGE_KEYS)
        for number, key in enumerate(STRANGE_KEYS):
            assert keys(store, key) == sorted(each for each in STRANGE_KEYS if each.startswith(key))
            assert store.read(key) == b"%d%d" % (number, number)
        for key in STRANGE_KEYS:
            store.delete(key)
        assert keys(store) == []

    def test_what_is_no_name_below_the_root_is_refused(self, store: Store, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"1")
        before = sorted(tmp_path.rglob("*"))
        calls: list[Callable[[str], object]] = [
            store.read,
            store.delete,
            lambda key: store.write(key, b"1"),
            lambda key: store.upload(key, source),
            lambda key: store.download(key, tmp_path),
            lambda key: store.create_if_absent(key, b"1"),
            lambda key: store.swap(key, None, b"1"),
        ]
        for call, key in product(calls, BAD_KEYS):
            with pytest.raises(InvalidSpec, match="a key of a store"):
                call(key)
        assert sorted(tmp_path.rglob("*")) == before
        assert keys(store) == []


class TestListing:
    def test_keys_are_listed_in_order_by_any_beginning(self, store: Store) -> None:
        for key in KEYS:
            store.write(key, key.encode())
        prefixes = {key[:length] for key in KEYS for length in range(len(key) + 1)} | {"c", "c/", "a/c/"}
        for prefix in prefixes:
            assert list(store.list(prefix)) == [KeyInfo(key, len(key)) for key in KEYS if key.startswith(prefix)]

    def test_more_keys_than_a_page_holds(self, store: Store) -> None:
        made = [f"a/{number:05d}" for number in range(1_150)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.write(key, b"1"), made))
        assert keys(store, "a/") == keys(store) == made
        assert keys(store, "a/001") == made[100:200]

    def test_a_prefix_leads_nowhere_else(self, store: Store) -> None:
        for prefix in ("../", "/etc/", "a/../../", "/", "a//"):
            with pytest.raises(InvalidSpec, match="a key of a store"):
                keys(store, prefix)


class TestConditions:
    def test_what_is_there_is_never_created_again(self, store: Store) -> None:
        assert store.create_if_absent("a/b", b"1")
        assert not store.create_if_absent("a/b", b"2")
        assert not store.create_if_absent("a/b", b"1")
        assert store.read("a/b") == b"1"
        store.delete("a/b")
        assert store.create_if_absent("a/b", b"2")

    def test_a_swap_replaces_only_what_was_seen(self, store: Store) -> None:
        assert not store.swap("a/b", b"1", b"2")
        assert keys(store) == []
        assert store.swap("a/b", None, b"1")
        assert not store.swap("a/b", None, b"2")
        assert not store.swap("a/b", b"2", b"2")
        assert store.read("a/b") == b"1"
        assert store.swap("a/b", b"1", b"2")
        assert not store.swap("a/b", b"1", b"3")
        assert store.swap("a/b", b"2", b"2")
        assert store.read("a/b") == b"2"

    def test_a_swap_replaces_also_what_was_written_without_conditions(self, store: Store) -> None:
        store.write("a/b", b"1")
        assert store.swap("a/b", b"1", b"")
        assert store.swap("a/b", b"", b"2")
        assert store.read("a/b") == b"2"

    @rounds_of_a_race
    def test_of_many_one_creates(self, store: Store, rounds: int) -> None:
        together = Barrier(WRITERS)

        def create(writer: int) -> list[bool]:
            won = []
            for number in range(rounds):
                together.wait()
                won.append(store.create_if_absent(f"race/{number}", bytes([writer]) * 500))
            return won

        with ThreadPoolExecutor(WRITERS) as pool:
            winners = list(zip(*pool.map(create, range(WRITERS)), strict=True))
        assert [won.count(True) for won in winners] == [1] * rounds
        for number, won in enumerate(winners):
            assert store.read(f"race/{number}") == bytes([won.index(True)]) * 500

    @rounds_of_a_race
    def test_of_many_one_swaps(self, store: Store, rounds: int) -> None:
        together = Barrier(WRITERS)
        store.write("race", b"0")

        def swap(writer: int) -> list[bool]:
            won = []
            for _ in range(rounds):
                together.wait()
                seen = store.read("race")
                together.wait()
                won.append(store.swap("race", seen, seen + bytes([writer])))
            return won

        with ThreadPoolExecutor(WRITERS) as pool:
            winners = list(zip(*pool.map(swap, range(WRITERS)), strict=True))
        assert [won.count(True) for won in winners] == [1] * rounds
        assert store.read("race") == b"0" + bytes(won.index(True) for won in winners)

    @rounds_of_a_race
    def test_of_many_that_count_none_is_lost(self, store: Store, rounds: int) -> None:
        def add(_: int) -> None:
            for _ in range(rounds // 5):
                while not store.swap("n", old := found(), str(int(old or b"0") + 1).encode()):
                    pass

        def found() -> bytes | None:
            try:
                return store.read("n")
            except MissingArtifact:
                return None

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(add, range(WRITERS)))
        assert store.read("n") == str(WRITERS * rounds // 5).encode()


class TestOpening:
    def test_its_address_opens_the_same_store_again(self, store: Store) -> None:
        store.write("a/b", b"1")
        again = open_store(store.uri)
        assert (again.uri, again.read("a/b")) == (store.uri, b"1")
        assert open_store(f"{store.uri}/").read("a/b") == b"1"
        assert open_store(f"{store.uri}/a").read("b") == b"1"
        assert keys(open_store(f"{store.uri}/elsewhere")) == []

    def test_it_travels_to_other_processes(self, store: Store) -> None:
        store.write("a/b", b"1")
        copy = pickle.loads(pickle.dumps(store))
        assert (copy.uri, copy.read("a/b")) == (store.uri, b"1")

    def test_it_can_be_written_and_nothing_stays_behind(self, store: Store) -> None:
        store.require_writable()
        assert keys(store) == []
