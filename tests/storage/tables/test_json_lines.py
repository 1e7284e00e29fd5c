import json
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.json_lines import json_rows
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import BLOCK_ROWS, MAX_COLUMNS, Rows


def rows_of(tmp_path: Path, text: str) -> Rows:
    path = tmp_path / "list.jsonl"
    path.write_bytes(text.encode())
    (rows,) = json_rows(ListFile.at(path))
    return rows


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"007"', "007"),
        ("1e308", "1e308"),
        ("1E400", "1E400"),
        ("-0.10", "-0.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("9" * 5000, "9" * 5000),
        ("NaN", "NaN"),
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ('""', ""),
        ('"\\ud83e\\udd8d"', "🦍"),
        ("[1, 2.5, true]", "[1, 2.5, true]"),
        ('{"a": "é"}', '{"a": "é"}'),
    ],
)
def test_values_become_text_as_written(written: str, expected: str | None, tmp_path: Path) -> None:
    assert rows_of(tmp_path, f'{{"uri": "a", "x": {written}}}').columns["x"] == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        '"a"',
        "7",
        "null",
        '{"uri": "a"} x',
        '{"uri": "\\ud800"}',
        '{"\\udcff": 1}',
        "[" * 100_000,
        "{uri: 1}",
    ],
)
def test_what_is_no_object_of_text_is_broken(line: str, tmp_path: Path) -> None:
    rows = rows_of(tmp_path, f'{{"uri": "a"}}\n\n{line}\r\n{{"uri": "b"}}')
    assert rows.columns == {"uri": ["a", "b"]}
    assert rows.lines == [1, 4]
    assert [row.line for row in rows.broken] == [3]


def test_names_that_come_and_go_are_filled_up(tmp_path: Path) -> None:
    objects: list[dict[str, str]] = [{"uri": str(n), **({"x": str(n)} if n % 700 == 3 else {})} for n in range(3000)]
    rows = rows_of(tmp_path, "\n".join(map(json.dumps, objects)))
    assert rows.columns["x"] == [found.get("x") for found in objects]
    assert rows.columns["uri"] == [found["uri"] for found in objects]


def test_every_block_begins_afresh(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"a": "1"}\n' * BLOCK_ROWS + '{"b": "2"}\n')
    first, second = json_rows(ListFile.at(path))
    assert list(first.columns) == ["a"]
    assert (second.columns, second.lines) == ({"b": ["2"]}, [BLOCK_ROWS + 1])


def test_a_new_name_in_every_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=f"line {MAX_COLUMNS + 1}: expected at most {MAX_COLUMNS} columns"):
        rows_of(tmp_path, "\n".join(f'{{"c{n}": 1}}' for n in range(2 * MAX_COLUMNS)))
