"""Pictures by row, in any order, in other processes, and what becomes of those that changed."""

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.imaging.decode import decode
from revsearch.imaging.reduced import decode_reduced
from revsearch.rejects import Reason, Rejection
from revsearch.specs import ImageLimits
from revsearch.stages.row_reader import RowReader
from revsearch.stages.training_pictures import EncoderPictures, RowPictures, TrainingPictures
from revsearch.storage.artifact import Artifact
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots
from tests.servers.faulty import Asked, faulty
from tests.servers.server import Server

N = 12
ROWS = np.array([1, 2, 5, 6, 7, 10])  # over all three blocks of the manifest


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    return {f"{number:02}.jpg": make_picture(number, (80, 60), "JPEG") for number in range(N)}


@pytest.fixture
def manifest(tmp_path: Path, files: dict[str, bytes], by_hand: Any, write_files: Callable[..., Path]) -> Artifact:
    found: Artifact = by_hand.manifest(list(files), root=write_files(tmp_path / "in", files))
    return found


@pytest.fixture
def training(store: LocalStore, manifest: Artifact) -> TrainingPictures:
    reader = RowReader.of(StoredManifest(store, manifest))
    return TrainingPictures(store, str(manifest), ROWS, reader, 60.0, side=40)


@pytest.fixture
def encoder(store: LocalStore, manifest: Artifact) -> EncoderPictures:
    reader = RowReader.of(StoredManifest(store, manifest))
    return EncoderPictures(store, str(manifest), ROWS, reader, 60.0, SPACE.preprocess)


def reason(pictures: RowPictures, row: int) -> Reason:
    with pytest.raises(Rejection) as rejected:
        pictures[row]
    return rejected.value.reason


def test_pictures_are_those_of_the_rows(
    training: TrainingPictures, encoder: EncoderPictures, files: dict[str, bytes]
) -> None:
    data, limits = list(files.values()), ImageLimits()
    for row in [*ROWS[::-1], ROWS[2], ROWS[2]]:  # any order, and again
        assert np.array_equal(training[row], decode_reduced(data[row], 40, limits))
        assert np.array_equal(encoder[row], decode(data[row], SPACE.preprocess, limits).pixels)


@pytest.mark.parametrize("row", [0, 3, 11, 99])
def test_rows_that_were_not_named_are_not_mistaken_for_others(training: TrainingPictures, row: int) -> None:
    with pytest.raises(KeyError, match=f"row {row} "):
        training[row]


def test_a_copy_reads_by_itself(training: TrainingPictures) -> None:
    fresh = len(pickle.dumps(training))
    first = training[5]
    copy = pickle.loads(pickle.dumps(training))
    assert len(pickle.dumps(training)) == fresh  # what was read of the manifest does not travel
    assert np.array_equal(copy[5], first)


def test_the_manifest_is_read_when_it_is_needed(store: LocalStore, training: TrainingPictures, tmp_path: Path) -> None:
    training[5]
    for path in sorted((tmp_path / "store" / "manifest").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert training[6].shape == (40, 53, 3)  # its places are in memory by now


def test_changed_files_are_rejected(training: TrainingPictures, tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "in" / "01.jpg").write_bytes(files["02.jpg"])
    (tmp_path / "in" / "02.jpg").unlink()
    assert reason(training, 1) is Reason.CHECKSUM_MISMATCH
    assert reason(training, 2) is Reason.MISSING


def test_what_comes_back_at_the_second_try_is_taken(
    training: TrainingPictures, tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "01.jpg").unlink()
    read_below, tries = Folder.read, list[str]()

    def read(root: Folder, location: str, **options: Any) -> bytes:
        tries.append(location)
        if len(tries) == 2:
            (root.path / location).write_bytes(files[location])
        return read_below(root, location, **options)

    monkeypatch.setattr(Folder, "read", read)
    assert training[1].shape == (40, 53, 3)
    assert tries == ["01.jpg", "01.jpg"]


def test_rejects_that_stay_are_tried_once(
    training: TrainingPictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "01.jpg").write_bytes(b"changed")
    read_below, tries = Folder.read, list[str]()

    def read(root: Folder, location: str, **options: Any) -> bytes:
        tries.append(location)
        return read_below(root, location, **options)

    monkeypatch.setattr(Folder, "read", read)
    assert reason(training, 1) is Reason.CHECKSUM_MISMATCH
    assert len(tries) == 1


def test_truncated_pictures_are_rejected(
    tmp_path: Path, store: LocalStore, by_hand: Any, write_files: Callable[..., Path], files: dict[str, bytes]
) -> None:
    cut = {name: data[: len(data) // 2] for name, data in files.items()}
    manifest = by_hand.manifest(list(cut), root=write_files(tmp_path / "cut", cut))
    reader = RowReader.of(StoredManifest(store, manifest))
    assert reason(TrainingPictures(store, str(manifest), ROWS, reader, 60.0, side=40), 5) is Reason.TRUNCATED


def test_a_batch_is_asked_for_at_once(
    training: TrainingPictures,
    files: dict[str, bytes],
    store: LocalStore,
    manifest: Artifact,
    moto: Server,
    in_environment_of: Callable[..., None],
) -> None:
    """A bucket that answers when all rows of the batch were asked for."""
    rows = [int(row) for row in ROWS[::-1]]
    expected = [training[row] for row in rows]
    bucket, together = moto.fill(moto.make_bucket(), files), threading.Barrier(len(rows))

    def wait(asked: Asked) -> None:
        if asked.operation == "GetObject":
            together.wait(60)

    with faulty(moto, wait) as proxy:
        in_environment_of(proxy.server)
        note_roots(store, manifest.id, {"": bucket})
        reader = RowReader.of(StoredManifest(store, manifest))
        found = list(TrainingPictures(store, str(manifest), ROWS, reader, 60.0, side=40).of(rows))
    assert proxy.counts == {"GetObject": len(rows)}
    for picture, known in zip(found, expected, strict=True):
        assert not isinstance(picture, Rejection)
        assert np.array_equal(picture, known)


def test_what_becomes_of_each_row_is_told_in_order(training: TrainingPictures, tmp_path: Path) -> None:
    (tmp_path / "in" / "05.jpg").unlink()
    first, gone, last = training.of([1, 5, 2])
    assert isinstance(gone, Rejection)
    assert gone.reason is Reason.MISSING
    assert np.array_equal(first, training[1])
    assert np.array_equal(last, training[2])
