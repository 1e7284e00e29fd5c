from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from revsearch.errors import CorruptArtifact
from revsearch.storage import parquet

TABLE = pa.table({"id": ["a", "é🦍", "", None], "row": [0, 1, 2, 3]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "t.parquet").write_bytes(parquet.to_bytes(TABLE))
    return tmp_path / "t.parquet"


def test_a_table_comes_back_whole_or_by_column_in_the_order_asked_for(path: Path) -> None:
    assert parquet.read(path).equals(TABLE)
    assert parquet.read(path, ["row"]).column_names == ["row"]
    assert parquet.read(path, ["row", "id"])["id"].to_pylist() == ["a", "é🦍", "", None]
    assert parquet.strings(parquet.read(path), "id").tolist() == ["a", "é🦍", "", None]


def test_equal_tables_give_equal_bytes() -> None:
    assert parquet.to_bytes(TABLE) == parquet.to_bytes(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]))


@pytest.mark.parametrize("columns", [["row", "vector"], ["Row"], ["missing"]])
def test_a_missing_column_is_named_with_what_is_there(path: Path, columns: list[str]) -> None:
    with pytest.raises(CorruptArtifact, match=rf"{path}: expected columns \['{columns[-1]}'\], found") as caught:
        parquet.read(path, columns)
    assert (caught.value.reason, caught.value.exit_code) == ("parquet", 5)


RAW = parquet.to_bytes(TABLE)
OTHER_FILES = {
    "nothing": b"",
    "cut": RAW[:-1],
    "cut in half": RAW[: len(RAW) // 2],
    "zeroed tail": RAW[:-8] + bytes(8),
    "zeroed footer": RAW[:-60] + bytes(52) + RAW[-8:],
    "text": b"id,row\na,1\n",
    "only the mark": b"PAR1PAR1",
}


@pytest.mark.parametrize("raw", OTHER_FILES.values(), ids=list(OTHER_FILES))
def test_a_file_that_is_no_parquet_is_corrupt(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(raw)
    with pytest.raises(CorruptArtifact, match=f"{path}: expected a Parquet file"):
        parquet.read(path, ["id"])


def test_a_file_that_is_not_there_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match="expected a Parquet file"):
        parquet.read(tmp_path / "none")


@pytest.mark.parametrize("n", [0, 1, 5])
def test_content_hashes_come_back_also_from_slices_and_chunks(tmp_path: Path, n: int) -> None:
    contents = np.random.default_rng(n).integers(0, 256, (n, 32), np.uint8)
    table = pa.table({"content": parquet.contents_array(contents)})
    assert table["content"].to_pylist() == [row.tobytes() for row in contents]
    chunked = pa.concat_tables([table.slice(0, n // 2), table.slice(n // 2)])
    (tmp_path / "t").write_bytes(parquet.to_bytes(table))
    for each in (table, chunked, parquet.read(tmp_path / "t")):
        np.testing.assert_array_equal(parquet.contents(each), contents)
    np.testing.assert_array_equal(parquet.contents(chunked.slice(1)), contents[1:])
    transposed = np.asfortranarray(contents)
    assert parquet.contents_array(transposed).equals(parquet.contents_array(contents))
