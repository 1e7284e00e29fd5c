"""Lists in CSV and TSV. A record that breaks costs its first line, never its neighbours."""

import csv
from collections.abc import Iterator

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.lines import Lines
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import MAX_COLUMNS, Broken, Rows, in_blocks
from revsearch.storage.tables.text import text_lines


def delimited_rows(table: ListFile, delimiter: str) -> Iterator[Rows]:
    """Yield the rows of a delimited file with a header line, in blocks.

    Raises:
        InvalidSpec: for a header that cannot be read or names a column twice, and as `text_lines` does.
    """
    lines = Lines(text_lines(table))
    header = _header(lines, delimiter, table)

    def add(rows: Rows, records: list[tuple[int, list[str]]]) -> None:
        columns = zip(*(cells for _, cells in records), strict=True) if records else [()] * len(header)
        for name, cells in zip(header, columns, strict=True):
            rows.columns.setdefault(name, []).extend(cells)

    return in_blocks(_records(lines, delimiter, len(header)), lines.chars_read, add)


def _header(lines: Lines, delimiter: str, table: ListFile) -> list[str]:
    try:
        header = next((cells for cells in csv.reader(lines, delimiter=delimiter, strict=True) if cells), [])
    except csv.Error as error:
        raise InvalidSpec(f"{table} line 1: expected a header with column names: {error}") from error
    lines.take()
    twice = sorted({name for name in header if header.count(name) > 1}) if len(header) <= MAX_COLUMNS else []
    if twice or len(header) > MAX_COLUMNS:
        found = f"{twice} more than once" if twice else f"{len(header)} columns"
        raise InvalidSpec(f"{table} line 1: expected at most {MAX_COLUMNS} columns, each named once; found {found}")
    return header


def _records(lines: Lines, delimiter: str, width: int) -> Iterator[tuple[int, list[str]] | Broken]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            for cells in reader:
                if len(cells) == width:
                    yield lines.take(), cells
                elif cells:
                    yield Broken(lines.give_up(), f"expected {width} fields as in the header, found {len(cells)}")
                else:  # a blank line
                    lines.take()
            return
        except csv.Error as error:  # the reader starts afresh at the next record
            yield Broken(lines.give_up(), f"broken quotes, or a field too long: {error}")
