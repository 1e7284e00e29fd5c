from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch import exact_ranks, score_tiles
from revsearch.embeddings import Vectors
from revsearch.exact_ranks import rank_blocks, relevant_ranks
from revsearch.metrics import ns3_self_out, ns4_self_in
from revsearch.postings import Postings
from revsearch.relevance import Relevance
from revsearch.specs import Metric


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (score_tiles, exact_ranks):
        monkeypatch.setattr(module, "GALLERY_TILE", 16)
    monkeypatch.setattr(score_tiles, "QUERY_TILE", 5)


def tied_vectors(seed: int, n: int) -> Vectors:
    """Vectors of few distinct values: most scores occur many times."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, size=(n, 3)).astype(np.float32)
    vectors[:, 0] += 3
    return vectors


def looped_ranks(queries: Vectors, gallery: Vectors, relevance: Relevance, metric: Metric) -> list[list[int]]:
    """Sort the whole gallery for every query, junk left out, self first where it is in."""
    ranks = []
    for query, vector in enumerate(queries.astype(float)):
        wanted, junk = relevance.of(query)
        keys = []
        for position, other in enumerate(gallery.astype(float)):
            cosine = vector @ other / np.linalg.norm(vector) / np.linalg.norm(other)
            score = cosine if metric == "cosine" else -np.linalg.norm(vector - other)
            is_first = relevance.self_in and position == relevance.self_positions[query]
            keys.append((not is_first, -round(float(score), 5), position))  # scores here tie or differ by far more
        order = [key[2] for key in sorted(keys) if key[2] not in set(junk.tolist())]
        ranks.append([rank for rank, position in enumerate(order) if position in set(wanted.tolist())])
    return ranks


def split(ranks: NDArray[np.int64], n_relevant: NDArray[np.int64]) -> list[list[int]]:
    return [some.tolist() for some in np.split(ranks, np.cumsum(n_relevant)[:-1])]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("few", [0, 16])  # thresholds compared one by one, or searched in sorted keys
@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("self_in", [False, True])
def test_ranks_agree_with_sorting_it_all(
    self_in: bool, metric: Metric, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_ranks, "FEW", few)
    rng = np.random.default_rng(7)
    gallery = tied_vectors(0, 70)
    own = np.where(rng.random(12) < 0.6, rng.integers(70, size=12), -1)
    queries = np.where(own[:, None] >= 0, gallery[own], tied_vectors(1, 12)).astype(np.float32)
    keys = [None, *rng.integers(5, size=11).tolist()]  # the first query has nothing to find
    junk = Postings.from_lists([np.flatnonzero(rng.random(70) < 0.1) for _ in range(12)])
    relevance = Relevance.by_key(keys, rng.integers(5, size=70).tolist(), own).with_junk(junk)
    relevance = relevance.with_self_in() if self_in else relevance
    ranks, n_relevant = relevant_ranks(queries, gallery, relevance, np.arange(12), metric)
    assert np.array_equal(n_relevant, relevance.n_relevant())
    assert split(ranks, n_relevant) == looped_ranks(queries, gallery, relevance, metric)


@pytest.mark.usefixtures("small_tiles")
def test_a_block_takes_its_own_queries() -> None:
    gallery = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    keys = (np.arange(50) % 7).tolist()
    relevance = Relevance.by_key(keys, keys, np.arange(50))
    whole = split(*relevant_ranks(gallery, gallery, relevance, np.arange(50), "cosine"))
    rows = np.array([3, 48, 11])
    assert split(*relevant_ranks(gallery[rows], gallery, relevance, rows, "cosine")) == [whole[row] for row in rows]


@pytest.mark.usefixtures("small_tiles")
def test_equal_vectors_are_ranked_by_position() -> None:
    gallery = np.ones((40, 3), np.float32)
    relevance = Relevance.by_key(["a"], ["a" if p in (0, 15, 16, 39) else "b" for p in range(40)], np.array([-1]))
    ranks, _ = relevant_ranks(gallery[:1], gallery, relevance, np.arange(1), "cosine")
    assert ranks.tolist() == [0, 15, 16, 39]


def test_self_is_first_even_where_duplicates_tie() -> None:
    """UKBench: ns4_self_in = ns3_self_out + 1, whatever lies where."""
    gallery = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    gallery[20:] = gallery[:20]  # every picture twice, in another object
    keys = (np.arange(40) // 4).tolist()
    out = Relevance.by_key(keys, keys, np.arange(40))
    three = ns3_self_out(*relevant_ranks(gallery, gallery, out, np.arange(40), "cosine"))
    four = ns4_self_in(*relevant_ranks(gallery, gallery, out.with_self_in(), np.arange(40), "cosine"))
    assert np.array_equal(four, three + 1)


def test_a_memory_mapped_gallery_ranks_alike(tmp_path: Path) -> None:
    gallery = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    keys = (np.arange(60) % 6).tolist()
    relevance = Relevance.by_key(keys, keys, np.arange(60))
    assert np.array_equal(
        relevant_ranks(gallery, mapped, relevance, np.arange(60), "l2")[0],
        relevant_ranks(gallery, gallery, relevance, np.arange(60), "l2")[0],
    )


def test_blocks_hold_each_query_with_something_to_find_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_ranks, "BLOCK_QUERIES", 4)
    monkeypatch.setattr(exact_ranks, "BLOCK_PAIRS", 10)
    n_relevant = np.array([3, 0, 4, 3, 1, 50, 0, 1, 1, 1, 1, 1])
    blocks = [block.tolist() for block in rank_blocks(n_relevant)]
    assert blocks == [[0, 2, 3], [4], [5], [7, 8, 9, 10], [11]]
    assert list(rank_blocks(np.zeros(3, int))) == []
