import datetime
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.parquet import parquet_rows
from revsearch.storage.tables.rows import BLOCK_ROWS, Rows


def written(tmp_path: Path, *arrays: pa.Array, names: tuple[str, ...] = ("x",)) -> Path:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.Table.from_arrays(list(arrays), names=list(names)), path)
    return path


def rows_of(path: Path) -> Iterator[Rows]:
    return parquet_rows(ListFile.at(path))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["a", None, ""]), ["a", None, ""]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([7, -1], pa.int8()), ["7", "-1"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([0.5, 1e308]), ["0.5", "1e+308"]),
        (pa.array([datetime.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([[1, 2], None]), ["[1, 2]", None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_values_become_text(array: pa.Array, expected: list[str | None], tmp_path: Path) -> None:
    (rows,) = rows_of(written(tmp_path, array))
    assert rows.columns["x"] == expected
    assert rows.lines == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("array", [pa.array([b"\xff"]), pa.array([{"bytes": b"x"}]), pa.array([[{"a": 1}]])])
def test_columns_without_a_form_as_text_are_named(array: pa.Array, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"'x' \("):
        list(rows_of(written(tmp_path, array)))


def test_a_large_file_comes_in_blocks(tmp_path: Path) -> None:
    numbers = pa.array(range(BLOCK_ROWS + 5))
    blocks = list(rows_of(written(tmp_path, numbers)))
    assert [len(rows.lines) for rows in blocks] == [BLOCK_ROWS, 5]
    assert [cell for rows in blocks for cell in rows.columns["x"]] == [str(n) for n in range(BLOCK_ROWS + 5)]
    assert blocks[1].lines[0] == BLOCK_ROWS + 1


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="each named once"):
        list(rows_of(written(tmp_path, pa.array(["a"]), pa.array(["b"]), names=("uri", "uri"))))


def test_text_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe"]).view(pa.string())
    with pytest.raises(InvalidSpec, match="cannot be read as Parquet"):
        list(rows_of(written(tmp_path, broken)))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    path = written(tmp_path, pa.array(["a"] * 1000))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InvalidSpec, match="cannot be read as Parquet"):
        list(rows_of(path))
