"""What a scanning worker makes of rows, without Ray."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.imaging.dhash import dhash
from revsearch.rejects import Reason
from revsearch.specs import ImageLimits
from revsearch.stages.progress import Stopwatch
from revsearch.stages.row_reader import RowReader
from revsearch.stages.scanner import Scanner
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.scan_table import STAGE


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    cut = make_picture(5, (200, 200), "JPEG")
    return {f"{n}.png": make_picture(n) for n in range(6)} | {"cut.jpg": cut[: len(cut) // 2]}


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes], write_files: Callable[..., Path]) -> Path:
    return write_files(tmp_path / "in", files)


@pytest.fixture
def scanner(store: LocalStore, folder: Path, files: dict[str, bytes], by_hand: Any) -> Scanner:
    manifest = by_hand.manifest(list(files), root=folder)
    return Scanner(store, str(manifest), RowReader.of(StoredManifest(store, manifest)), 30.0)


def test_hashes_are_those_of_the_pictures(scanner: Scanner, files: dict[str, bytes]) -> None:
    rows = np.array([1, 4, 5])
    found = scanner(rows, Stopwatch())
    assert found.rows.tolist() == rows.tolist()
    assert found.hashes.tolist() == [int(dhash(files[f"{row}.png"], ImageLimits())) for row in rows]
    assert found.rejects == [None, None, None]


def test_what_cannot_be_read_is_rejected_with_its_place(
    scanner: Scanner, folder: Path, make_picture: Callable[..., bytes]
) -> None:
    (folder / "0.png").write_bytes(make_picture(77))
    (folder / "1.png").unlink()
    (folder / "2.png").unlink()
    (folder / "2.png").mkdir()
    found = scanner(np.arange(7), Stopwatch())
    assert [reject and (reject.id, reject.reason, reject.attempt) for reject in found.rejects] == [
        ("0.png", Reason.CHECKSUM_MISMATCH, 1),
        ("1.png", Reason.MISSING, 2),
        ("2.png", Reason.NOT_REGULAR, 1),
        None,
        None,
        None,
        ("cut.jpg", Reason.TRUNCATED, 1),
    ]
    first = found.rejects[0]
    assert first is not None
    assert (first.uri, first.stage) == (str(folder / "0.png"), STAGE)
    assert found.hashes[[0, 1, 2, 6]].tolist() == [0, 0, 0, 0]


def test_a_lost_row_is_a_reject_of_its_second_attempt(scanner: Scanner, folder: Path) -> None:
    found = scanner.lost(np.array([3]), Reason.WORKER_CRASH, "it died")
    (reject,) = found.rejects
    assert reject is not None
    assert (reject.id, reject.uri, reject.reason, reject.message, reject.attempt) == (
        "3.png",
        str(folder / "3.png"),
        Reason.WORKER_CRASH,
        "it died",
        2,
    )
    assert found.rows.tolist() == [3]


def test_no_deadline_is_left_behind(scanner: Scanner) -> None:
    scanner(np.arange(7), Stopwatch())
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
