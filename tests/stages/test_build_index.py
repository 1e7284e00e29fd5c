from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact, SpaceMismatch
from revsearch.specs import IndexSpec, Resources
from revsearch.stages import build_index as stage
from revsearch.stages.build_index import build_index, plan_build_index
from revsearch.stages.gallery import Gallery, IndexFacts
from revsearch.storage.artifact import Artifact, verify
from revsearch.storage.local import LocalStore

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

HERE = Resources()
DIM = 6

# Ids, bytes and roles of one manifest: twins of each other are b and d; e and the query a query's own copy.
IDS = ("z", "b", "c", "d", "e", "q", "x", "f")
CONTENTS = ("z", "twin", "c", "twin", "e", "e", "x", "f")
ROLES = ("gallery", "gallery", "distractor", "distractor", "gallery", "query", "train", "gallery")
REJECTED = 2  # row of c


def vectors(seed: int = 0, n: int = len(IDS), dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@pytest.fixture
def given() -> NDArray[np.float32]:
    """Vectors of the manifest above: equal bytes, equal vectors; one rejected."""
    made = vectors()
    made[3], made[5], made[REJECTED] = made[1], made[4], np.nan
    return made


@pytest.fixture
def embedded(by_hand: Any, given: NDArray[np.float32]) -> Artifact:
    made: Artifact = by_hand.embeddings(by_hand.manifest(IDS, contents=CONTENTS, roles=ROLES), given)
    return made


def members(gallery: Gallery) -> list[list[str]]:
    return [gallery.members.of(vector) for vector in range(len(gallery.members))]


def unit(found: NDArray[np.float32]) -> NDArray[np.float32]:
    return found / np.linalg.norm(found, axis=1, keepdims=True)


class TestOneManifest:
    @pytest.mark.parametrize("kind", ["exact", "hnsw"])
    @pytest.mark.parametrize("metric", ["cosine", "l2"])
    def test_one_vector_a_content_in_the_order_of_ids(
        self, store: LocalStore, embedded: Artifact, given: NDArray[np.float32], kind: Any, metric: Any
    ) -> None:
        made = build_index(IndexSpec((str(embedded),), kind=kind, metric=metric), store, HERE)
        gallery = Gallery(store, made, threads=1)
        assert members(gallery) == [["b", "d"], ["e"], ["f"], ["z"]]
        expected = given[[1, 4, 7, 0]]
        assert np.allclose(gallery.vectors, unit(expected) if metric == "cosine" else expected, atol=1e-6)
        assert len(made.parts("graph")) == (1 if kind == "hnsw" else 0)
        verify(store, made)

    def test_rows_of_other_roles_are_no_part_of_it(self, store: LocalStore, embedded: Artifact) -> None:
        counts = build_index(IndexSpec((str(embedded),)), store, HERE).card.counts
        assert (counts.n_in, counts.n_ok, counts.rejected) == (6, 5, {"not_finite": 1})

    def test_the_card_says_what_it_is(self, store: LocalStore, embedded: Artifact) -> None:
        made = build_index(IndexSpec((str(embedded),), metric="l2"), store, HERE)
        facts = IndexFacts.of(made)
        assert (facts.kind, facts.metric, facts.n_vectors, facts.bounds, facts.graphs) == ("exact", "l2", 4, [0, 4], [])
        assert facts.sources == {embedded.card.inputs["manifest"]: str(embedded)}
        assert facts.space.to_dict() == embedded.card.facts["space"] | {
            "preprocess": facts.space.to_dict()["preprocess"]
        }
        assert {"merge", "build", "write"} <= set(made.card.seconds)

    def test_asked_again_it_is_found_without_ray(
        self, store: LocalStore, embedded: Artifact, request: pytest.FixtureRequest
    ) -> None:
        made = build_index(IndexSpec((str(embedded),)), store, HERE)
        request.getfixturevalue("no_ray")
        assert build_index(IndexSpec((str(embedded),)), store, HERE).card == made.card

    @pytest.mark.parametrize("shards", [2, 3, 9])
    def test_shards_cut_the_vectors_evenly(self, store: LocalStore, embedded: Artifact, shards: int) -> None:
        made = build_index(IndexSpec((str(embedded),), kind="hnsw", shards=shards), store, HERE)
        facts, n = IndexFacts.of(made), min(shards, 4)
        assert (facts.bounds[0], facts.bounds[-1], len(facts.bounds)) == (0, 4, n + 1)
        assert len(facts.graphs) == len(made.parts("graph")) == n
        assert all(size in (1, 2) for size in np.diff(facts.bounds))


class TestIdentity:
    def test_auto_is_resolved_before_the_name_is_made(
        self, store: LocalStore, embedded: Artifact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        auto, exact, hnsw = (
            build_index(IndexSpec((str(embedded),), kind=kind), store, HERE).id for kind in ("auto", "exact", "hnsw")
        )
        assert auto == exact != hnsw
        asked: list[tuple[int, int]] = []

        def choose(n: int, dim: int) -> str:
            asked.append((n, dim))
            return "hnsw"

        monkeypatch.setattr(stage, "choose_kind", choose)
        assert build_index(IndexSpec((str(embedded),)), store, HERE).id == hnsw
        assert asked == [(6, DIM)]

    def test_what_a_graph_is_built_with_does_not_name_an_exact_index(
        self, store: LocalStore, embedded: Artifact
    ) -> None:
        specs = [
            IndexSpec((str(embedded),), kind=kind, M=M)  # type: ignore[arg-type]  # a kind
            for kind in ("exact", "hnsw")
            for M in (8, 16)
        ]
        ids = [build_index(spec, store, HERE).id for spec in specs]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3

    def test_one_thread_or_many_build_the_same_graph(self, by_hand_in: Any, tmp_path: Path) -> None:
        parts = []
        for threads in (1, 2):
            store = LocalStore(tmp_path / f"store-{threads}")
            hand = by_hand_in(store)
            ids = [f"{n:03}" for n in range(300)]
            made = hand.embeddings(hand.manifest(ids, block_rows=300), vectors(n=300), part_rows=300)
            index = build_index(IndexSpec((str(made),), kind="hnsw"), store, Resources(threads=threads))
            parts.append(index.card.parts)
        assert parts[0] == parts[1]


class TestSeveralManifests:
    def test_their_rows_are_mixed_and_twins_meet(self, store: LocalStore, by_hand: Any) -> None:
        one, two = vectors(1, 3), vectors(2, 2)
        two[1] = one[1]
        first = by_hand.embeddings(by_hand.manifest(["g", "a", "h"], contents=["g", "same", "h"]), one)
        second = by_hand.embeddings(by_hand.manifest(["m", "b"], contents=["m", "same"]), two)
        made = build_index(IndexSpec((str(first), str(second)), metric="l2"), store, HERE)
        gallery = Gallery(store, made, threads=1)
        assert members(gallery) == [["a", "b"], ["g"], ["h"], ["m"]]
        assert np.array_equal(gallery.vectors, [one[1], one[0], one[2], two[0]])
        assert set(IndexFacts.of(made).sources.values()) == {str(first), str(second)}

    def test_two_spaces(self, store: LocalStore, by_hand: Any, no_ray: None) -> None:
        one = by_hand.embeddings(by_hand.manifest(["a"]), vectors(n=1), encoder="one")
        two = by_hand.embeddings(by_hand.manifest(["b"]), vectors(n=1), encoder="two")
        for run in (build_index, plan_build_index):
            with pytest.raises(SpaceMismatch, match=r"encoder: one \| two") as caught:
                run(IndexSpec((str(one), str(two))), store, HERE)
            assert str(one) in str(caught.value)
            assert str(two) in str(caught.value)

    def test_one_id_in_two_manifests(self, store: LocalStore, by_hand: Any) -> None:
        one = by_hand.embeddings(by_hand.manifest(["a", "b"]), vectors(1, 2))
        two = by_hand.embeddings(by_hand.manifest(["c", "b"]), vectors(2, 2))
        with pytest.raises(InvalidSpec, match=r"one id in two .*\['b'\]") as caught:
            build_index(IndexSpec((str(one), str(two))), store, HERE)
        assert type(caught.value) is InvalidSpec


class TestRefusing:
    def test_nothing_to_index(self, store: LocalStore, by_hand: Any) -> None:
        queries = by_hand.embeddings(by_hand.manifest(["a", "b"], roles="query"), vectors(n=2))
        with pytest.raises(InvalidSpec, match="expected gallery or distractor rows to index, found none"):
            build_index(IndexSpec((str(queries),)), store, HERE)

    def test_a_damaged_part(self, store: LocalStore, embedded: Artifact) -> None:
        path = store.root / str(embedded) / embedded.parts("part")[0].name
        data = bytearray(path.read_bytes())
        data[9] ^= 4
        path.write_bytes(bytes(data))
        with pytest.raises(CorruptArtifact, match="checksum") as caught:
            build_index(IndexSpec((str(embedded),)), store, HERE)
        assert caught.value.reason == "checksum"

    @pytest.mark.parametrize(
        ("spec", "error", "match"),
        [
            ({"embeddings": ()}, InvalidSpec, "--embeddings: expected at least one"),
            ({"embeddings": ("embeddings/0123456789ab",)}, MissingArtifact, "no embeddings/0123456789ab"),
            ({"embeddings": ("x",), "M": 1}, InvalidSpec, "--M: expected at least 2"),
            ({"embeddings": ("x",), "ef_construction": 5}, InvalidSpec, "--ef-construction: expected at least M = 16"),
        ],
    )
    def test_before_any_work(
        self, store: LocalStore, no_ray: None, spec: dict[str, Any], error: type[Exception], match: str
    ) -> None:
        for run in (build_index, plan_build_index):
            with pytest.raises(error, match=match):
                run(IndexSpec(**spec), store, HERE)

    def test_what_is_no_embeddings(self, store: LocalStore, by_hand: Any, no_ray: None) -> None:
        with pytest.raises(InvalidSpec, match="expected an artifact of kind embeddings, found manifest"):
            build_index(IndexSpec((str(by_hand.manifest(["a"])),)), store, HERE)


def test_a_plan_writes_nothing(store: LocalStore, embedded: Artifact, no_ray: None) -> None:
    before = [info.key for info in store.list("")]
    plan = plan_build_index(IndexSpec((str(embedded),), kind="hnsw", shards=2), store, HERE)
    assert (plan.rows, plan.parts, plan.bytes, plan.note) == (6, 4, 4 * 6 * DIM, "hnsw")
    assert plan_build_index(IndexSpec((str(embedded),)), store, HERE).note == "exact"
    assert [info.key for info in store.list("")] == before
