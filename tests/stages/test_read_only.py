"""A store that can only be read: nothing is begun in vain, and what is there is still given. No Ray is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.errors import InvalidSpec
from revsearch.specs import EmbedSpec, EvaluateSpec, IndexSpec, ManifestSpec, RankSpec, Resources
from revsearch.stages import manifest as manifest_stage
from revsearch.stages.build_index import build_index
from revsearch.stages.embed import embed
from revsearch.stages.evaluate import evaluate
from revsearch.stages.manifest import make_manifest
from revsearch.stages.rank import rank
from revsearch.stages.train import train
from revsearch.storage.artifact import Artifact
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import note_roots
from revsearch.storage.refs import update_ref
from revsearch.train_specs import TripletSpec

pytestmark = pytest.mark.usefixtures("no_ray")

RESOURCES = Resources()


class ReadOnly(LocalStore):
    """Refuses to be written, whoever asks: the superuser may write where others may not."""

    def _put(self, *_: object) -> None:
        raise InvalidSpec("the store may only be read")

    def swap(self, *_: object) -> bool:
        raise InvalidSpec("the store may only be read")


@dataclass(frozen=True)
class Made:
    """One artifact of each kind that stages take, and the pictures that the first was made of."""

    store: ReadOnly
    folder: Path
    manifest: Artifact
    embeddings: Artifact
    index: Artifact
    rankings: Artifact


@pytest.fixture
def made(
    store: LocalStore,
    by_hand: Any,
    tmp_path: Path,
    write_files: Callable[..., Path],
    make_picture: Callable[..., bytes],
) -> Made:
    files = {f"{name}/{number}.png": make_picture(number) for name in "abcd" for number in range(6)}
    folder = write_files(tmp_path / "in", files)
    manifest = by_hand.manifest(sorted(files), root=folder, labels=[id[0] for id in sorted(files)])
    embeddings = by_hand.embeddings(manifest, np.random.default_rng(0).normal(size=(len(files), 4)).astype(np.float32))
    index = by_hand.index(embeddings)
    rankings = by_hand.rankings(index, embeddings, k=3)
    return Made(ReadOnly(store.root), folder, manifest, embeddings, index, rankings)


STAGES: dict[str, Callable[[Made], Artifact]] = {
    "manifest": lambda made: make_manifest(ManifestSpec((str(made.folder),)), made.store, RESOURCES),
    "embed": lambda made: embed(EmbedSpec(str(made.manifest), encoder="color-histogram"), made.store, RESOURCES),
    "build_index": lambda made: build_index(IndexSpec((str(made.embeddings),), kind="hnsw"), made.store, RESOURCES),
    "rank": lambda made: rank(RankSpec(str(made.index), (str(made.embeddings),), k=7), made.store, RESOURCES),
    "evaluate": lambda made: evaluate(EvaluateSpec(str(made.rankings)), made.store, RESOURCES),
    "train": lambda made: train(TripletSpec(str(made.manifest), encoder="resnet18:random-0"), made.store, RESOURCES),
}


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_begun_that_could_not_be_stored(made: Made, stage: str) -> None:
    before = sorted(made.store.root.rglob("*"))
    with pytest.raises(InvalidSpec, match="the store may only be read"):
        STAGES[stage](made)
    assert sorted(made.store.root.rglob("*")) == before


def test_what_is_there_is_given_to_who_may_only_read(made: Made, store: LocalStore) -> None:
    assert build_index(IndexSpec((str(made.embeddings),)), made.store, RESOURCES) == made.index
    ranked = rank(RankSpec(str(made.index), (str(made.embeddings),), k=3), made.store, RESOURCES)
    assert ranked == made.rankings


def test_an_unchanged_source_is_given_to_who_may_only_read(made: Made, store: LocalStore) -> None:
    spec = ManifestSpec((str(made.folder),))
    candidates = manifest_stage.list_sources(spec)
    listing = f"internal/listings/{manifest_stage._asked(spec, candidates)}"
    update_ref(store, listing, lambda _: {"made": str(made.manifest)})
    note_roots(store, made.manifest.id, candidates.roots, follow_symlinks=spec.follow_symlinks)
    assert make_manifest(spec, made.store, RESOURCES) == made.manifest
