"""Every stage on images and a store in a bucket, as in a folder: Ray, radosgw, and a proxy that counts and hangs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import InvalidSpec
from revsearch.specs import EmbedSpec, EvaluateSpec, IndexSpec, ManifestSpec, RankSpec, Resources
from revsearch.stages.build_index import build_index
from revsearch.stages.embed import embed
from revsearch.stages.evaluate import evaluate
from revsearch.stages.listing import list_sources
from revsearch.stages.manifest import make_manifest
from revsearch.stages.rank import rank
from revsearch.stages.search import search
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.opening import open_store
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store
from tests.servers.faulty import Fault, Proxy, faulty, none, share
from tests.servers.server import Server

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HERE = Resources()


@pytest.fixture(scope="module")
def proxy(radosgw: Server) -> Iterator[Proxy]:
    """radosgw behind a proxy, and this process configured for it before Ray starts: workers take over its keys."""
    with faulty(radosgw) as proxy, pytest.MonkeyPatch.context() as patch:
        for name, value in proxy.server.environment.items():
            patch.setenv(name, value)
        yield proxy


@pytest.fixture(autouse=True)
def honest(proxy: Proxy, local_ray: None) -> Iterator[None]:
    """Ray behind the proxy, which answers as it should unless a test plans otherwise."""
    proxy.reset(none)
    yield
    proxy.reset(none)


@pytest.fixture(scope="module")
def files(make_picture: Callable[..., bytes]) -> dict[str, bytes]:
    """Classes of similar pictures, hostile names, twins, and what is no picture."""
    names = [f"{label}/{n}.png" for label in ("ape", "bee", "cat") for n in range(12)]
    files = {name: make_picture(number // 3, (40 + number, 32)) for number, name in enumerate(names)}
    files |= {"bee/é %FF+.png": make_picture(99), "cat/twin.png": files["ape/0.png"]}
    return files | {"ape/broken.jpg": b"<html>", "ape/empty.png": b"", "notes.txt": b"x", ".hidden/a.png": b"x"}


@dataclass(frozen=True)
class Chain:
    """The same files in two places, each with a store beside it."""

    source: str
    store: Store


@pytest.fixture(scope="module")
def here(module_path: Path, files: dict[str, bytes], write_files: Callable[..., Path]) -> Chain:
    return Chain(str(write_files(module_path / "in", files)), LocalStore(module_path / "store"))


@pytest.fixture(scope="module")
def there(proxy: Proxy, files: dict[str, bytes]) -> Chain:
    bucket = proxy.upstream.make_bucket()
    return Chain(proxy.upstream.fill(f"{bucket}/in", files), open_store(f"{bucket}/store"))


def ranked(chain: Chain) -> tuple[list[Artifact], Any]:
    """Everything from files to figures."""
    store = chain.store
    manifest = make_manifest(ManifestSpec((chain.source,)), store, HERE)
    embeddings = embed(EmbedSpec(str(manifest), encoder="color-histogram"), store, HERE)
    index = build_index(IndexSpec((str(embeddings),)), store, HERE)
    rankings = rank(RankSpec(str(index), (str(embeddings),), k=5), store, HERE)
    evaluation = evaluate(EvaluateSpec(str(rankings)), store, HERE)
    made = [manifest, embeddings, index, rankings, evaluation]
    return made, evaluation.card.facts["metrics"]


def test_a_bucket_gives_the_rankings_and_figures_of_the_folder(here: Chain, there: Chain, proxy: Proxy) -> None:
    in_folder, figures = ranked(here)
    in_bucket, others = ranked(there)
    assert [str(artifact) for artifact in in_bucket] == [str(artifact) for artifact in in_folder]
    assert others == figures
    assert [artifact.card.counts for artifact in in_bucket] == [artifact.card.counts for artifact in in_folder]
    assert StoredManifest(there.store, in_bucket[0]).roots == {"": there.source}
    uris = {reject.id: reject.uri for reject in read_rejects(there.store, in_bucket[0])}
    assert uris == {name: f"{there.source}/{name}" for name in ("ape/broken.jpg", "ape/empty.png")}
    found = search(f"{there.source}/bee", index=str(in_bucket[2]), store=there.store.uri, k=1)
    assert [f"{there.source}/{ids[0]}" for _, ids, _ in found][:2] == found.query_ids.tolist()[:2]


def test_an_unchanged_prefix_costs_a_listing(there: Chain, proxy: Proxy, store: LocalStore) -> None:
    spec = ManifestSpec((there.source,))
    n_listed = len(list_sources(spec).rows)
    proxy.reset(none)
    made = make_manifest(spec, store, HERE)
    assert proxy.counts["GetObject"] == n_listed
    proxy.reset(none)
    assert make_manifest(spec, store, HERE).id == made.id
    assert set(proxy.counts) == {"ListObjectsV2"}
    assert proxy.counts["ListObjectsV2"] <= 2


def test_objects_that_hang_are_rejected_and_no_worker_dies(there: Chain, proxy: Proxy, store: LocalStore) -> None:
    patient, hasty = HERE, Resources(image_timeout_s=10)
    manifest = make_manifest(ManifestSpec((there.source,)), store, patient)
    hanging = {"in/ape/3.png", "in/bee/7.png"}
    proxy.reset(lambda asked: Fault.HANGING if asked.key in hanging else None)
    embeddings = embed(EmbedSpec(str(manifest), encoder="color-histogram"), store, hasty)
    assert embeddings.card.counts.rejected == {"timeout": 2}
    rejects = read_rejects(store, embeddings)
    assert {(f"in/{reject.id}", reject.attempt) for reject in rejects} == {(key, 2) for key in hanging}


def test_a_server_that_fails_often_changes_nothing(
    there: Chain, here: Chain, proxy: Proxy, store: LocalStore, read_vectors: Callable[..., dict[str, Any]]
) -> None:
    proxy.reset(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.CUT, Fault.LOST))
    manifest = make_manifest(ManifestSpec((there.source,)), store, HERE)
    embeddings = embed(EmbedSpec(str(manifest), encoder="color-histogram"), store, HERE)
    assert sum(proxy.faults.values()) > 10
    calm = make_manifest(ManifestSpec((here.source,)), here.store, HERE)
    assert manifest.id == calm.id
    expected = embed(EmbedSpec(str(calm), encoder="color-histogram"), here.store, HERE)
    assert (embeddings.id, embeddings.card.counts) == (expected.id, expected.card.counts)
    found, known = read_vectors(store, embeddings), read_vectors(here.store, expected)
    assert found.keys() == known.keys()
    assert all(np.allclose(found[id], known[id], atol=1e-5) for id in known)
    assert next(iter(found.values())).shape == (SPACE.dim,)


def test_an_address_outside_the_root_is_rejected_and_says_what_would_allow_it(
    there: Chain, tmp_path: Path, store: LocalStore
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"uri\n{there.source}/ape/0.png\n{there.source}/ape/1.png\n")
    bucket = there.source.removesuffix("/in")
    with pytest.raises(InvalidSpec, match=f"2 outside_root; the first: .*--root {bucket} allows it"):
        make_manifest(ManifestSpec((str(path),)), store, HERE)
    allowed = make_manifest(ManifestSpec((str(path),), root=f"{bucket}/in"), store, HERE)
    assert allowed.card.counts.n_ok == 2
