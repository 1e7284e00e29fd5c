import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.errors import CorruptArtifact, IncompleteEmbeddings
from revsearch.rejects import Reason, Reject
from revsearch.space import EmbeddingSpace, Preprocess
from revsearch.specs import StoreDtype
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.vectors import (
    PartRows,
    StoredEmbeddings,
    concatenate_parts,
    encode_part,
    read_part,
    read_part_contents,
    read_part_remarks,
    read_part_rows,
)

DIM = 4
SPACE = EmbeddingSpace("e", "random-0", Preprocess("crop", 8, 8, "bilinear", (0, 0, 0), (1, 1, 1)), "gap", DIM)
N_ROWS = 30
REJECTED = {3, 4, 17, 29}

RNG = np.random.default_rng(0)
CONTENTS = RNG.integers(0, 256, (N_ROWS, 32), np.uint8)
VECTORS = RNG.normal(size=(N_ROWS, DIM)).astype(np.float32)


def reject(row: int) -> Reject | None:
    if row not in REJECTED:
        return None
    reason = Reason.CORRUPT if row % 2 else Reason.TIMEOUT
    return Reject(f"é\n{row}.jpg", f"/photos/{row}.jpg", "embed", reason, f"message {row}", attempt=1 + row % 2)


def part(rows: list[int], dim: int = DIM) -> PartRows:
    vectors = np.zeros((len(rows), dim), np.float32)
    vectors[:, :DIM] = VECTORS[rows]
    vectors[[row in REJECTED for row in rows]] = 0
    return PartRows(
        rows=np.array(rows, np.int64),
        ids=np.array([f"é\n{row}.jpg" for row in rows], object),
        contents=CONTENTS[rows].reshape(-1, 32),
        vectors=vectors,
        rejects=[reject(row) for row in rows],
        flags=["truncated rescaled" if row % 5 == 0 else "" for row in rows],
    )


ROWS = {"some": [5, 3, 0, 17, 9], "one": [8], "all rejected": sorted(REJECTED), "none": []}


@pytest.mark.parametrize("rows", ROWS.values(), ids=list(ROWS))
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_part_comes_back(tmp_path: Path, rows: list[int], dtype: StoreDtype) -> None:
    path, given = tmp_path / "p.parquet", part(rows)
    path.write_bytes(encode_part(given, dtype))
    found = read_part(path, DIM)
    assert found.rows.tolist() == read_part_rows(path).tolist() == rows
    assert found.ids.tolist() == given.ids.tolist()
    np.testing.assert_array_equal(found.contents, given.contents)
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, given.vectors.astype(dtype).astype(np.float32))
    assert (found.rejects, found.flags) == (given.rejects, given.flags)
    contents, reasons = read_part_contents(path)
    np.testing.assert_array_equal(contents, given.contents)
    assert reasons == [reject and reject.reason for reject in given.rejects]


def test_what_is_to_be_said_of_the_rows_of_a_part_is_read_alone(tmp_path: Path) -> None:
    path, given = tmp_path / "p.parquet", part(ROWS["some"])
    path.write_bytes(encode_part(given, "float32"))
    rows, rejects, flags = read_part_remarks(path)
    assert rows.tolist() == [5, 3, 0, 17]  # 9 is embedded, and nothing is to be said of it
    assert rejects == [None, reject(3), None, reject(17)]
    assert flags == ["truncated rescaled", "", "truncated rescaled", ""]


def test_pieces_of_a_part_are_put_together(tmp_path: Path) -> None:
    pieces, path = [part([5, 3]), part([]), part([17, 0])], tmp_path / "p.parquet"
    path.write_bytes(encode_part(concatenate_parts(pieces), "float32"))
    assert path.read_bytes() == encode_part(part([5, 3, 17, 0]), "float32")


def test_float16_takes_half_the_room(tmp_path: Path) -> None:
    rows, dim = np.arange(200), 256
    vectors = np.random.default_rng(0).normal(size=(200, dim)).astype(np.float32)
    none: list[Any] = [None] * 200
    many = PartRows(rows, rows.astype(str).astype(object), np.zeros((200, 32), np.uint8), vectors, none, [""] * 200)
    full, half = (len(encode_part(many, dtype)) for dtype in ("float32", "float16"))
    assert half < 0.6 * full


@pytest.mark.parametrize("dim", [DIM - 1, DIM + 1, 2 * DIM])
def test_a_part_of_another_dimension_is_refused(tmp_path: Path, dim: int) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(encode_part(part([0, 1, 2]), "float32"))
    with pytest.raises(CorruptArtifact, match=f"expected 3 vectors of {dim} dims, found 12 numbers") as caught:
        read_part(path, dim)
    assert (caught.value.reason, caught.value.exit_code) == ("dim", 5)


# Stored

PARTS = [[9, 8, 7, 0, 3], [4, 5, 6, 7], [29, 17, 18], [1, 2], [3, 9], list(range(10, 30))]


def stored(
    store: LocalStore, parts: list[bytes], *, n_rows: int = N_ROWS, n_rejected: int = 0, **facts: Any
) -> StoredEmbeddings:
    making = Draft(store, "embeddings", "0123456789ab", {}, {"manifest": "manifest/ba9876543210"})
    put = [making.put("part", ".parquet", raw) for raw in parts]
    put.append(making.put("rejects", ".parquet", b""))
    counts = Counts(n_rows, n_rows - n_rejected, {"corrupt": n_rejected} if n_rejected else {})
    return StoredEmbeddings(store, making.commit(counts, put, facts={"space": SPACE.to_dict(), **facts}))


