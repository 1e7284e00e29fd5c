"""Outcomes of a scan written and read again."""

from pathlib import Path

import numpy as np
import pytest

from revsearch.errors import CorruptArtifact
from revsearch.rejects import Reason, Reject
from revsearch.storage.scan_table import STAGE, ScannedRows, concatenate_scans, decode_scan, encode_scan

LOST = Reject("a\nb", "/in/a", STAGE, Reason.TIMEOUT, "more than 1 s", 2)


def scanned() -> ScannedRows:
    return ScannedRows(np.array([3, 5, 9]), np.array([2**64 - 1, 0, 7], np.uint64), [None, LOST, None])


def require_equal(found: ScannedRows, expected: ScannedRows) -> None:
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.hashes.tolist() == expected.hashes.tolist()
    assert found.hashes.dtype == np.uint64
    assert found.rejects == expected.rejects


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.parquet"
    path.write_bytes(encode_scan(scanned()))
    require_equal(decode_scan(path), scanned())


def test_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "scan.parquet"
    path.write_bytes(encode_scan(concatenate_scans([])))
    require_equal(decode_scan(path), ScannedRows(np.empty(0, np.int64), np.empty(0, np.uint64), []))


def test_equal_outcomes_are_equal_bytes() -> None:
    assert encode_scan(scanned()) == encode_scan(scanned())


def test_together_they_are_in_order_and_each_row_once() -> None:
    other = ScannedRows(np.array([4, 5, 1]), np.array([40, 50, 10], np.uint64), [None, None, LOST])
    expected = ScannedRows(
        np.array([1, 3, 4, 5, 9]), np.array([10, 2**64 - 1, 40, 0, 7], np.uint64), [LOST, None, None, LOST, None]
    )
    require_equal(concatenate_scans([scanned(), other]), expected)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(CorruptArtifact):
        decode_scan(path)
