"""Bytes of a manifest's rows, checked against it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits
from revsearch.stages.row_reader import RowReader
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots
from tests.servers.faulty import Fault, Proxy, faulty
from tests.servers.server import Server


@pytest.fixture
def stored(tmp_path: Path, by_hand: Any, write_files: Callable[..., Path], store: LocalStore) -> StoredManifest:
    """A manifest of two files."""
    folder = write_files(tmp_path / "in", {"a": b"one", "b/c": b"other"})
    return StoredManifest(store, by_hand.manifest(["a", "b/c"], root=folder))


def read(stored: StoredManifest, row: int) -> bytes:
    block = stored.take(stored.rows_of_roles("gallery"))
    reader = RowReader.of(stored)
    return reader.read(reader.places(block)[row], block.contents[row].tobytes())


def test_bytes_are_those_of_the_file(stored: StoredManifest) -> None:
    assert [read(stored, row) for row in range(2)] == [b"one", b"other"]


def test_limits_and_links_are_those_of_the_manifest(stored: StoredManifest, store: LocalStore) -> None:
    roots = {prefix: Folder(Path(root)) for prefix, root in stored.roots.items()}
    assert RowReader.of(stored) == RowReader(roots, ImageLimits(), follow_symlinks=False)
    note_roots(store, stored.artifact.id, stored.roots, follow_symlinks=True)
    assert RowReader.of(stored).follow_symlinks


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.write_bytes(b"changed"), Reason.CHECKSUM_MISMATCH),
        (lambda path: path.unlink(), Reason.MISSING),
        (lambda path: path.write_bytes(b""), Reason.EMPTY),
    ],
)
def test_changed_files_are_rejected(
    change: Callable[[Path], object], reason: Reason, stored: StoredManifest, tmp_path: Path
) -> None:
    change(tmp_path / "in" / "a")
    with pytest.raises(Rejection) as rejected:
        read(stored, 0)
    assert rejected.value.reason is reason
    assert read(stored, 1) == b"other"


@pytest.fixture
def in_bucket(
    stored: StoredManifest, store: LocalStore, moto: Server, in_environment_of: Callable[..., None]
) -> Iterator[tuple[StoredManifest, Proxy]]:
    """The same manifest where its bytes lie in a bucket, behind a proxy."""
    bucket = moto.fill(moto.make_bucket(), {"a": b"one", "b/c": b"other"})
    note_roots(store, stored.artifact.id, {"": bucket})
    with faulty(moto) as proxy:
        in_environment_of(proxy.server)
        yield stored, proxy


def test_bytes_are_those_of_the_object(in_bucket: tuple[StoredManifest, Proxy]) -> None:
    stored, proxy = in_bucket
    block = stored.take(np.arange(2))
    with RowReader.of(stored).ahead(block, 30.0) as ahead:
        assert [ahead[row] for row in range(2)] == [b"one", b"other"]
    assert proxy.counts == {"GetObject": 2}


@pytest.mark.parametrize(
    ("change", "reason"),
    [(b"changed", Reason.CHECKSUM_MISMATCH), (b"", Reason.EMPTY), (None, Reason.MISSING)],
)
def test_changed_objects_are_rejected(
    in_bucket: tuple[StoredManifest, Proxy], moto: Server, change: bytes | None, reason: Reason
) -> None:
    stored, _ = in_bucket
    bucket = stored.roots[""]
    if change is None:
        moto.client().delete_object(Bucket=bucket.removeprefix("s3://"), Key="a")
    else:
        moto.fill(bucket, {"a": change})
    with RowReader.of(stored).ahead(stored.take(np.arange(2)), 30.0) as ahead:
        with pytest.raises(Rejection) as rejected:
            ahead[0]
        assert rejected.value.reason is reason
        assert ahead[1] == b"other"


def test_an_object_that_hangs_costs_its_row_and_not_the_process(in_bucket: tuple[StoredManifest, Proxy]) -> None:
    stored, proxy = in_bucket
    proxy.plan = lambda asked: Fault.HANGING if asked.key == "a" else None
    with RowReader.of(stored).ahead(stored.take(np.arange(2)), 5.0) as ahead:
        with pytest.raises(Rejection) as rejected:
            ahead[0]
        assert rejected.value.reason is Reason.TIMEOUT
        assert ahead[1] == b"other"
