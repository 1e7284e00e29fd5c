"""An index opened: no Ray."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.stages import gallery as module
from revsearch.stages.gallery import Gallery, IndexFacts, sample_rows
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore

N, DIM = 600, 16


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)


@pytest.fixture
def make_index(by_hand: Any, vectors: NDArray[np.float32]) -> Callable[..., Artifact]:
    """Every id `n` but the last, which is `copy`: a twin of `000`."""

    def make_index(**options: Any) -> Artifact:
        ids = [*(f"{n:03}" for n in range(N - 1)), "copy"]
        manifest = by_hand.manifest(ids, contents=[*ids[:-1], ids[0]], block_rows=N)
        made: Artifact = by_hand.index(by_hand.embeddings(manifest, vectors, part_rows=N), **options)
        return made

    return make_index


@pytest.mark.parametrize("stem", ["vectors", "members", "graph-0", "graph-1"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "gone"])
def test_damage_is_seen_before_the_index_library_sees_a_byte(
    store: LocalStore, make_index: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch, stem: str, damage: str
) -> None:
    made = make_index(kind="hnsw", shards=2)
    path = store.root / str(made) / made.part(stem).name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    damaged = {"flipped": bytes(data), "cut": path.read_bytes()[:-1], "longer": path.read_bytes() + b"\0"}
    loaded: list[Any] = []
    monkeypatch.setattr(module.HnswGraph, "load", lambda path, **facts: loaded.append(path.name))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    with pytest.raises(CorruptArtifact, match=f"{made}.*{path.name}") as caught:
        Gallery(store, made, threads=1)
    assert caught.value.reason == "checksum"
    assert path.name not in loaded


def test_exact_search_needs_no_graph(store: LocalStore, make_index: Callable[..., Artifact]) -> None:
    made = make_index(kind="hnsw")
    (store.root / str(made) / made.part("graph-0").name).unlink()
    gallery = Gallery(store, made, threads=0, graphs=False)
    assert gallery.searcher([]) is gallery.exact


def test_a_card_that_is_not_that_of_an_index(store: LocalStore) -> None:
    made = Draft(store, "index", "0123456789ab", {}, {}).commit(Counts(0, 0), [], facts={"kind": "exact"})
    with pytest.raises(CorruptArtifact, match="not that of an index") as caught:
        IndexFacts.of(made)
    assert caught.value.reason == "card"


def test_vectors_of_another_size_than_the_card_says(store: LocalStore, make_index: Callable[..., Artifact]) -> None:
    made = make_index(kind="exact")
    facts = asdict(IndexFacts.of(made)) | {"n_vectors": N}
    lying = Draft(store, "index", "0123456789ab", {}, {})
    for part in made.card.parts:
        store.upload(f"{lying.prefix}/{part.name}", store.root / str(made) / part.name)
    with pytest.raises(CorruptArtifact, match=rf"expected vectors \({N}, {DIM}\)") as caught:
        Gallery(store, lying.commit(Counts(0, 0), made.card.parts, facts=facts), threads=1)
    assert caught.value.reason == "dim"


@pytest.mark.parametrize("shards", [1, 3])
def test_tuning_reaches_its_target(
    store: LocalStore, make_index: Callable[..., Artifact], vectors: NDArray[np.float32], shards: int
) -> None:
    gallery = Gallery(store, make_index(kind="hnsw", shards=shards, M=4, ef_construction=8), threads=1)
    tuned = gallery.tune(vectors[:50], 10, 0.99)
    assert len(tuned.efs) == shards
    assert tuned.n_queries == 50
    found, _ = gallery.searcher(tuned.efs).search(vectors[:50], 10)
    exact, _ = gallery.exact.search(vectors[:50], 10)
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])
    assert tuned.ann_recall == pytest.approx(overlap, abs=1e-9)
    assert overlap >= 0.99


def test_exact_search_needs_no_tuning(
    store: LocalStore, make_index: Callable[..., Artifact], vectors: NDArray[np.float32]
) -> None:
    tuned = Gallery(store, make_index(kind="exact"), threads=1).tune(vectors[:7], 10, 0.99)
    assert (tuned.efs, tuned.ann_recall, tuned.n_queries) == ([], 1.0, 7)


def test_members_of_a_vector_are_all_ranked_but_the_query_itself(
    store: LocalStore, make_index: Callable[..., Artifact], vectors: NDArray[np.float32]
) -> None:
    gallery = Gallery(store, make_index(kind="exact"), threads=1)
    searcher, asked = gallery.searcher([]), vectors[:2]
    plain = gallery.rank(searcher, ["q", "r"], [None, None], asked, 3)
    assert plain.gallery_ids[0, :2].tolist() == ["000", "copy"]
    assert plain.scores[0, :2].tolist() == [1.0, 1.0]
    without = gallery.rank(searcher, ["000", "001"], ["000", "001"], asked, 3)
    assert without.gallery_ids[0, 0] == "copy"
    assert without.gallery_ids[0, 1] == plain.gallery_ids[0, 2]
    assert "001" not in without.gallery_ids[1]
    assert all(id is not None for id in without.gallery_ids.ravel())


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_k_beyond_the_gallery_gives_all_of_it(
    store: LocalStore, make_index: Callable[..., Artifact], vectors: NDArray[np.float32], kind: str
) -> None:
    gallery = Gallery(store, make_index(kind=kind), threads=1)
    efs = gallery.tune(vectors[:2], 10**9, 0.99).efs
    found = gallery.rank(gallery.searcher(efs), ["q", "000"], [None, "000"], vectors[:2], 10**9)
    assert found.k == N
    assert set(found.gallery_ids[0]) == {*(f"{n:03}" for n in range(N - 1)), "copy"}
    assert set(found.gallery_ids[0]) - set(found.gallery_ids[1]) == {"000"}


def test_samples_are_seeded_and_ascending() -> None:
    rows = np.arange(100) * 3
    first = sample_rows(rows, 10, 0)
    assert np.array_equal(first, sample_rows(rows, 10, 0))
    assert not np.array_equal(first, sample_rows(rows, 10, 1))
    assert np.all(np.diff(first) > 0)
    assert np.isin(first, rows).all()
    assert np.array_equal(sample_rows(rows, 100, 0), rows)
    assert np.array_equal(sample_rows(rows, 10**9, 0), rows)
