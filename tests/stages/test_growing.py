"""A cluster of a head alone, whose autoscaler starts nodes for work that waits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from revsearch.specs import EmbedSpec, IndexSpec, RankSpec, Resources
from revsearch.stages import cluster
from revsearch.stages.build_index import build_index
from revsearch.stages.embed import embed
from revsearch.stages.growth import may_grow
from revsearch.stages.nodes import working_nodes
from revsearch.stages.rank import rank
from revsearch.stages.resources import plan_pool
from revsearch.storage.folder import Folder
from revsearch.storage.local import LocalStore
from revsearch.storage.roots import Place
from tests.stages.clusters import growing_cluster
from tests.stages.processes import drawn

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with growing_cluster(2) as address:
        yield address
        ray.shutdown()


def test_nodes_come_as_work_waits_for_them(
    address: str, module_path: Path, by_hand_in: Callable[[LocalStore], Any]
) -> None:
    collection, store = drawn(module_path / "in", by_hand_in), LocalStore(module_path / "store")
    cluster.connect(
        Resources(address=address), store, [Place(Folder(collection.folder), "")]
    )  # which waits for the first
    assert may_grow()
    assert len(working_nodes()) == 1
    assert plan_pool(Resources(workers=4, gpus_per_worker=1)).n_actors == 4

    vectors = embed(EmbedSpec(collection.manifest_in(store), encoder="color-histogram"), store, Resources(workers=2))
    assert vectors.card.counts.n_ok > 0
    index = build_index(IndexSpec((str(vectors),)), store, Resources())
    assert rank(RankSpec(str(index), (str(vectors),)), store, Resources()).card.counts.n_ok > 0
    assert len(working_nodes()) == 2
