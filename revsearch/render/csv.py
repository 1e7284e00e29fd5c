"""Tables for spreadsheets: CSV in which no text becomes a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | float | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_cell(value: Cell) -> str:
    """Return a cell's text; text that a spreadsheet would run as a formula gets a leading `'`. Numbers stay numbers."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table as CSV text, lines ending in CR LF (RFC 4180), every cell through `csv_cell`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(csv_cell, header))
    writer.writerows(map(csv_cell, row) for row in rows)
    return text.getvalue()
