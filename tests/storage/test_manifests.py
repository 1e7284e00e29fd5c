import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revsearch.errors import CorruptArtifact, MissingArtifact
from revsearch.manifest import ROLES, Manifest, Role
from revsearch.storage.artifact import Draft
from revsearch.storage.card import Counts
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import (
    StoredManifest,
    concatenate,
    decode_manifest,
    encode_manifest,
    examples,
    locate,
    note_roots,
)
from revsearch.storage.roots import Place

HOSTILE_IDS = [
    "🦍.jpg", "é.jpg", "e\u0301.jpg", "\u202egpj.exe", "a\nb\tc.jpg", "\"'`.jpg", "<script>alert(1)</script>.jpg",
    "=cmd().jpg", "-rf", "%2e%2e", "%FF.jpg", "x" * 255, "1e308", "__proto__", "None", "nan", " ", "a//b", "\ufeffa",
]  # fmt: skip


def column(*values: str | None) -> np.ndarray:
    return np.array(values, object)


def manifest(n: int, seed: int = 0, **extra: np.ndarray) -> Manifest:
    """`n` rows, some of whose values are missing."""
    rng = np.random.default_rng(seed)

    def some(word: str) -> np.ndarray:
        return column(*(None if n < 2 else f"{word}{n}" for n in rng.integers(0, 5, n)))

    ids = [*HOSTILE_IDS, *(f"c/{number}.jpg" for number in range(n))][:n]
    return Manifest(
        ids=column(*ids),
        locations=some("/elsewhere/"),
        contents=rng.integers(0, 256, (n, 32), np.uint8),
        sizes=rng.integers(0, 2**40, n),
        roles=column(*rng.choice(ROLES, n).tolist()),
        labels=some("label"),
        groups=some("group"),
        extra={"camera": some("cam"), "": some("nameless"), "extra:x": some("x"), **extra},
    )


def columns(block: Manifest) -> dict[str, list[object]]:
    found = {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}
    extra = found.pop("extra")
    return {name: values.tolist() for name, values in (found | extra).items()}


@pytest.mark.parametrize("n", [0, 1, 40])
def test_a_block_comes_back(tmp_path: Path, n: int) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(encode_manifest(manifest(n)))
    back = decode_manifest(path)
    assert columns(back) == columns(manifest(n))
    assert list(back.row_bytes()) == list(manifest(n).row_bytes())
    assert (back.contents.dtype.name, back.sizes.dtype.name) == ("uint8", "int64")


TEXT = st.none() | st.text(max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), TEXT, TEXT, TEXT, TEXT), max_size=5))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]]) -> None:
    ids, locations, labels, groups, extra = (column(*(row[place] for row in rows)) for place in range(5))
    contents, sizes = np.zeros((len(rows), 32), np.uint8), np.zeros(len(rows), np.int64)
    roles = column(*["query"] * len(rows))
    block = Manifest(ids, locations, contents, sizes, roles, labels, groups, {"x": extra})
    path = tmp_path_factory.mktemp("m") / "m.parquet"
    path.write_bytes(encode_manifest(block))
    assert columns(decode_manifest(path)) == columns(block)


def test_a_table_that_is_no_manifest_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"], "label": ["b"]}), tmp_path / "m")
    with pytest.raises(CorruptArtifact, match=r"expected columns \['content', 'group', 'location', 'role', 'size'\]"):
        decode_manifest(tmp_path / "m")


# Stored

Stored = Callable[..., StoredManifest]
BLOCK_ROWS = [7, 1, 0, 12, 5]


def blocks_of(whole: Manifest, block_rows: list[int]) -> Iterator[Manifest]:
    starts = np.cumsum([0, *block_rows])
    for start, n in zip(starts, block_rows, strict=False):
        yield whole.take(slice(start, start + n))


def stored(store: LocalStore, blocks: list[Manifest]) -> StoredManifest:
    making = Draft(store, "manifest", "0123456789ab", {}, {})
    parts = [making.put("rows", ".parquet", encode_manifest(block)) for block in blocks]
    facts = {"blocks": [part.name for part in parts], "block_rows": [len(block) for block in blocks]}
    n = sum(map(len, blocks))
    return StoredManifest(store, making.commit(Counts(n, n), parts, facts=facts))


@pytest.fixture
def whole() -> Manifest:
    return manifest(sum(BLOCK_ROWS))


@pytest.fixture
def found(store: LocalStore, whole: Manifest) -> StoredManifest:
    return stored(store, list(blocks_of(whole, BLOCK_ROWS)))


def test_blocks_are_in_order_whatever_their_parts_are_called(found: StoredManifest, whole: Manifest) -> None:
    names = [part.name for part in found.artifact.card.parts]
    assert names == sorted(names) != found.artifact.card.facts["blocks"]
    assert len(found) == len(whole)
    assert columns(concatenate(list(found.blocks()))) == columns(whole)


def test_whole_columns_are_read(found: StoredManifest, whole: Manifest) -> None:
    np.testing.assert_array_equal(found.contents(), whole.contents)
    for name, expected in (("id", whole.ids), ("role", whole.roles), ("label", whole.labels), ("group", whole.groups)):
        assert found.strings(name).tolist() == expected.tolist()
    with pytest.raises(CorruptArtifact, match=r"expected columns \['colour'\]"):
        found.strings("colour")


