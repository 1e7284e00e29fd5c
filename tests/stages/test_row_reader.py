"""Bytes of a manifest's rows, checked against it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits
from revsearch.stages.row_reader import RowReader
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots


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
