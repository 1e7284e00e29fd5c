"""Lists in JSON Lines: one object a line. Values become text: numbers as written, nested ones as JSON."""

import json
from collections.abc import Iterator

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.lines import Lines
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import MAX_COLUMNS, Broken, Cells, Rows, in_blocks
from revsearch.storage.tables.text import text_lines

_Object = tuple[int, dict[str, str | None]]


def json_rows(table: ListFile) -> Iterator[Rows]:
    """Yield the rows of a JSON Lines file in blocks; a block's columns are all names found in it.

    Raises:
        InvalidSpec: for more than `MAX_COLUMNS` names, and as `text_lines` does.
    """
    lines = Lines(text_lines(table))

    def add(rows: Rows, objects: list[_Object]) -> None:
        before = len(rows.lines) - len(objects)
        for n, (line, cells) in enumerate(objects, before):
            for name, value in cells.items():
                _column(rows, name, n, f"{table} line {line}").append(value)
        for column in rows.columns.values():
            column.extend([None] * (len(rows.lines) - len(column)))

    return in_blocks(_objects(lines), lines.chars_read, add)


def _objects(lines: Lines) -> Iterator[_Object | Broken]:
    for text in lines:
        line = lines.take()
        if not text.isspace():
            yield _object(text, line)


def _object(text: str, line: int) -> _Object | Broken:
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:  # too deep a nesting is a RecursionError
        return Broken(line, f"expected a JSON object: {error}")
    if not isinstance(found, dict):
        return Broken(line, f"expected a JSON object, found {type(found).__name__}")
    if "\\u" in text and not _is_text(found):
        return Broken(line, "half of a surrogate pair is no text")
    return line, {name: _cell(name, value, text) for name, value in found.items()}


def _is_text(found: object) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _cell(name: str, value: object, text: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(json.loads(text)[name], ensure_ascii=False)  # once more, for its numbers as numbers


def _column(rows: Rows, name: str, n: int, where: str) -> Cells:
    """Return the column `name`, filled up with None to its first `n` rows."""
    column = rows.columns.get(name)
    if column is None:
        if len(rows.columns) == MAX_COLUMNS:
            raise InvalidSpec(f"{where}: expected at most {MAX_COLUMNS} columns, found {name!r} too")
        column = rows.columns[name] = []
    if len(column) < n:
        column.extend([None] * (n - len(column)))
    return column
