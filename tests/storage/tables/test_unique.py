import random
from pathlib import Path

from revsearch.storage.roots import open_root
from revsearch.storage.tables.block import TableBlock, table_block
from revsearch.storage.tables.list_file import ListFile
from revsearch.storage.tables.rows import Rows
from revsearch.storage.tables.unique import SeenIds


def blocks_of(ids: list[str], size: int) -> list[TableBlock]:
    starts = range(0, len(ids), size)
    rows = [Rows(list(range(n, min(n + size, len(ids)))), {"uri": [*ids[n : n + size]]}) for n in starts]
    return [table_block(block, ListFile.at(Path("list.csv")), open_root(".")) for block in rows]


def repeated(ids: list[str], limit: int, size: int = 50) -> list[tuple[str, int, int]]:
    seen = SeenIds()
    blocks = blocks_of(ids, size)
    for block in blocks:
        seen.add(block)
    return seen.repeated(lambda: blocks, limit)


def test_agrees_with_a_plain_search() -> None:
    rng = random.Random(0)
    for n_names in (20, 300, 3000):
        ids = [f"{rng.randrange(n_names)}.jpg" for _ in range(400)]
        expected: dict[str, tuple[str, int, int]] = {}
        for row, id in enumerate(ids):
            if id in ids[:row] and id not in expected:
                expected[id] = (id, ids.index(id), row)
        assert repeated(ids, 5) == list(expected.values())[:5]


def test_unique_ids_are_not_read_again() -> None:
    seen = SeenIds()
    for block in blocks_of([str(n) for n in range(100)], 30):
        seen.add(block)

    def again() -> list[TableBlock]:
        raise AssertionError("read again")

    assert seen.repeated(again, 5) == []
