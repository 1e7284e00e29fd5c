"""Rankings held against a plain loop over all pairs; one actor on one local Ray."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact, SpaceMismatch
from revsearch.ranking import Rankings
from revsearch.specs import RankSpec, Resources
from revsearch.stages.rank import plan_rank, rank
from revsearch.storage.artifact import Artifact, verify
from revsearch.storage.local import LocalStore
from revsearch.storage.rank_lists import StoredRankings
from revsearch.storage.reject_table import read_rejects

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

HERE = Resources()
DIM = 8
Naive = dict[str, list[tuple[str, float]]]


@dataclass(frozen=True)
class Side:
    """Embedded images by id, and the hash of each."""

    artifact: Artifact
    vectors: dict[str, NDArray[np.float32]]


def draw(seed: int, n: int, dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@pytest.fixture(scope="module")
def shared(module_path: Path) -> LocalStore:
    return LocalStore(module_path / "store")


@pytest.fixture(scope="module")
def whole(shared: LocalStore, by_hand_in: Callable[..., Any]) -> Side:
    """Gallery, distractors and queries in one manifest, not in the order of ids; twins; two rejected."""
    random = np.random.default_rng(1)
    ids = [f"{role}/{n:02}.png" for role, n in (("g", 40), ("d", 10), ("q", 9)) for n in range(n)]
    contents = {id: id for id in ids} | {"g/07.png": "g/30.png", "d/03.png": "g/30.png", "q/01.png": "g/05.png"}
    order = random.permutation(len(ids)).tolist()
    ids = [ids[place] for place in order]
    by_content = dict(zip(sorted(set(contents.values())), draw(2, len(ids)), strict=False))
    vectors = np.array([by_content[contents[id]] for id in ids])
    vectors[ids.index("q/04.png")] = vectors[ids.index("g/11.png")] = np.nan
    roles = [{"g": "gallery", "d": "distractor", "q": "query"}[id[0]] for id in ids]
    hand = by_hand_in(shared)
    manifest = hand.manifest(ids, contents=[contents[id] for id in ids], roles=roles, block_rows=17)
    good = {id: vector for id, vector in zip(ids, vectors, strict=True) if np.isfinite(vector).all()}
    return Side(hand.embeddings(manifest, vectors, part_rows=10), good)


@pytest.fixture(scope="module")
def gallery_alone(shared: LocalStore, by_hand_in: Callable[..., Any]) -> Side:
    """A gallery without a query role, of twins too."""
    hand, ids = by_hand_in(shared), [f"{n:02}.png" for n in range(30)]
    vectors = draw(3, 30)
    vectors[20] = vectors[4]
    manifest = hand.manifest(ids, contents=[*ids[:20], ids[4], *ids[21:]])
    return Side(hand.embeddings(manifest, vectors), dict(zip(ids, vectors, strict=True)))


@pytest.fixture(scope="module")
def large(shared: LocalStore, by_hand_in: Callable[..., Any]) -> tuple[Artifact, Artifact]:
    """Embeddings and a graph that must be searched wide."""
    hand, ids = by_hand_in(shared), [f"{n:04}" for n in range(1500)]
    roles = ["query" if n % 10 == 0 else "gallery" for n in range(1500)]
    embedded = hand.embeddings(hand.manifest(ids, roles=roles, block_rows=1500), draw(5, 1500, 24), part_rows=1500)
    return embedded, hand.index(embedded, kind="hnsw", M=4, ef_construction=10)


def naive(queries: Side, gallery: Side, k: int, metric: str, *, query_ids: Sequence[str], gallery_ids: str) -> Naive:
    """Every query against every gallery image, in float64, sorted by falling score, then by id."""
    itself = queries.artifact == gallery.artifact
    ranked: Naive = {}
    for query in query_ids:
        left = queries.vectors[query].astype(np.float64)
        scored = []
        for id, vector in gallery.vectors.items():
            if not id.startswith(tuple(gallery_ids)) or (itself and id == query):
                continue
            right = vector.astype(np.float64)
            score = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
            scored.append((id, float(score if metric == "cosine" else -np.linalg.norm(left - right))))
        ranked[query] = sorted(scored, key=lambda pair: (-round(pair[1], 6), pair[0]))[:k]
    return ranked


def read(store: LocalStore, artifact: Artifact) -> Rankings:
    return StoredRankings.of(store, artifact).whole()[1]


def require_equal(found: Rankings, expected: Naive) -> None:
    assert sorted(found.query_ids) == sorted(expected)
    for query, ids, scores in found:
        assert ids == [id for id, _ in expected[query]]
        assert np.abs(scores - [score for _, score in expected[query]]).max() <= 1.5e-6  # both rounded to 6 decimals


@pytest.mark.parametrize("metric", ["cosine", "l2"])
class TestAgainstAPlainLoop:
    def test_queries_of_the_same_manifest(
        self, shared: LocalStore, whole: Side, by_hand_in: Callable[..., Any], metric: str
    ) -> None:
        index = by_hand_in(shared).index(whole.artifact, metric=metric)
        made = rank(RankSpec(str(index), (str(whole.artifact),), k=7), shared, HERE)
        asked = [f"q/{n:02}.png" for n in range(9) if n != 4]
        expected = naive(whole, whole, 7, metric, query_ids=asked, gallery_ids="gd")
        require_equal(read(shared, made), expected)
        first = dict(expected["q/01.png"][:1])
        assert "g/05.png" in first  # a copy of its bytes is a hit like any other
        counts = made.card.counts
        assert (counts.n_in, counts.n_ok, counts.rejected) == (9, 8, {"not_finite": 1})
        assert [reject.id for reject in read_rejects(shared, made)] == ["q/04.png"]

    def test_all_against_all_leaves_each_itself_out(
        self, shared: LocalStore, gallery_alone: Side, by_hand_in: Callable[..., Any], metric: str
    ) -> None:
        side, index = gallery_alone, by_hand_in(shared).index(gallery_alone.artifact, metric=metric)
        made = rank(RankSpec(str(index), (str(side.artifact),), k=5), shared, HERE)
        found = read(shared, made)
        require_equal(found, naive(side, side, 5, metric, query_ids=list(side.vectors), gallery_ids="0123456789"))
        tops = {query: ids[0] for query, ids, _ in found}
        assert (tops["04.png"], tops["20.png"]) == ("20.png", "04.png")


class TestLists:
    def test_queries_of_another_manifest_more_than_the_gallery_has(
        self, shared: LocalStore, whole: Side, gallery_alone: Side, by_hand_in: Callable[..., Any]
    ) -> None:
        """All of the gallery is ranked, none is left out though ids may be equal."""
        index = by_hand_in(shared).index(gallery_alone.artifact)
        made = rank(RankSpec(str(index), (str(whole.artifact),), k=100), shared, HERE)
        asked = [f"q/{n:02}.png" for n in range(9) if n != 4]
        found = read(shared, made)
        require_equal(found, naive(whole, gallery_alone, 100, "cosine", query_ids=asked, gallery_ids="0123456789"))
        assert found.k == 30  # places that nothing can fill are not there
        verify(shared, made)

    def test_lists_by_base_name(self, shared: LocalStore, gallery_alone: Side, by_hand_in: Callable[..., Any]) -> None:
        index = by_hand_in(shared).index(gallery_alone.artifact)
        made = rank(RankSpec(str(index), (str(gallery_alone.artifact),), k=3), shared, HERE)
        lists = json.loads(shared.read(f"{made}/{made.part('lists').name}"))
        assert lists == {query: ids for query, ids, _ in read(shared, made)}

    def test_no_lists_where_base_names_are_not_unique(
        self, shared: LocalStore, whole: Side, by_hand_in: Callable[..., Any]
    ) -> None:
        index = by_hand_in(shared).index(whole.artifact)
        made = rank(RankSpec(str(index), (str(whole.artifact),), k=60), shared, HERE)
        assert made.parts("lists") == []
        assert made.card.counts.n_ok == 8

    def test_a_sample_is_seeded(self, shared: LocalStore, gallery_alone: Side, by_hand_in: Callable[..., Any]) -> None:
        index, queries = str(by_hand_in(shared).index(gallery_alone.artifact)), (str(gallery_alone.artifact),)
        whole = {query: ids for query, ids, _ in read(shared, rank(RankSpec(index, queries, k=5), shared, HERE))}
        made = rank(RankSpec(index, queries, k=5, sample=6, seed=3), shared, HERE)
        some = read(shared, made)
        assert len(some) == made.card.counts.n_in == 6
        assert {query: ids for query, ids, _ in some}.items() <= whole.items()

    def test_equal_scores_are_by_id_at_the_cut_too(self, store: LocalStore, by_hand: Any) -> None:
        """Other bytes, the same vector: whatever order the manifest has them in."""
        vectors = np.ones((6, 2), np.float32)
        vectors[5] = (1, 2)
        manifest = by_hand.manifest(
            ["z", "c", "a", "y", "b", "q"], roles=["gallery"] * 5 + ["query"], contents="zcaybq"
        )
        embedded = by_hand.embeddings(manifest, vectors)
        made = rank(RankSpec(str(by_hand.index(embedded)), (str(embedded),), k=3), store, HERE)
        assert read(store, made).gallery_ids.tolist() == [["a", "b", "c"]]

    def test_a_gallery_of_one_has_nothing_to_show_it(self, store: LocalStore, by_hand: Any) -> None:
        embedded = by_hand.embeddings(by_hand.manifest(["only"]), draw(0, 1))
        made = rank(RankSpec(str(by_hand.index(embedded)), (str(embedded),)), store, HERE)
        assert made.card.counts.n_ok == 1
        assert [(query, ids) for query, ids, _ in read(store, made)] == [("only", [])]


class TestGraphs:
    def test_they_reach_their_target_and_say_how(self, shared: LocalStore, large: tuple[Artifact, Artifact]) -> None:
        embedded, index = large
        found = rank(RankSpec(str(index), (str(embedded),), target_ann_recall=0.98), shared, HERE)
        exact = rank(RankSpec(str(index), (str(embedded),), exact=True), shared, HERE)
        served, truth = ({query: set(ids) for query, ids, _ in read(shared, artifact)} for artifact in (found, exact))
        overlap = np.mean([len(served[query] & truth[query]) / 10 for query in truth])
        facts = found.card.facts
        assert (facts["kind"], facts["n_tuning_queries"], len(facts["ef"])) == ("hnsw", 150, 1)
        assert overlap == pytest.approx(facts["ann_recall_at_k"], abs=0.01)  # that is of k + 1: self may be among them
        assert min(overlap, facts["ann_recall_at_k"]) >= 0.98
        facts = exact.card.facts
        assert (facts["kind"], facts["ef"], facts["ann_recall_at_k"]) == ("exact", [], 1.0)
        assert found.id != exact.id

    def test_what_a_killed_driver_left_is_not_ranked_again(
        self, shared: LocalStore, large: tuple[Artifact, Artifact]
    ) -> None:
        embedded, index = large
        spec = RankSpec(str(index), (str(embedded),), target_ann_recall=0.98)
        before = rank(spec, shared, HERE)
        (shared.root / str(before) / "card.json").unlink()
        after = rank(spec, shared, HERE)
        assert (after.id, after.card.parts, after.card.counts) == (before.id, before.card.parts, before.card.counts)
        timelines = {"timeline": after.card.facts["timeline"]}
        assert after.card.facts == {**before.card.facts, **timelines}


class TestRefusing:
    def test_queries_of_another_space(
        self, shared: LocalStore, whole: Side, by_hand_in: Callable[..., Any], no_ray: None
    ) -> None:
        hand = by_hand_in(shared)
        other = hand.embeddings(hand.manifest(["other"]), draw(0, 1), encoder="another")
        index = hand.index(whole.artifact)
        for run in (rank, plan_rank):
            with pytest.raises(SpaceMismatch, match=r"encoder: by-hand \| another"):
                run(RankSpec(str(index), (str(other),)), shared, HERE)

    def test_a_damaged_index(self, store: LocalStore, by_hand: Any) -> None:
        """Of all its files one; the others are damaged in `test_gallery`."""
        embedded = by_hand.embeddings(by_hand.manifest([f"{n}" for n in range(50)]), draw(0, 50))
        index = by_hand.index(embedded, kind="hnsw")
        path = store.root / str(index) / index.part("graph-0").name
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(CorruptArtifact, match="checksum of graph-0") as caught:
            rank(RankSpec(str(index), (str(embedded),)), store, HERE)
        assert (type(caught.value), caught.value.reason) == (CorruptArtifact, "checksum")

    @pytest.mark.parametrize(
        ("queries", "options", "error", "match"),
        [
            (("embeddings/0123456789ab",), {}, MissingArtifact, "no embeddings/0123456789ab"),
            (("one", "two"), {}, InvalidSpec, "expected one embeddings id"),
            (("x",), {"k": 0}, InvalidSpec, "--k: expected at least 1"),
            (("x",), {"target_ann_recall": 1.1}, InvalidSpec, "--target-ann-recall: expected at most 1"),
        ],
    )
    def test_before_any_work(
        self,
        shared: LocalStore,
        whole: Side,
        by_hand_in: Callable[..., Any],
        no_ray: None,
        queries: tuple[str, ...],
        options: dict[str, Any],
        error: type[Exception],
        match: str,
    ) -> None:
        index = by_hand_in(shared).index(whole.artifact)
        for run in (rank, plan_rank):
            with pytest.raises(error, match=match):
                run(RankSpec(str(index), queries, **options), shared, HERE)

    def test_rows_of_no_use(self, store: LocalStore, by_hand: Any, no_ray: None) -> None:
        index = by_hand.index(by_hand.embeddings(by_hand.manifest(["a", "b"]), draw(0, 2)))
        train = by_hand.embeddings(by_hand.manifest(["t"], roles="train"), draw(1, 1))
        with pytest.raises(InvalidSpec, match="expected rows of role query or gallery, found neither"):
            rank(RankSpec(str(index), (str(train),)), store, HERE)
        rejected = by_hand.embeddings(by_hand.manifest(["q"], roles="query"), np.full((1, DIM), np.nan, np.float32))
        with pytest.raises(InvalidSpec, match="expected rows to rank, found none embedded"):
            rank(RankSpec(str(index), (str(rejected),)), store, HERE)


def test_a_plan_writes_nothing(store: LocalStore, by_hand: Any, no_ray: None) -> None:
    embedded = by_hand.embeddings(by_hand.manifest([f"{n}" for n in range(9)]), draw(0, 9))
    index = by_hand.index(embedded)
    before = [info.key for info in store.list("")]
    plan = plan_rank(RankSpec(str(index), (str(embedded),), k=3), store, HERE)
    assert (plan.rows, plan.parts, plan.note) == (9, 1, "top 3 of 9 vectors")
    assert [info.key for info in store.list("")] == before
