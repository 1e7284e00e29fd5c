"""Read a list of images in blocks, after the whole of it was checked."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.manifest import Strings
from revsearch.storage.tables.block import TableBlock, table_block
from revsearch.storage.tables.delimited import delimited_rows
from revsearch.storage.tables.json_lines import json_rows
from revsearch.storage.tables.parquet import parquet_rows
from revsearch.storage.tables.rows import MAX_COLUMNS, Rows
from revsearch.storage.tables.unique import SeenIds

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_NAMED = 5  # of the rows that are wrong


def read_table(path: Path, *, on_bad_row: Literal["fail", "skip"], root: Path | None = None) -> Iterator[TableBlock]:
    """Yield the images that a list names. The list is read twice: first to check all of it, in bounded memory.

    Columns: `uri` (or `url`, `path`, `file_name`), and if there `id`, `label`, `group`, `role` (or `split`,
    `is_query`, `is_gallery`); others are kept as text. `root` is what uris are relative to; the list's own folder.

    Raises:
        InvalidSpec: where the list cannot be read, has no uri column, no rows, an id twice, a role that is none,
            or, with `on_bad_row="fail"`, a broken row; naming line or byte.
        StoreUnavailable: where the file system fails.
    """
    root = root or path.parent
    try:
        _require_file(path)
        extra = _check(path, root, on_bad_row)
        for block in _blocks(path, root):
            yield replace(block, extra={name: block.extra.get(name, _nothing(block)) for name in extra})
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error}; try again") from error


def _require_file(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidSpec(f"{path}: expected a list named {' '.join(SUFFIXES)}; found {path.suffix or 'no suffix'!r}")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: a FIFO would wait
            raise InvalidSpec(f"{path}: expected a list of images, found no regular file; check the path")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise InvalidSpec(f"{path}: expected a list of images: {error.strerror}; check the path") from error


def _check(path: Path, root: Path, on_bad_row: Literal["fail", "skip"]) -> tuple[str, ...]:
    """Read the whole list once; return the names of its extra columns."""
    seen, n_rows, extra = SeenIds(), 0, dict[str, None]()
    for block in _blocks(path, root):
        if block.rejects and on_bad_row == "fail":
            raise InvalidSpec(*_bad_rows(block))
        seen.add(block)
        n_rows += len(block) + len(block.rejects)
        extra.update(dict.fromkeys(block.extra))
    if not n_rows:
        raise InvalidSpec(f"{path}: expected one image a row, found nothing in it")
    if len(extra) > MAX_COLUMNS:
        raise InvalidSpec(f"{path}: expected at most {MAX_COLUMNS} columns, found {len(extra)}")
    if twice := seen.repeated(lambda: _blocks(path, root), _NAMED):
        named = ", ".join(f"{id!r} ({_unit(path)}s {first} and {second})" for id, first, second in twice)
        raise InvalidSpec(f"{path}: expected every id once; found twice: {named}")
    return tuple(extra)


def _blocks(path: Path, root: Path) -> Iterator[TableBlock]:
    for rows in _rows(path):
        yield table_block(rows, path, root, _unit(path))


def _rows(path: Path) -> Iterator[Rows]:
    match path.suffix.lower():
        case ".jsonl":
            return json_rows(path)
        case ".parquet":
            return parquet_rows(path)
        case suffix:
            return delimited_rows(path, "\t" if suffix == ".tsv" else ",")


def _unit(path: Path) -> str:
    return "row" if path.suffix.lower() == ".parquet" else "line"


def _bad_rows(block: TableBlock) -> list[str]:
    named = [reject.message for reject in block.rejects[:_NAMED]]
    return [*named, "Mend the list, or take its other rows with --on-bad-row skip."]


def _nothing(block: TableBlock) -> Strings:
    return np.full(len(block), None, object)
