from pathlib import Path

from revsearch.rejects import Reason
from revsearch.storage.folder import Folder
from revsearch.storage.tables.block import table_block
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import Broken, Rows


def test_rejects_name_a_list_whose_name_is_no_utf8() -> None:
    rows = Rows([2], {"uri": ["a"]}, [Broken(3, "why")])
    (reject,) = table_block(rows, ListFile.at(Path("s\udcff/l\udcfe.csv")), Folder(Path("s\udcff"))).rejects
    assert (reject.id, reject.uri, reject.message) == ("l%FE.csv:3", "s%FF/l%FE.csv", "s%FF/l%FE.csv line 3: why")


def test_rejects_name_the_list_and_the_line() -> None:
    rows = Rows([2, 4], {"uri": ["a", None]}, [Broken(3, "why")])
    block = table_block(rows, ListFile.at(Path("set/list.csv")), Folder(Path("set")))
    assert list(block.ids) == ["a"]
    assert block.lines.tolist() == [2]
    assert [(reject.id, reject.uri, reject.reason, reject.message) for reject in block.rejects] == [
        ("list.csv:3", "set/list.csv", Reason.PARSE, "set/list.csv line 3: why"),
        ("list.csv:4", "set/list.csv", Reason.PARSE, "set/list.csv line 4: no uri"),
    ]
