"""Several nodes: what all of them must reach, a head without CPUs, nodes that are killed or join."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from revsearch.errors import InvalidSpec, StoreUnavailable
from revsearch.specs import Resources
from revsearch.stages import cluster
from revsearch.stages.nodes import settle, working_nodes
from revsearch.stages.train_board import Board
from revsearch.stages.train_pool import TrainPool
from revsearch.stages.train_runs import TrainRuns
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.roots import Place
from tests.stages.clusters import Nodes, cluster_of, node_that_does_not_see

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head without CPUs and a node."""
    with cluster_of(1) as nodes:
        cluster.connect(Resources(address=nodes.address))
        yield nodes
        ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pictures."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    return tmp_path / "pictures"


def places(*folders: Path) -> list[Place]:
    return [Place(Folder(folder), "") for folder in folders]


def test_a_head_without_cpus_is_no_node_to_work_on(nodes: Nodes) -> None:
    assert {node.id for node in working_nodes()} == nodes.ids
    assert cluster.n_cpus() == 1


def test_what_all_nodes_share_is_seen_once_and_leaves_nothing(nodes: Nodes, store: LocalStore, folder: Path) -> None:
    cluster.connect(Resources(), store, places(folder, folder / "none"))
    assert [*store.list("")] == []
    began = time.monotonic()
    cluster.connect(Resources(), store, places(folder))
    assert time.monotonic() - began < 0.1


class Lying(LocalStore):
    """A store that only the driver can read."""

    def read(self, key: str) -> bytes:
        raise self.error  # set on the copies that nodes get

    error: Exception = StoreUnavailable("no answer")


class Forbidden(Lying):
    error = InvalidSpec("no credentials for s3://bucket")


@pytest.mark.parametrize(("kind", "raised"), [(Lying, StoreUnavailable), (Forbidden, InvalidSpec)])
def test_what_a_node_meets_at_the_store_is_told_with_its_name(
    nodes: Nodes, tmp_path: Path, kind: type[LocalStore], raised: type[Exception]
) -> None:
    with pytest.raises(raised, match=r"^node .* \(\w{12}\): no ") as caught:
        cluster.connect(Resources(), kind(tmp_path / kind.__name__))
    assert type(caught.value) is raised


class TestANodeThatSeesLess:
    def test_of_the_store(self, nodes: Nodes, store: LocalStore) -> None:
        store.root.mkdir()
        with node_that_does_not_see(store.root, nodes.address):
            (other,) = [node for node in working_nodes() if node.id not in nodes.ids]
            with pytest.raises(InvalidSpec) as caught:
                cluster.connect(Resources(), store)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{other}: the store {store.root} is another folder there")
        assert "s3://" in problem
        assert [*store.list("")] == []

    def test_of_the_pictures(self, nodes: Nodes, store: LocalStore, folder: Path) -> None:
        with (
            node_that_does_not_see(folder, nodes.address),
            pytest.raises(InvalidSpec, match=rf"the pictures of {folder} are not there: use s3://"),
        ):
            cluster.connect(Resources(), store, places(folder))

    def test_of_the_drivers_own_folder_trains_all_the_same(
        self, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ray Train puts a mark into its storage path, which workers look for where they store checkpoints."""
        own = tmp_path / "tmp"
        own.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(own))
        with node_that_does_not_see(own, nodes.address):
            board = Board()
            monkeypatch.setattr("revsearch.stages.train_runs.work_in_worker", report)
            runs = TrainRuns("run", board, lambda pool: None, lambda pool: pool, lambda: 0)
            runs.to_the_end(TrainPool(2, 1, 0, 0, 1))
            assert len(set(board.outcome())) == 2, "both nodes train"


def report(config: dict[str, Any]) -> None:
    import ray.train

    context = ray.train.get_context()
    ray.train.report({"epoch": 1})
    here = ray.get_runtime_context().get_node_id()
    import torch

    gathered: list[Any] = [None] * context.get_world_size()
    torch.distributed.all_gather_object(gathered, here)
    if context.get_world_rank() == 0:
        config["board"].finish(gathered)


def test_the_cluster_settles_after_a_death(nodes: Nodes) -> None:
    nodes.fill(2)
    (lost,) = list(nodes.ids - {working_nodes()[0].id})
    nodes.kill(lost)
    settle()
    assert lost not in {node.id for node in working_nodes()}
