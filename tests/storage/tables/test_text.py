import tracemalloc
from pathlib import Path

import pytest

from revsearch.errors import InvalidSpec
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.text import MAX_LINE_BYTES, text_lines


def lines_of(tmp_path: Path, data: bytes) -> list[str]:
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    return list(text_lines(ListFile.at(path)))


def test_lines_of_many_chunks_come_back_whole(tmp_path: Path) -> None:
    text = "".join(f"{n} é🦍 \u2028 \x0b {'x' * (n % 997)}\r\n" for n in range(6000))  # about 3 MB
    assert "".join(lines_of(tmp_path, text.encode())) == text
    assert len(lines_of(tmp_path, text.encode())) == 6000


@pytest.mark.parametrize("data", [b"", b"a", b"a\n", b"\n\na", b"\xef\xbb\xbf", b"\xef\xbb\xbfa\nb"])
def test_short_files(data: bytes, tmp_path: Path) -> None:
    expected = data.removeprefix(b"\xef\xbb\xbf").decode().splitlines(keepends=True)
    assert lines_of(tmp_path, data) == expected


@pytest.mark.parametrize("before", [0, 1, 2, 3, 100, 2**20 - 1, 2**20 + 5, 3 * 2**20])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_the_byte_that_is_no_utf8_is_named(before: int, bom: bytes, tmp_path: Path) -> None:
    data = bom + (b"a.jpg\n" * (before // 6 + 1))[:before] + b"\xe9.jpg\n"
    with pytest.raises(InvalidSpec, match=f"not UTF-8 at byte {len(bom) + before};"):
        lines_of(tmp_path, data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused_or_show_no_columns(encoding: str, tmp_path: Path) -> None:
    data = "uri\né.jpg\n".encode(encoding)
    with pytest.raises(InvalidSpec, match="not UTF-8 at byte"):
        lines_of(tmp_path, data)


@pytest.mark.parametrize("lines_before", [0, 3, 100_000])
@pytest.mark.parametrize("after", [b"", b"\nb\n"])
def test_a_line_too_long_is_named(lines_before: int, after: bytes, tmp_path: Path) -> None:
    data = b"0123456789\n" * lines_before + b"x" * (MAX_LINE_BYTES + 1) + after
    with pytest.raises(InvalidSpec, match=f"line {lines_before + 1}: longer than"):
        lines_of(tmp_path, data)


def test_the_longest_line_allowed_is_read(tmp_path: Path) -> None:
    assert len(lines_of(tmp_path, b"x" * MAX_LINE_BYTES + b"\n")[0]) == MAX_LINE_BYTES + 1


def test_a_line_of_a_gigabyte_costs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.truncate(2**30)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSpec, match="line 1: longer than"):
            list(text_lines(ListFile.at(path)))
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
