import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.rejects import Reason, Rejection
from revsearch.storage.folder import Folder
from revsearch.storage.images import read_image
from revsearch.storage.tables import ListFile, TableBlock, read_table
from revsearch.storage.tables.rows import BLOCK_ROWS

Rows = list[dict[str, str]]


def write_csv(path: Path, rows: Rows, delimiter: str = ",") -> Path:
    lines = [delimiter.join(rows[0])] + [delimiter.join(row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_as(suffix: str, folder: Path, rows: Rows) -> Path:
    path = folder / f"list{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_csv(path, rows, "\t" if suffix == ".tsv" else ",")
    return path


@pytest.fixture(params=[".csv", ".tsv", ".jsonl", ".parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Rows], Path]:
    return lambda rows: write_as(request.param, tmp_path, rows)


def blocks_of(path: Path, on_bad_row: str = "fail") -> Iterator[TableBlock]:
    return read_table(ListFile.at(path), Folder(path.parent), on_bad_row=on_bad_row)


def read(path: Path, on_bad_row: str = "fail") -> TableBlock:
    (block,) = blocks_of(path, on_bad_row)
    return block


def problem(path: Path, on_bad_row: str = "fail") -> str:
    with pytest.raises(InvalidSpec) as caught:
        list(blocks_of(path, on_bad_row))
    return str(caught.value)


def text_file(tmp_path: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_mean_the_same_in_every_format(write: Callable[[Rows], Path]) -> None:
    block = read(
        write(
            [
                {"uri": "a.jpg", "id": "one", "label": "ape", "group": "7", "role": "query", "camera": "c1"},
                {"uri": "./b//c.jpg", "id": "", "label": "", "group": "", "role": "", "camera": ""},
            ]
        )
    )
    assert list(block.uris) == ["a.jpg", "./b//c.jpg"]
    assert list(block.ids) == ["one", "b/c.jpg"]
    assert list(block.labels) == ["ape", None]
    assert list(block.groups) == ["7", None]
    assert list(block.roles) == ["query", None]
    assert list(block.extra) == ["camera"]
    assert list(block.extra["camera"]) == ["c1", None]
    assert block.rejects == ()


@pytest.mark.parametrize("name", ["uri", "url", "path", "file_name"])
def test_other_names_of_the_uri_column(name: str, write: Callable[[Rows], Path]) -> None:
    assert list(read(write([{name: "a.jpg"}])).uris) == ["a.jpg"]


def test_of_two_uri_columns_the_other_is_kept(write: Callable[[Rows], Path]) -> None:
    block = read(write([{"path": "old/a.jpg", "uri": "a.jpg"}]))
    assert (block.uris[0], block.extra["path"][0]) == ("a.jpg", "old/a.jpg")


def test_a_missing_uri_column_names_the_found_ones_and_the_nearest(write: Callable[[Rows], Path]) -> None:
    message = problem(write([{"urls": "a.jpg", "label": "ape"}]))
    assert "found columns: 'urls', 'label'" in message
    assert "did you mean urls?" in message


def test_ids_stay_text(write: Callable[[Rows], Path]) -> None:
    ids = ["1e308", "__proto__", "007", "true", "NaN", "null", "-0", "1_000", "=1+1"]
    block = read(write([{"uri": f"{n}.jpg", "id": id, "label": id} for n, id in enumerate(ids)]))
    assert list(block.ids) == ids
    assert list(block.labels) == ids


def test_double_ids_are_refused_with_the_first_five(write: Callable[[Rows], Path]) -> None:
    path = write([{"uri": f"{n % 6}.jpg"} for n in range(18)])
    message = problem(path)
    first = 1 if path.suffix in (".jsonl", ".parquet") else 2
    assert f"'0.jpg' ({'row' if path.suffix == '.parquet' else 'line'}s {first} and {first + 6})" in message
    assert [f"'{n}.jpg'" in message for n in range(6)] == [True] * 5 + [False]


def test_two_spellings_of_one_path_are_one_id(write: Callable[[Rows], Path]) -> None:
    assert "'a.jpg'" in problem(write([{"uri": "a.jpg"}, {"uri": "./a.jpg"}]))


def test_ids_are_compared_across_blocks(tmp_path: Path) -> None:
    uris = [f"{n}.jpg" for n in range(BLOCK_ROWS + 10)]
    path = text_file(tmp_path, "uri\n" + "\n".join([*uris, "3.jpg"]))
    assert f"'3.jpg' (lines 5 and {len(uris) + 2})" in problem(path)


def test_hashes_that_are_equal_by_chance_are_no_double_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revsearch.storage.tables.unique.hash", lambda id: 1, raising=False)
    assert len(read(text_file(tmp_path, "uri\na\nb\nc\n"))) == 3
    assert "'b' (lines 3 and 5)" in problem(text_file(tmp_path, "uri\na\nb\nc\nb\n"))


OUTSIDE = ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a/../../b.jpg", "https://host/a.jpg", "a\0.jpg"]


@pytest.mark.parametrize("uri", OUTSIDE)
def test_what_lies_outside_is_passed_on_and_rejected_by_the_reader(uri: str, write: Callable[[Rows], Path]) -> None:
    path = write([{"uri": uri}])
    block = read(path)
    assert (block.uris[0], block.ids[0]) == (uri, uri)
    with pytest.raises(Rejection) as caught:
        read_image(block.uris[0], path.parent, max_bytes=1000)
    assert caught.value.reason is Reason.OUTSIDE_ROOT


def test_an_absolute_path_below_the_root_has_its_relative_id(tmp_path: Path) -> None:
    path = text_file(tmp_path, f"uri\n{tmp_path}/set/a.jpg\n")
    assert list(read(path).ids) == ["set/a.jpg"]
    (block,) = read_table(ListFile.at(path), Folder(tmp_path / "set"), on_bad_row="fail")
    assert list(block.ids) == ["a.jpg"]


@pytest.mark.parametrize("content", ["", "\n\n", "uri\n", "uri,label\r\n\r\n", b"\xef\xbb\xbf"])
def test_nothing_in_a_list_is_refused(content: str | bytes, tmp_path: Path) -> None:
    assert "nothing in it" in problem(text_file(tmp_path, content))


def test_nothing_in_json_lines_or_parquet_is_refused(tmp_path: Path) -> None:
    assert "nothing in it" in problem(text_file(tmp_path, "\n", "list.jsonl"))
    pq.write_table(pa.table({"uri": pa.array([], pa.string())}), tmp_path / "list.parquet")
    assert "nothing in it" in problem(tmp_path / "list.parquet")


def test_a_row_without_uri_is_broken(write: Callable[[Rows], Path]) -> None:
    path = write([{"uri": "a.jpg", "label": "x"}, {"uri": "", "label": "y"}])
    place = "row 2" if path.suffix == ".parquet" else "line 2" if path.suffix == ".jsonl" else "line 3"
    assert f"{place}: no uri" in problem(path)
    block = read(path, "skip")
    assert (list(block.ids), list(block.labels)) == (["a.jpg"], ["x"])
    assert [reject.reason for reject in block.rejects] == [Reason.PARSE]


def test_a_list_of_broken_rows_alone_is_all_rejects(tmp_path: Path) -> None:
    block = read(text_file(tmp_path, "{\n[]\n", "list.jsonl"), "skip")
    assert len(block) == 0
    assert [reject.id for reject in block.rejects] == ["list.jsonl:1", "list.jsonl:2"]


def test_more_broken_rows_than_five_are_not_all_named(tmp_path: Path) -> None:
    message = problem(text_file(tmp_path, "uri\n" + "a,b\n" * 20))
    assert message.count("\n") == 5
    assert message.endswith("--on-bad-row skip.")


@pytest.mark.parametrize("name", ["gone.csv", "list.xlsx", "list", "folder.csv", "fifo.csv", "list.csv/deeper.csv"])
def test_what_is_no_list_is_refused(name: str, tmp_path: Path) -> None:
    text_file(tmp_path, "uri\na.jpg\n")
    text_file(tmp_path, "uri\na.jpg\n", "list.xlsx")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")
    assert "expected a list" in problem(tmp_path / name)


def test_a_file_system_that_fails_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = text_file(tmp_path, "uri\na.jpg\n")

    def fail(*args: object, **options: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(StoreUnavailable):
        list(blocks_of(path))


def test_every_block_has_the_same_extra_columns(tmp_path: Path) -> None:
    lines = [f'{{"uri": "{n}.jpg"}}\n' for n in range(BLOCK_ROWS)]
    path = text_file(tmp_path, "".join([*lines, '{"uri": "last.jpg", "box": [1, 2.5]}\n']), "list.jsonl")
    blocks = list(blocks_of(path))
    assert [len(block) for block in blocks] == [BLOCK_ROWS, 1]
    assert not np.any(blocks[0].extra["box"])
    assert list(blocks[1].extra["box"]) == ["[1, 2.5]"]


@pytest.mark.data
def test_a_real_list_is_read_whole(shared_data: Path) -> None:
    block = read(shared_data / "images.csv")
    assert len(block) == 3688
    assert sum(block.roles == "distractor") == 265
    assert all((shared_data / uri).exists() for uri in block.uris[::100])


TEN_MILLION = """
    import re, sys
    from pathlib import Path
    from revsearch.storage.folder import Folder
    from revsearch.storage.tables import ListFile, read_table

    path, n = Path(sys.argv[1]), 10_000_000
    with path.open("w") as file:
        file.write("uri,label\\n")
        for start in range(0, n, 100_000):
            file.write("".join(f"{i % 1000:03d}/{i:08d}.jpg,class{i % 1000}\\n" for i in range(start, start + 100_000)))
    read = sum(len(block) for block in read_table(ListFile.at(path), Folder(path.parent), on_bad_row="fail"))
    # not ru_maxrss: that also counts the process that this one was forked from
    print(read, 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_ten_million_rows_stream_in_bounded_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(TEN_MILLION), str(tmp_path / "list.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read, peak_bytes = map(int, done.stdout.split())
    assert read == 10_000_000
    assert peak_bytes < 1.5e9