@pytest.mark.parametrize("roles", [(), ("query",), ("gallery", "distractor"), ROLES])
def test_rows_are_found_by_role(found: StoredManifest, whole: Manifest, roles: tuple[Role, ...]) -> None:
    assert found.rows_of_roles(*roles).tolist() == [row for row, role in enumerate(whole.roles) if role in roles]


def test_rows_are_found_by_id(found: StoredManifest, whole: Manifest) -> None:
    wanted = {whole.ids[row] for row in (0, 7, 8, 24)} | {"no such id", whole.ids[3] + "\0"}
    assert found.rows_of_ids(wanted).tolist() == [0, 7, 8, 24]
    assert found.rows_of_ids([]).tolist() == []


TAKEN = [[], [0], [24], [6, 7, 8], [7], [8], [0, 5, 7, 8, 19, 20, 24], list(range(25))]


@pytest.mark.parametrize("rows", TAKEN, ids=str)
def test_rows_are_taken_across_blocks(found: StoredManifest, whole: Manifest, rows: list[int]) -> None:
    wanted = np.array(rows, np.int64)
    assert columns(found.take(wanted)) == columns(whole.take(wanted))


def test_random_rows_are_taken_whatever_was_read_before(found: StoredManifest, whole: Manifest) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = np.flatnonzero(rng.random(len(whole)) < rng.random())
        assert columns(found.take(rows)) == columns(whole.take(rows))


def test_only_the_blocks_asked_for_are_read(store: LocalStore, found: StoredManifest, whole: Manifest) -> None:
    for name in found.artifact.card.facts["blocks"][1:]:
        store.delete(f"{found.artifact}/{name}")
    assert found.take(np.array([0, 6])).ids.tolist() == whole.ids[[0, 6]].tolist()
    with pytest.raises(CorruptArtifact, match="is gone"):
        found.take(np.array([7]))


def test_a_column_that_one_block_lacks_is_missing_there(store: LocalStore) -> None:
    first, second = manifest(3), manifest(2, seed=1, camera2=column("x", None))
    together = stored(store, [first, second]).take(np.arange(5))
    assert together.extra["camera2"].tolist() == [None, None, None, "x", None]


def test_equal_blocks_may_share_a_part(store: LocalStore) -> None:
    empty = manifest(0)
    assert columns(stored(store, [empty, empty]).take(np.array([], np.int64))) == columns(empty)


def test_damage_is_seen_when_a_block_is_read(store: LocalStore, found: StoredManifest) -> None:
    path = store.root / str(found.artifact) / found.artifact.card.facts["blocks"][0]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    for read in (lambda: found.take(np.array([0])), found.contents, lambda: found.strings("id")):
        with pytest.raises(CorruptArtifact, match="checksum of rows-"):
            read()


# Where the bytes lie


def test_the_place_of_the_bytes_is_no_part_of_a_manifest_and_can_be_replaced(
    store: LocalStore, found: StoredManifest
) -> None:
    before = found.artifact
    with pytest.raises(MissingArtifact, match="nobody noted where its bytes lie; run `manifest`"):
        _ = found.roots
    for roots in ({"": "/photos"}, {"gallery/": "/a", "query/": "/b\n"}):
        note_roots(store, found.artifact.id, roots)
        assert found.roots == roots
    assert Draft(store, "manifest", before.id, {}, {}).find() == before


@pytest.mark.parametrize("raw", [b"{}", b'{"roots": 1}', b"[]"])
def test_a_place_that_cannot_be_read_is_corrupt(store: LocalStore, found: StoredManifest, raw: bytes) -> None:
    note_roots(store, found.artifact.id, {"": "/photos"})
    store.write(f"refs/internal/roots/{found.artifact.id}.json", raw)
    with pytest.raises(CorruptArtifact):
        _ = found.roots


ROOTS = {
    prefix: Folder(Path(root))
    for prefix, root in {"": "/all", "gallery/": "/g", "gallery/deep/": "/d", "query/": "/q"}.items()
}


@pytest.mark.parametrize(
    ("id", "location", "expected"),
    [
        ("a.jpg", None, ("a.jpg", "/all")),
        ("gallery/a.jpg", None, ("a.jpg", "/g")),
        ("gallery/deep/a.jpg", None, ("a.jpg", "/d")),
        ("gallery/deeper/a.jpg", None, ("deeper/a.jpg", "/g")),
        ("galleryx/a.jpg", None, ("galleryx/a.jpg", "/all")),
        ("query/gallery/a.jpg", None, ("gallery/a.jpg", "/q")),
        ("query/a.jpg", "../b.jpg", ("../b.jpg", "/q")),
        ("query/a.jpg", "/abs/b.jpg", ("/abs/b.jpg", "/q")),
    ],
)
def test_the_longest_prefix_that_fits_tells_the_place(id: str, location: str | None, expected: tuple[str, str]) -> None:
    block = dataclasses.replace(manifest(2), ids=column("x", id), locations=column(None, location))
    assert locate(block, 1, ROOTS) == Place(Folder(Path(expected[1])), expected[0])


def test_examples_of_each_root() -> None:
    ids = column(*(f"query/{n}.jpg" for n in range(7)), "gallery/deep/a.jpg")
    found = examples(dataclasses.replace(manifest(8), ids=ids, locations=column(*[None] * 8)), ROOTS)
    assert {(place.root.uri, place.location) for place in found} == {
        ("/all", ""),
        ("/g", ""),
        ("/d", "a.jpg"),
        *(("/q", f"{n}.jpg") for n in range(5)),
    }
