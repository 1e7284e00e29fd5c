import csv
import random
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.delimited import delimited_rows
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import Rows


def rows_of(tmp_path: Path, text: str | bytes, delimiter: str = ",") -> Rows:
    path = tmp_path / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (rows,) = delimited_rows(ListFile.at(path), delimiter)
    return rows


def test_agrees_with_the_csv_module_on_random_fields(tmp_path: Path) -> None:
    rng = random.Random(0)
    pieces = ["a", "é", '"', ",", "\n", "\r\n", " ", "=x()", "\u2028", "\x0b", "\x85", "\t", "🦍"]
    records = [["".join(rng.choices(pieces, k=rng.randrange(6))) or "-" for _ in range(3)] for _ in range(2000)]
    path = tmp_path / "list.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["uri", "label", "x"], *records])
    (rows,) = delimited_rows(ListFile.at(path), ",")
    assert [list(record) for record in zip(*rows.columns.values(), strict=True)] == records
    assert not rows.broken


def test_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b"\xef\xbb\xbfuri,label\r\na.jpg,x\r\n\r\nb.jpg,y")
    assert rows.columns == {"uri": ["a.jpg", "b.jpg"], "label": ["x", "y"]}
    assert rows.lines == [2, 4]


def test_tabs_and_quoted_newlines(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 'uri\tlabel\n"a\nb.jpg"\tx\nc.jpg\ty\n', "\t")
    assert rows.columns["uri"] == ["a\nb.jpg", "c.jpg"]
    assert rows.lines == [2, 4]


@pytest.mark.parametrize(
    ("text", "good", "broken"),
    [
        ("uri,label\na,1\nb\nc,3\n", ["a", "c"], [3]),  # too few
        ("uri,label\na,1\nb,2,3\nc,3\n", ["a", "c"], [3]),  # too many
        ('uri,label\na,1\n"b,2\nc,3\nd,4\n', ["a", "c", "d"], [3]),  # open to the end
        ('uri,label\na,1\nb,"2\nc,"3"\nd,4\n', ["a", "c", "d"], [3]),  # open until another quote
        ('uri,label\n"a"x,1\nb,2\n', ["b"], [2]),
        ('uri,label\na,1\nb,"2', ["a"], [3]),
        ("uri,label\na\rb,1\nc,2\n", ["c"], [2]),  # a lone CR
        ("uri,label\n" + "x" * 200_000 + ",1\nb,2\n", ["b"], [2]),  # more than the csv module's limit
        ('uri,label\n"a,1\n' + "b,2\n" * 40_000, ["b"] * 40_000, [2]),  # open for more than that limit
    ],
)
def test_a_broken_record_costs_its_first_line_only(
    text: str, good: list[str], broken: list[int], tmp_path: Path
) -> None:
    rows = rows_of(tmp_path, text)
    assert rows.columns["uri"] == good
    assert [row.line for row in rows.broken] == broken


def test_every_line_ends_as_a_row_or_as_broken(tmp_path: Path) -> None:
    rng = random.Random(1)
    lines = ["".join(rng.choices('ab,"', k=rng.randrange(1, 8))) for _ in range(3000)]
    rows = rows_of(tmp_path, "u,v\n" + "\n".join(lines) + "\n")
    spans = [text.count("\n") + other.count("\n") + 1 for text, other in zip(*rows.columns.values(), strict=True)]
    covered = [line + n for line, span in zip(rows.lines, spans, strict=True) for n in range(span)]
    assert sorted(covered + [row.line for row in rows.broken]) == list(range(2, 3002))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("uri,label,label", "'label'"),
        (",".join(f"c{n}" for n in range(300)), "300 columns"),
        ('"uri', "unexpected end"),
    ],
)
def test_a_header_that_cannot_be_used(header: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=found):
        rows_of(tmp_path, header + "\na\n")