@pytest.fixture(params=["float32", "float16"])
def dtype(request: pytest.FixtureRequest) -> StoreDtype:
    name: StoreDtype = request.param
    return name


@pytest.fixture
def found(store: LocalStore, dtype: StoreDtype) -> StoredEmbeddings:
    return stored(store, [encode_part(part(rows), dtype) for rows in PARTS], n_rejected=len(REJECTED))


EMBEDDED = [row for row in range(N_ROWS) if row not in REJECTED]


def test_what_they_are_is_read_off_the_card(found: StoredEmbeddings) -> None:
    assert found.space == SPACE
    assert found.manifest == "manifest/ba9876543210"
    assert [part.name.split("-")[0] for part in found.parts()] == ["part"] * len(PARTS)


def test_embedded_rows_are_in_manifest_order_each_once(found: StoredEmbeddings) -> None:
    assert found.rows().tolist() == EMBEDDED


WANTED = {
    "all": list(range(N_ROWS)),
    "embedded": EMBEDDED,
    "a few": [0, 3, 7, 9, 17, 18],
    "rejected": sorted(REJECTED),
    "one": [5],
    "none": [],
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=list(WANTED))
def test_vectors_are_gathered_in_manifest_order(
    found: StoredEmbeddings, dtype: StoreDtype, tmp_path: Path, wanted: list[int]
) -> None:
    expected = [row for row in wanted if row not in REJECTED]
    rows, vectors = found.gather(np.array(wanted, np.int64), tmp_path / "m")
    assert rows.tolist() == expected
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, VECTORS[expected].astype(dtype).astype(np.float32))
    read = found.read(np.array(wanted, np.int64), tmp_path / "n")
    assert read.ids.tolist() == [f"é\n{row}.jpg" for row in expected]
    assert read.rows.tolist() == expected
    np.testing.assert_array_equal(read.vectors, vectors)


@pytest.mark.parametrize("embedded_first", [True, False])
def test_where_two_parts_differ_about_a_row_the_first_by_name_counts(
    store: LocalStore, tmp_path: Path, embedded_first: bool
) -> None:
    """A row timed out in one run and was embedded by another that had not seen it end."""
    ok = encode_part(part([0, 1, 2]), "float32")
    timed_out = part([0, 1, 2])
    timed_out.vectors[1] = 0
    for message in map(str, range(100)):  # until the names come in the order wanted
        timed_out.rejects[1] = Reject("é\n1.jpg", "/1.jpg", "embed", Reason.TIMEOUT, message)
        raw = encode_part(timed_out, "float32")
        found = stored(LocalStore(store.root / message), [ok, raw], n_rows=3)
        ok_is_first = read_part_contents(found.path(found.parts()[0]))[1] == [None] * 3
        if ok_is_first == embedded_first:
            break
    rows, vectors = found.gather(np.arange(3), tmp_path / "m")
    assert rows.tolist() == ([0, 1, 2] if embedded_first else [0, 2])
    np.testing.assert_array_equal(vectors, VECTORS[rows])


def test_nothing_may_be_embedded(store: LocalStore, tmp_path: Path) -> None:
    rejected = sorted(REJECTED)
    lost = part(rejected)
    lost.rows[:] = np.arange(len(rejected))
    found = stored(store, [encode_part(lost, "float32")], n_rows=4, n_rejected=4)
    assert found.rows().tolist() == []
    assert len(found.read(np.arange(4), tmp_path / "m")) == 0


def test_embeddings_of_no_rows_are_empty(store: LocalStore, tmp_path: Path) -> None:
    found = stored(store, [], n_rows=0)
    assert found.rows().dtype == np.int64
    assert found.gather(np.arange(0), tmp_path / "m")[1].shape == (0, DIM)


def test_rows_that_no_part_holds_are_incomplete(store: LocalStore) -> None:
    found = stored(store, [encode_part(part([0, 1, 4]), "float32")], n_rows=5)
    with pytest.raises(IncompleteEmbeddings, match=r"2 of 5 rows .* first: \[2, 3\]"):
        found.rows()


def test_parts_of_another_dimension_are_refused(store: LocalStore, tmp_path: Path) -> None:
    parts = [encode_part(part([0, 1]), "float32"), encode_part(part([2, 3], dim=DIM + 1), "float32")]
    found = stored(store, parts, n_rows=4, n_rejected=1)
    with pytest.raises(CorruptArtifact, match=f"expected 1 vectors of {DIM} dims, found {DIM + 1} numbers"):
        found.gather(np.arange(4), tmp_path / "m")


@pytest.mark.parametrize(
    "space",
    [None, {}, {**SPACE.to_dict(), "metric": "l2"}, "resnet50", {**SPACE.to_dict(), "preprocess": "crop"}],
    ids=["none", "empty", "a field unknown", "text", "no preprocess"],
)
def test_a_card_without_a_space_is_corrupt(store: LocalStore, space: object) -> None:
    with pytest.raises(CorruptArtifact, match="its card has no embedding space"):
        _ = stored(store, [], n_rows=0, space=json.loads(json.dumps(space))).space


def test_damage_is_seen_before_any_vector_is_read(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    found = stored(store, [encode_part(part(list(range(N_ROWS))), "float32")], n_rejected=len(REJECTED))
    path = found.path(found.parts()[0])
    whole = path.read_bytes()
    for data in (whole[:-1], whole + b"\0", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(CorruptArtifact, match="checksum of part-"):
            StoredEmbeddings(store, found.artifact).rows()
