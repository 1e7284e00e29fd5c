"""Read a list of images in blocks, after the whole of it was checked."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.manifest import Strings
from revsearch.storage.roots import Root
from revsearch.storage.tables.block import TableBlock, table_block
from revsearch.storage.tables.delimited import delimited_rows
from revsearch.storage.tables.json_lines import json_rows
from revsearch.storage.tables.list_file import SUFFIXES, ListFile
from revsearch.storage.tables.parquet import parquet_rows
from revsearch.storage.tables.rows import MAX_COLUMNS, Rows
from revsearch.storage.tables.unique import SeenIds

_NAMED = 5  # of the rows that are wrong


def read_table(table: ListFile, root: Root, *, on_bad_row: Literal["fail", "skip"]) -> Iterator[TableBlock]:
    """Yield the images that a list names. The list is read twice: first to check all of it, in bounded memory.

    Columns: `uri` (or `url`, `path`, `file_name`), and if there `id`, `label`, `group`, `role` (or `split`,
    `is_query`, `is_gallery`); others are kept as text. `root` is what uris are relative to.

    Raises:
        InvalidSpec: where the list cannot be read, has no uri column, no rows, an id twice, a role that is none,
            or, with `on_bad_row="fail"`, a broken row; naming line or byte.
        StoreUnavailable: where the file system fails.
    """
    try:
        _require_file(table)
        extra = _check(table, root, on_bad_row)
        for block in _blocks(table, root):
            yield replace(block, extra={name: block.extra.get(name, _nothing(block)) for name in extra})
    except OSError as error:
        raise StoreUnavailable(f"{table}: {error}; try again") from error


def _require_file(table: ListFile) -> None:
    if table.suffix not in SUFFIXES:
        raise InvalidSpec(f"{table}: expected a list named {' '.join(SUFFIXES)}; found {table.suffix or 'no suffix'!r}")
    try:
        if not stat.S_ISREG(table.path.stat().st_mode):  # before it is opened: a FIFO would wait
            raise InvalidSpec(f"{table}: expected a list of images, found no regular file; check the path")
        table.path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise InvalidSpec(f"{table}: expected a list of images: {error.strerror}; check the path") from error


def _check(table: ListFile, root: Root, on_bad_row: Literal["fail", "skip"]) -> tuple[str, ...]:
    """Read the whole list once; return the names of its extra columns."""
    seen, n_rows, extra = SeenIds(), 0, dict[str, None]()
    for block in _blocks(table, root):
        if block.rejects and on_bad_row == "fail":
            raise InvalidSpec(*_bad_rows(block))
        seen.add(block)
        n_rows += len(block) + len(block.rejects)
        extra.update(dict.fromkeys(block.extra))
    if not n_rows:
        raise InvalidSpec(f"{table}: expected one image a row, found nothing in it")
    if len(extra) > MAX_COLUMNS:
        raise InvalidSpec(f"{table}: expected at most {MAX_COLUMNS} columns, found {len(extra)}")
    if twice := seen.repeated(lambda: _blocks(table, root), _NAMED):
        named = ", ".join(f"{id!r} ({table.unit}s {first} and {second})" for id, first, second in twice)
        raise InvalidSpec(f"{table}: expected every id once; found twice: {named}")
    return tuple(extra)


def _blocks(table: ListFile, root: Root) -> Iterator[TableBlock]:
    for rows in _rows(table):
        yield table_block(rows, table, root)


def _rows(table: ListFile) -> Iterator[Rows]:
    match table.suffix:
        case ".jsonl":
            return json_rows(table)
        case ".parquet":
            return parquet_rows(table)
        case suffix:
            return delimited_rows(table, "\t" if suffix == ".tsv" else ",")


def _bad_rows(block: TableBlock) -> list[str]:
    named = [reject.message for reject in block.rejects[:_NAMED]]
    return [*named, "Mend the list, or take its other rows with --on-bad-row skip."]


def _nothing(block: TableBlock) -> Strings:
    return np.full(len(block), None, object)
