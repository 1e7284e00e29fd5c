"""Small pictures of manifest rows: of the right rows, and none where there is none to show."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revsearch.stages.thumbnails import thumbnails
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots

N = 8
LABELS = [None if number == 2 else f"label {number % 3}" for number in range(N)]


def plain(number: int) -> bytes:
    """A picture of one colour, larger than a thumbnail."""
    data = BytesIO()
    Image.new("RGB", (400, 200), (30 * number, 128, 128)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def stored(tmp_path: Path, store: LocalStore, by_hand: Any, write_files: Callable[..., Path]) -> StoredManifest:
    files = {f"a/{number}.png": plain(number) for number in range(N)}
    manifest = by_hand.manifest(list(files), root=write_files(tmp_path / "in", files), labels=LABELS)
    return StoredManifest(store, manifest)


def test_ids_labels_and_pictures_belong_together(stored: StoredManifest) -> None:
    rows = [0, 2, 4, 5, 7]  # over both blocks of the manifest
    found = list(thumbnails(stored, np.array(rows)))
    assert [(id, label) for id, label, _ in found] == [(f"a/{row}.png", LABELS[row]) for row in rows]
    for row, (_, _, data) in zip(rows, found, strict=True):
        assert data is not None
        with Image.open(BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", (160, 80))
            red = image.convert("RGB").getpixel((80, 40))
            assert isinstance(red, tuple)
            assert red[0] == pytest.approx(30 * row, abs=4)  # JPEG is not exact


def test_no_rows_give_nothing_and_nothing_is_read(
    store: LocalStore, stored: StoredManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "take", lambda _: pytest.fail("the manifest was read"))
    assert list(thumbnails(stored, np.empty(0, np.int64))) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"no picture"),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    ],
    ids=["gone", "no picture", "empty", "a folder", "a link that leads out"],
)
def test_rows_whose_picture_is_gone_have_none(
    stored: StoredManifest, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    change(tmp_path / "in" / "a" / "1.png")
    found = list(thumbnails(stored, np.array([0, 1, 3])))
    assert [(id, data is None) for id, _, data in found] == [
        ("a/0.png", False),
        ("a/1.png", True),
        ("a/3.png", False),
    ]


def test_a_picture_cut_short_is_shown_as_far_as_it_goes(stored: StoredManifest, tmp_path: Path) -> None:
    path, data = tmp_path / "in" / "a" / "1.png", BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)).save(data, "JPEG")
    path.write_bytes(data.getvalue()[:-1500])
    ((_, _, shown),) = thumbnails(stored, np.array([1]))
    assert shown is not None


def test_a_folder_that_is_gone_leaves_ids_and_labels(stored: StoredManifest, store: LocalStore, tmp_path: Path) -> None:
    note_roots(store, stored.artifact.id, {"": str(tmp_path / "nowhere")})
    assert list(thumbnails(stored, np.array([0]))) == [("a/0.png", LABELS[0], None)]
