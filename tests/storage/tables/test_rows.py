from collections.abc import Iterator

from revsearch.storage.tables.rows import BLOCK_CHARS, BLOCK_ROWS, Broken, Rows, in_blocks


def add(rows: Rows, records: list[tuple[int, str]]) -> None:
    rows.columns.setdefault("x", []).extend(text for _, text in records)


def test_blocks_hold_so_many_rows_in_order() -> None:
    n = 2 * BLOCK_ROWS + 7
    records = (Broken(line, "") if line % 1000 == 0 else (line, str(line)) for line in range(n))
    blocks = list(in_blocks(records, lambda: 0, add))
    assert [line for rows in blocks for line in rows.lines] == [line for line in range(n) if line % 1000]
    assert [cell for rows in blocks for cell in rows.columns["x"]] == [str(line) for line in range(n) if line % 1000]
    assert [row.line for rows in blocks for row in rows.broken] == list(range(0, n, 1000))
    assert [len(rows.lines) + len(rows.broken) for rows in blocks] == [BLOCK_ROWS, BLOCK_ROWS, 7]


def test_broken_records_alone_close_blocks_too() -> None:
    blocks = list(in_blocks((Broken(line, "") for line in range(BLOCK_ROWS + 1)), lambda: 0, add))
    assert [len(rows.broken) for rows in blocks] == [BLOCK_ROWS, 1]


def test_blocks_of_long_rows_are_shorter() -> None:
    read = 0

    def records() -> Iterator[tuple[int, str]]:
        nonlocal read
        for line in range(4096):
            read += 2**16
            yield line, ""

    blocks = list(in_blocks(records(), lambda: read, add))
    assert [len(rows.lines) for rows in blocks] == [BLOCK_CHARS // 2**16] * 4


def test_nothing_is_no_block() -> None:
    assert list(in_blocks(iter(()), lambda: 0, add)) == []
