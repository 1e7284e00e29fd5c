"""Lists in Parquet. Values become text: numbers and times as Arrow writes them, lists as JSON."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import BLOCK_ROWS, MAX_COLUMNS, Cells, Rows


def parquet_rows(table: ListFile) -> Iterator[Rows]:
    """Yield the rows of a Parquet file in blocks.

    Raises:
        InvalidSpec: where it cannot be read as Parquet, or a column has no form as text.
    """
    blocks = _blocks(table)
    while True:
        try:
            block = next(blocks, None)
        except (pa.ArrowException, OSError, ValueError) as error:  # broken pages, text that is no UTF-8
            raise InvalidSpec(f"{table}: cannot be read as Parquet: {error}; write it again") from error
        if block is None:
            return
        yield block


def _blocks(table: ListFile) -> Iterator[Rows]:
    with pq.ParquetFile(table.path, pre_buffer=False) as file:  # pre_buffer keeps whole row groups in memory
        _require_text_columns(file.schema_arrow, table)
        row = 1
        for batch in file.iter_batches(batch_size=BLOCK_ROWS):
            columns = {name: _cells(batch.column(n)) for n, name in enumerate(batch.schema.names)}
            yield Rows(list(range(row, row + batch.num_rows)), columns)
            row += batch.num_rows


def _require_text_columns(schema: pa.Schema, table: ListFile) -> None:
    names = schema.names
    if len(set(names)) < len(names) or len(names) > MAX_COLUMNS:
        raise InvalidSpec(f"{table}: expected at most {MAX_COLUMNS} columns, each named once; found {names[:5]} …")
    without = [f"{field.name!r} ({field.type})" for field in schema if not _has_text(field.type)]
    if without:
        raise InvalidSpec(f"{table}: expected columns of text, numbers or lists; found {', '.join(without)}; drop them")


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    if _is_list(kind):
        return _has_text(kind.value_type)
    return not (pa.types.is_nested(kind) or _is_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _cells(column: pa.Array) -> Cells:
    if _is_list(column.type):
        return [None if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
    cells: Cells = column.cast(pa.string()).to_pylist()
    return cells
