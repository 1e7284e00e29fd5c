"""Parquet in and out, with outside errors mapped."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.manifest import Strings

type_of_content = pa.binary(32)


def to_bytes(table: pa.Table) -> bytes:
    """Serialise a table; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_statistics=False)
    return sink.getvalue()


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        CorruptArtifact: where the file is no Parquet, or lacks a column.
    """
    try:
        table = pq.ParquetFile(path, memory_map=True).read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptArtifact(f"{path}: expected a Parquet file, {error}", reason="parquet") from error
    if missing := [name for name in columns or [] if name not in table.column_names]:
        raise CorruptArtifact(f"{path}: expected columns {missing}, found {table.column_names}", reason="parquet")
    return table


def strings(table: pa.Table, name: str) -> Strings:
    """Return a string column, str or None `[n]`."""
    found: Strings = np.array(table[name].to_pylist(), dtype=object)
    return found


def contents_array(contents: NDArray[np.uint8]) -> pa.Array:
    """Return content hashes `[n, 32]` as a column."""
    return pa.FixedSizeBinaryArray.from_buffers(
        type_of_content, len(contents), [None, pa.py_buffer(np.ascontiguousarray(contents))]
    )


def contents(table: pa.Table, name: str = "content") -> NDArray[np.uint8]:
    """Return a column of content hashes as uint8 `[n, 32]`."""
    array = table[name].combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type_of_content)
    if len(array) == 0:
        return np.empty((0, 32), np.uint8)
    raw = np.frombuffer(array.buffers()[1], np.uint8)
    return raw[array.offset * 32 : (array.offset + len(array)) * 32].reshape(-1, 32)
