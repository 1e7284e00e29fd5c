"""Scans in Ray tasks: every row accounted for once, kept for the next run, killers found."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import NDArray

from revsearch.imaging.dhash import dhash
from revsearch.rejects import Reason
from revsearch.specs import ImageLimits, Resources
from revsearch.stages import scan as module
from revsearch.stages.progress import Stopwatch
from revsearch.stages.scan import Scan, discard_scans, scan
from revsearch.stages.scanner import Scanner
from revsearch.storage.artifact import Draft
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.scan_table import ScannedRows
from revsearch.timeline import Span

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

N = 70
HERE = Resources()


@pytest.fixture
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    files = {f"{n:02}.png": make_picture(n) for n in range(N)}
    return files | {"07.png": files["07.png"][:60]}


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes], write_files: Callable[..., Path]) -> Path:
    return write_files(tmp_path / "in", files)


@pytest.fixture
def manifest(store: LocalStore, folder: Path, files: dict[str, bytes], by_hand: Any) -> StoredManifest:
    return StoredManifest(store, by_hand.manifest(sorted(files), root=folder, block_rows=16))


@pytest.fixture
def draft(store: LocalStore) -> Draft:
    return Draft(store, "encoder", "0123456789ab", {}, {})


def scanned(manifest: StoredManifest, draft: Draft, rows: NDArray[np.int64] | None = None) -> Scan:
    return scan(draft.store, manifest, np.arange(N) if rows is None else rows, HERE, draft)


def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_look", lambda *_: pytest.fail("rows were looked at again"))


def test_every_row_is_hashed_or_rejected(manifest: StoredManifest, draft: Draft, files: dict[str, bytes]) -> None:
    found = scanned(manifest, draft)
    good = [row for row in range(N) if row != 7]
    assert found.rows.tolist() == good
    assert found.hashes.tolist() == [int(dhash(files[f"{row:02}.png"], ImageLimits())) for row in good]
    assert [(reject.id, reject.reason) for reject in found.rejects] == [("07.png", Reason.TRUNCATED)]
    assert len(draft.found_parts(f"scan-{manifest.artifact.id}")) == 3  # units of 32 rows


def test_a_second_run_looks_at_nothing(manifest: StoredManifest, draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scanned(manifest, draft)
    never_again(monkeypatch)
    again = scanned(manifest, draft)
    assert again.rows.tolist() == first.rows.tolist()
    assert again.hashes.tolist() == first.hashes.tolist()
    assert again.rejects == first.rejects


def test_only_rows_asked_for_are_given(manifest: StoredManifest, draft: Draft) -> None:
    scanned(manifest, draft)
    some = scanned(manifest, draft, np.array([2, 7, 40]))
    assert some.rows.tolist() == [2, 40]
    assert [reject.id for reject in some.rejects] == ["07.png"]


def test_rows_of_a_damaged_part_are_looked_at_again(manifest: StoredManifest, draft: Draft, store: LocalStore) -> None:
    first = scanned(manifest, draft)
    part = draft.found_parts("scan")[0]
    path = store.root / draft.prefix / part.name
    path.write_bytes(path.read_bytes()[:-1])
    again = scanned(manifest, draft)
    assert again.hashes.tolist() == first.hashes.tolist()


def test_what_was_away_is_looked_at_again_what_is_broken_is_not(
    manifest: StoredManifest, draft: Draft, folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "30.png").unlink()
    first = scanned(manifest, draft)
    assert {reject.id: reject.reason for reject in first.rejects} == {
        "07.png": Reason.TRUNCATED,
        "30.png": Reason.MISSING,
    }
    (folder / "30.png").write_bytes(files["30.png"])
    looked_at = list[int]()

    def look(scanner: Scanner, rows: NDArray[np.int64], *_: Any) -> tuple[list[ScannedRows], list[Span]]:
        looked_at.extend(rows.tolist())
        return [scanner(rows, Stopwatch())], []

    monkeypatch.setattr(module, "_look", look)
    assert [reject.id for reject in scanned(manifest, draft).rejects] == ["07.png"]
    assert looked_at == [30]


def test_nothing_to_look_at(manifest: StoredManifest, draft: Draft) -> None:
    found = scanned(manifest, draft, np.empty(0, np.int64))
    assert (len(found.rows), len(found.hashes), found.rejects) == (0, 0, [])


def test_two_manifests_beside_each_other(
    manifest: StoredManifest, draft: Draft, store: LocalStore, folder: Path, by_hand: Any
) -> None:
    other = StoredManifest(store, by_hand.manifest(["00.png", "01.png"], root=folder))
    first = scanned(manifest, draft)
    assert scanned(other, draft, np.arange(2)).hashes.tolist() == first.hashes[:2].tolist()
    discard_scans(draft)
    assert draft.found_parts("scan") == []


@pytest.mark.slow  # each process that dies is started anew
def test_a_picture_that_ends_its_process_is_the_only_one_lost(
    manifest: StoredManifest, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray.remote(max_retries=0)
    def scan_or_die(scanner: Scanner, rows: NDArray[np.int64]) -> tuple[ScannedRows, Span]:
        if 45 in rows:
            os._exit(9)
        watch = Stopwatch()
        return scanner(rows, watch), watch.span()

    monkeypatch.setattr(module, "_scan", scan_or_die)
    found = scanned(manifest, draft)
    assert {reject.id: (reject.reason, reject.attempt) for reject in found.rejects} == {
        "07.png": (Reason.TRUNCATED, 1),
        "45.png": (Reason.WORKER_CRASH, 2),
    }
    assert len(found.rows) == N - 2
    never_again(monkeypatch)
    assert scanned(manifest, draft).rejects == found.rejects  # a killer is not given to a worker again
