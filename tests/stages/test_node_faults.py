"""Nodes that are lost while a stage works: it ends with the same artifact. Two nodes of one CPU; the head has none."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import safetensors.numpy
from numpy.typing import NDArray

from revsearch.specs import EmbedSpec, IndexSpec, ManifestSpec, RankSpec, Resources
from revsearch.stages import cluster, embed, manifest, rank
from revsearch.stages.build_index import build_index
from revsearch.stages.train import train
from revsearch.storage.artifact import Artifact, fetch, verify
from revsearch.storage.local import LocalStore
from revsearch.storage.rank_lists import StoredRankings
from revsearch.train_specs import ClassifierSpec
from revsearch.training import History
from tests.stages.clusters import Nodes, cluster_of, watched
from tests.stages.processes import Collection, drawn, require_same_account

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="seeing what other processes do needs Linux"),
]

SAME = 1e-5
ALIKE = 1e-3  # two workers and one: sums in another order, over some epochs
TRAINING: dict[str, Any] = {
    **{"image_size": 64, "width": 8, "batch_size": 16, "lr": 1e-3, "patience": 0},
    **{"epochs": 5, "steps_per_epoch": 8, "rare": "skip"},
}


@pytest.fixture(scope="module")
def connected() -> Iterator[Nodes]:
    """This process is the driver; its own node, the head, has no CPUs."""
    with cluster_of(2) as nodes:
        cluster.connect(Resources(address=nodes.address))
        yield nodes
        ray.shutdown()


@pytest.fixture
def nodes(connected: Nodes) -> Nodes:
    connected.fill(2)
    return connected


@pytest.fixture(scope="module")
def collection(module_path: Path, by_hand_in: Callable[[LocalStore], Any]) -> Collection:
    """Broken pictures among them."""
    return drawn(module_path / "in", by_hand_in)


def at_once() -> bool:
    return True


def require_same(ours: tuple[LocalStore, Artifact], theirs: tuple[LocalStore, Artifact]) -> None:
    require_same_account(ours, theirs)
    verify(*ours)


class TestManifest:
    def test_a_lost_node(
        self, nodes: Nodes, collection: Collection, module_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(manifest, "_SHARD_ROWS", 3)
        spec, made = ManifestSpec((str(collection.folder),)), []
        for name in ("undisturbed", "disturbed"):
            store = LocalStore(tmp_path / name)
            with watched(nodes, "ray::_scan_shard", at_once if name == "disturbed" else None) as watch:
                made.append((store, manifest.make_manifest(spec, store, Resources())))
            if name == "undisturbed":
                assert watch.seen == nodes.ids
        assert watch.killed
        require_same(made[1], made[0])


class TestEmbed:
    def test_a_lost_node(
        self,
        nodes: Nodes,
        collection: Collection,
        read_vectors: Callable[..., dict[str, NDArray[np.float32]]],
        tmp_path: Path,
    ) -> None:
        made = []
        for name in ("undisturbed", "disturbed"):
            store = LocalStore(tmp_path / name)
            spec = EmbedSpec(collection.manifest_in(store), encoder="resnet18:random-0", image_size=64)

            def begun(store: LocalStore = store) -> bool:
                return bool(list(store.root.glob("embeddings/*/part-*")))

            with watched(
                nodes, "ray::MapWorker(MapBatches(EmbedUnit))", begun if name == "disturbed" else None
            ) as watch:
                made.append((store, embed.embed(spec, store, Resources())))
            if name == "undisturbed":
                assert watch.seen == nodes.ids
        assert watch.killed
        require_same(made[1], made[0])
        left, right = (read_vectors(*side) for side in made)
        assert list(left) == list(right)
        assert np.abs(np.array([*left.values()]) - np.array([*right.values()])).max() < SAME


class TestIndexAndRank:
    @pytest.fixture
    def embedded(self, module_path: Path, by_hand_in: Callable[..., Any]) -> Callable[[str], tuple[LocalStore, Any]]:
        vectors = np.random.default_rng(0).normal(size=(6_000, 32)).astype(np.float32)

        def embedded(name: str) -> tuple[LocalStore, Any]:
            store = LocalStore(module_path / name)
            hand = by_hand_in(store)
            ids = [f"{n:05}" for n in range(len(vectors))]
            return store, hand.embeddings(hand.manifest(ids, block_rows=len(ids)), vectors, part_rows=len(ids))

        return embedded

    def test_lost_nodes(
        self,
        nodes: Nodes,
        embedded: Callable[[str], tuple[LocalStore, Any]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(rank, "_BATCH_ROWS", 100)
        made = []
        for name in ("undisturbed", "disturbed"):
            store, vectors = embedded(name)
            disturb = name == "disturbed"
            with watched(nodes, "ray::_Builder.build", at_once if disturb else None) as watch:
                index = build_index(IndexSpec((str(vectors),), kind="hnsw"), store, Resources())
            assert bool(watch.killed) == disturb
            nodes.fill(2)

            def begun(store: LocalStore = store) -> bool:
                return len(list(store.root.glob("rankings/*/part-*"))) > 2

            with watched(nodes, "ray::_Ranker.rank", begun if disturb else None) as watch:
                made.append((store, rank.rank(RankSpec(str(index), (str(vectors),)), store, Resources())))
            if not disturb:
                assert watch.seen == nodes.ids
        assert watch.killed
        require_same(made[1], made[0])
        (ids, left), (others, right) = (StoredRankings.of(*side).whole() for side in made)
        np.testing.assert_array_equal(ids, others)
        np.testing.assert_array_equal(left.query_ids, right.query_ids)
        np.testing.assert_array_equal(left.gallery_ids, right.gallery_ids)
        np.testing.assert_allclose(left.scores, right.scores, atol=SAME)


class TestTrain:
    def test_a_lost_node(self, nodes: Nodes, module_path: Path, by_hand_in: Callable[..., Any], tmp_path: Path) -> None:
        collection, made = drawn(module_path / "labelled", by_hand_in, "*/*/*.*"), []
        for name in ("undisturbed", "disturbed"):
            store = LocalStore(tmp_path / name)
            spec = ClassifierSpec(collection.manifest_in(store, labelled=True), **TRAINING)

            def begun(store: LocalStore = store) -> bool:
                return bool(list(store.root.glob("encoder/*/checkpoint-000002-*")))

            with watched(nodes, "ray::RayTrainWorker", begun if name == "disturbed" else None) as watch:
                made.append((store, train(spec, store, Resources(workers=2))))
            if name == "undisturbed":
                assert watch.seen == nodes.ids
        assert watch.killed
        require_same(made[1], made[0])
        left, right = (History.from_dict(json.loads(read(side, "history", tmp_path))) for side in made)
        assert [record.epoch for record in right.epochs] == list(range(1, spec.epochs + 1))
        np.testing.assert_allclose(right.losses, left.losses, rtol=ALIKE, atol=ALIKE)
        weights = [safetensors.numpy.load(read(side, "weights", tmp_path)) for side in made]
        for tensor, value in weights[0].items():
            np.testing.assert_allclose(weights[1][tensor], value, atol=ALIKE, err_msg=tensor)


def read(made: tuple[LocalStore, Artifact], part: str, folder: Path) -> bytes:
    store, artifact = made
    return fetch(store, str(artifact), artifact.part(part), folder).read_bytes()
