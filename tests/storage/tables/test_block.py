from pathlib import Path

import pytest

from revsearch.rejects import Reason
from revsearch.storage.tables.block import default_id, table_block
from revsearch.storage.tables.rows import Broken, Rows


@pytest.mark.parametrize(
    ("uri", "id"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("a/./b//c.jpg", "a/b/c.jpg"),
        ("a/.hidden/b.jpg", "a/.hidden/b.jpg"),
        ("a/", "a"),
        (".", "."),
        ("../a.jpg", "../a.jpg"),
        ("./../a/./b.jpg", "../a/b.jpg"),
        ("a/../b.jpg", "a/../b.jpg"),
        ("/data/set/a.jpg", "a.jpg"),
        ("/data//set/./b/a.jpg", "b/a.jpg"),
        ("/data/set/../a.jpg", "../a.jpg"),
        ("/data/settings/a.jpg", "/data/settings/a.jpg"),
        ("/etc//passwd", "/etc/passwd"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://host//a/./b.jpg", "https://host//a/./b.jpg"),
        ("a b%20.jpg", "a b%20.jpg"),
    ],
)
def test_the_id_is_the_path_below_the_root(uri: str, id: str) -> None:
    assert default_id(uri, Path("/data/set")) == id


def test_below_a_root_whose_name_is_no_utf8() -> None:
    assert default_id("/data/%FFset/a.jpg", Path("/data/\udcffset")) == "a.jpg"


def test_rejects_name_a_list_whose_name_is_no_utf8() -> None:
    rows = Rows([2], {"uri": ["a"]}, [Broken(3, "why")])
    (reject,) = table_block(rows, Path("s\udcff/l\udcfe.csv"), Path("s\udcff"), "line").rejects
    assert (reject.id, reject.uri, reject.message) == ("l%FE.csv:3", "s%FF/l%FE.csv", "s%FF/l%FE.csv line 3: why")


def test_rejects_name_the_list_and_the_line() -> None:
    rows = Rows([2, 4], {"uri": ["a", None]}, [Broken(3, "why")])
    block = table_block(rows, Path("set/list.csv"), Path("set"), "line")
    assert list(block.ids) == ["a"]
    assert block.lines.tolist() == [2]
    assert [(reject.id, reject.uri, reject.reason, reject.message) for reject in block.rejects] == [
        ("list.csv:3", "set/list.csv", Reason.PARSE, "set/list.csv line 3: why"),
        ("list.csv:4", "set/list.csv", Reason.PARSE, "set/list.csv line 4: no uri"),
    ]
