from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.ranking import Rankings
from revsearch.storage.artifact import Artifact, Draft, complete
from revsearch.storage.card import Counts, Part
from revsearch.storage.local import LocalStore
from revsearch.storage.rank_lists import StoredRankings, encode_rankings, read_query_rows

K = 3
Lists = list[list[tuple[str, float]]]

FULL: Lists = [[("a", 0.9), ("b", 0.9), ("c", -0.25)], [("d", 1.0), ("e", 0.5), ("a", 0.123456)]]
GAPS: Lists = [[("a", 0.9)], [], [("b", 0.5), ("<c>\n", 0.5)], []]


def block(lists: Lists, rows: list[int]) -> tuple[Rankings, NDArray[np.int64]]:
    return Rankings.from_lists([f"q{row}.jpg" for row in rows], lists, K), np.array(rows, np.int64)


def pairs(rankings: Rankings) -> dict[str, list[tuple[str, float]]]:
    return {query: list(zip(ids, scores.tolist(), strict=True)) for query, ids, scores in rankings}


def stored(store: LocalStore, *blocks: tuple[Lists, list[int]]) -> StoredRankings:
    making = Draft(store, "rankings", "0123456789ab", {"k": K}, {})
    parts = [making.put("part", ".parquet", encode_rankings(*block(lists, rows))) for lists, rows in blocks]
    return StoredRankings.of(store, making.commit(Counts(0, 0), parts))


@pytest.mark.parametrize("lists", [FULL, GAPS, [[]], []], ids=["full", "gaps", "one empty", "none"])
def test_lists_come_back_with_the_places_nobody_filled(store: LocalStore, tmp_path: Path, lists: Lists) -> None:
    rows = [10 * number for number in range(len(lists))]
    made, _ = block(lists, rows)
    found_rows, found = stored(store, (lists, rows)).whole()
    assert found_rows.tolist() == rows
    assert found.query_ids.tolist() == made.query_ids.tolist()
    assert found.k == max([1, *map(len, lists)])
    np.testing.assert_array_equal(found.gallery_ids, made.gallery_ids[:, : found.k])
    np.testing.assert_array_equal(found.scores, made.scores[:, : found.k])


def test_what_was_asked_for_takes_no_memory(store: LocalStore) -> None:
    """Lists are as long as the gallery had images: a billion places a query would not fit anywhere."""
    making = Draft(store, "rankings", "0123456789ab", {"k": 10**9}, {})
    parts = [making.put("part", ".parquet", encode_rankings(*block(GAPS, [1, 2, 3, 4])))]
    _, whole = StoredRankings.of(store, making.commit(Counts(0, 0), parts)).whole()
    assert whole.k == 2
    assert pairs(whole) == pairs(block(GAPS, [1, 2, 3, 4])[0])


def test_a_query_with_an_empty_list_is_there(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(encode_rankings(*block(GAPS, [2, 3, 5, 7])))
    assert read_query_rows(path).tolist() == [2, 3, 5, 7]


def test_ranking_ends_where_a_gallery_holds_nothing_but_the_query(store: LocalStore, tmp_path: Path) -> None:
    making = Draft(store, "rankings", "0123456789ab", {"k": K}, {})
    done: list[int] = []

    def do(missing: NDArray[np.int64]) -> None:
        done.extend(missing.tolist())
        making.put("part", ".parquet", encode_rankings(*block([[] for _ in missing], missing.tolist())))

    def read_rows(part: Part) -> NDArray[np.int64]:
        return read_query_rows(store.download(f"{making.prefix}/{part.name}", tmp_path))

    def finish(parts: list[Part]) -> Artifact:
        return making.commit(Counts(2, 2), parts)

    made = complete(making, 2, read_rows=read_rows, do=do, finish=finish)
    assert done == [0, 1]
    assert pairs(StoredRankings.of(store, made).whole()[1]) == {"q0.jpg": [], "q1.jpg": []}


def test_parts_come_back_in_manifest_order_and_a_query_that_two_hold_once(store: LocalStore) -> None:
    found = stored(store, (FULL, [5, 9]), (GAPS, [1, 3, 7, 8]), (FULL[:1], [5]), (FULL, [9, 11]))
    rows, whole = found.whole()
    assert rows.tolist() == [1, 3, 5, 7, 8, 9, 11]
    assert whole.query_ids.tolist() == [f"q{row}.jpg" for row in rows]
    by_query = pairs(whole)
    assert by_query["q3.jpg"] == by_query["q8.jpg"] == []
    assert by_query["q5.jpg"] == FULL[0]
    assert by_query["q9.jpg"] in FULL  # by whichever part comes first
    assert sorted(row for rows, _ in found.blocks() for row in rows) == rows.tolist()


CANDIDATES = st.dictionaries(st.text(max_size=3), st.floats(-1, 1), max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.lists(CANDIDATES, max_size=5))
def test_any_lists_come_back(tmp_path_factory: pytest.TempPathFactory, candidates: list[dict[str, float]]) -> None:
    rows = list(range(len(candidates)))
    lists = [list(each.items()) for each in candidates]
    found_rows, found = stored(LocalStore(tmp_path_factory.mktemp("s")), (lists, rows)).whole()
    assert found_rows.tolist() == rows
    assert pairs(found) == pairs(block(lists, rows)[0])


def test_damage_is_seen(store: LocalStore, commit: Callable[..., Artifact]) -> None:
    found = stored(store, (FULL, [0, 1]))
    (path,) = (store.root / "rankings" / "0123456789ab").glob("part-*")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptArtifact, match="checksum"):
        found.whole()
