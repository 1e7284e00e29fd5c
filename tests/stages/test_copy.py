"""Artifacts committed by hand, copied with all they stand on."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.errors import CorruptArtifact, MissingArtifact
from revsearch.space import EmbeddingSpace
from revsearch.stages import kept_weights
from revsearch.stages.copy import Copying
from revsearch.stages.lineage import trained_on
from revsearch.storage.artifact import Artifact, Draft, load, verify
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.manifests import StoredManifest, note_roots
from revsearch.storage.s3.store import S3Store
from revsearch.storage.store import Store
from tests.servers.server import Server

VECTORS = np.eye(4, dtype=np.float32)
WEIGHTS = b"some weights"


@pytest.fixture
def other(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "other")


@pytest.fixture
def bucket(moto: Server, in_environment_of: Callable[..., None], request: pytest.FixtureRequest) -> S3Store:
    in_environment_of(moto)
    return S3Store.at(f"{moto.make_bucket(f'copy-{request.node.name[:50]}'.replace('_', '-'))}/store")


@pytest.fixture
def space(store: LocalStore, make_space: Any, tmp_path: Path) -> EmbeddingSpace:
    """A space whose weights the store keeps by themselves."""
    file = tmp_path / "mine.pth"
    file.write_bytes(WEIGHTS)
    kept: EmbeddingSpace = replace(make_space(4), weights=f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}")
    kept_weights.keep(kept, file, store)
    return kept


def copy(asked: Sequence[Artifact], source: Store, target: Store) -> Copying:
    copying = Copying.of(asked, source, target)
    copying.run()
    return copying


def names(copying: Copying) -> list[str]:
    return [artifact.kind for artifact in copying.artifacts]


def test_rankings_bring_all_they_stand_on(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("abcd", roles=["gallery", "gallery", "gallery", "query"])
    embeddings = by_hand.embeddings(manifest, VECTORS)
    index = by_hand.index(embeddings)
    rankings = by_hand.rankings(index, embeddings)
    evaluation = Draft(store, "evaluation", "0123456789ab", {}, {"rankings": str(rankings)}).commit(Counts(1, 1), [])
    assert names(copy([evaluation], store, other)) == ["manifest", "embeddings", "index", "rankings", "evaluation"]
    for artifact in (manifest, embeddings, index, rankings, evaluation):
        found = load(other, str(artifact))
        assert found.card == artifact.card
        verify(other, found)


def test_of_several_what_they_share_goes_once(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("abcd")
    both = [by_hand.embeddings(manifest, VECTORS, encoder=name) for name in ("one", "two")]
    copying = copy(both, store, other)
    assert [str(artifact) for artifact in copying.artifacts] == [str(manifest), *map(str, both)]


def test_weights_that_are_kept_go_along(
    store: LocalStore, other: LocalStore, by_hand: Any, space: EmbeddingSpace, tmp_path: Path
) -> None:
    embeddings = by_hand.embeddings(by_hand.manifest("abcd"), VECTORS, encoder_space=space)
    copying = Copying.of([embeddings], store, other)
    parts = [part for artifact in copying.artifacts for part in artifact.card.parts]
    plan = copying.plan
    assert (plan.rows, plan.parts, plan.bytes) == (8, len(parts) + 1, sum(part.size for part in parts) + len(WEIGHTS))
    assert list(other.list("")) == []
    copying.run()
    found = kept_weights.fetch(space, other, tmp_path)
    assert found is not None
    assert found.read_bytes() == WEIGHTS
    again = Copying.of([embeddings], store, other)
    assert (again.plan.rows, again.plan.parts, again.plan.bytes) == (0, 0, 0)
    assert again.plan.note == "0 of 2 artifacts are not there yet"


def test_weights_that_are_not_kept_are_told_and_do_not_stop_the_rest(
    store: LocalStore, other: LocalStore, by_hand: Any, space: EmbeddingSpace, caplog: pytest.LogCaptureFixture
) -> None:
    embeddings = by_hand.embeddings(by_hand.manifest("abcd"), VECTORS, encoder_space=space)
    store.delete(f"weights/{space.weights.removeprefix('sha256:')}.pth")
    copying = Copying.of([embeddings], store, other)
    assert f"{store.uri} does not have the weights of {space.encoder} ({space.weights})" in caplog.text
    parts = [part for artifact in copying.artifacts for part in artifact.card.parts]
    assert (copying.plan.parts, copying.plan.bytes) == (len(parts), sum(part.size for part in parts))
    copying.run()
    assert load(other, str(embeddings)).card == embeddings.card
    assert list(other.list("weights/")) == []


def test_weights_that_the_target_has_are_not_missed(
    store: LocalStore, other: LocalStore, by_hand: Any, space: EmbeddingSpace, caplog: pytest.LogCaptureFixture
) -> None:
    embeddings = by_hand.embeddings(by_hand.manifest("abcd"), VECTORS, encoder_space=space)
    key = f"weights/{space.weights.removeprefix('sha256:')}.pth"
    other.write(key, store.read(key))
    store.delete(key)
    assert copy([embeddings], store, other).weights == {}
    assert caplog.text == ""


def test_damaged_weights_end_it_before_anything_is_committed(
    store: LocalStore, other: LocalStore, by_hand: Any, space: EmbeddingSpace
) -> None:
    embeddings = by_hand.embeddings(by_hand.manifest("abcd"), VECTORS, encoder_space=space)
    store.write(f"weights/{space.weights.removeprefix('sha256:')}.pth", b"other weights")
    with pytest.raises(CorruptArtifact, match="checksum of the weights"):
        copy([embeddings], store, other)
    assert list(other.list("")) == []


def test_an_encoder_trained_here_goes_along_with_its_own_inputs(
    store: LocalStore, other: LocalStore, by_hand: Any, tmp_path: Path
) -> None:
    seen, shown = by_hand.manifest("ab", roles="train"), by_hand.manifest("cd")
    start = trained_on(store, by_hand.encoder(seen, "train", weights=b"first"))
    trained = by_hand.encoder(seen, "train", weights=b"second", start=start)
    embeddings = by_hand.embeddings(shown, VECTORS[:2, :2], encoder_space=trained)
    copying = copy([embeddings], store, other)
    assert names(copying) == ["manifest", "manifest", "encoder", "encoder", "embeddings"]
    assert copying.weights == {}
    found = kept_weights.fetch(trained, other, tmp_path)
    assert found is not None
    assert found.read_bytes() == b"second"
    assert list(other.list("weights/")) == []


def test_what_a_retry_and_never_name_goes_along(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest, never = by_hand.manifest("ab"), by_hand.manifest("cd")
    old = by_hand.embeddings(manifest, VECTORS[:2], encoder="old")
    inputs = {"manifest": str(manifest), "retry": str(old)}
    new = Draft(store, "embeddings", "0123456789ab", {}, inputs).commit(Counts(2, 2), [], facts=old.card.facts)
    assert [str(artifact) for artifact in copy([new], store, other).artifacts] == [str(manifest), str(old), str(new)]
    encoder = Draft(store, "encoder", "0123456789ab", {}, {"manifest": str(manifest), "never": [str(never)]})
    assert str(never) in map(str, copy([encoder.commit(Counts(2, 2), [])], store, other).artifacts)


def test_an_input_that_is_gone(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("abcd")
    embeddings = by_hand.embeddings(manifest, VECTORS)
    for info in list(store.list(f"{manifest}/")):
        store.delete(info.key)
    with pytest.raises(MissingArtifact, match=str(manifest)):
        Copying.of([embeddings], store, other)


# Where the images lie


def roots(store: Store, manifest: Artifact) -> dict[str, str] | None:
    try:
        return StoredManifest(store, manifest).roots
    except MissingArtifact:
        return None


def test_in_another_folder_of_this_machine_the_images_are_where_they_were(
    store: LocalStore, other: LocalStore, by_hand: Any
) -> None:
    manifest = by_hand.manifest("ab")
    note_roots(store, manifest.id, {"": "/photos"}, follow_symlinks=True)
    copy([manifest], store, other)
    assert roots(other, manifest) == {"": "/photos"}
    assert StoredManifest(other, manifest).follow_symlinks


def test_a_store_that_knows_is_not_told_otherwise(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("ab")
    note_roots(other, manifest.id, {"": "/elsewhere"})
    copy([manifest], store, other)
    assert roots(other, manifest) == {"": "/elsewhere"}


def test_what_is_to_be_written(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("ab")
    assert copy([manifest], store, other).writes
    assert not Copying.of([manifest], store, other).writes
    other.delete(f"refs/internal/roots/{manifest.id}.json")
    assert copy([manifest], store, other).writes
    assert not Copying.of([manifest], store, other).writes


def test_nobody_noted(store: LocalStore, other: LocalStore, by_hand: Any) -> None:
    manifest = by_hand.manifest("ab")
    store.delete(f"refs/internal/roots/{manifest.id}.json")
    copy([manifest], store, other)
    assert roots(other, manifest) is None


def test_a_bucket_is_not_told_of_folders_of_this_machine(
    store: LocalStore, bucket: S3Store, by_hand: Any, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = by_hand.manifest("ab")
    note_roots(store, manifest.id, {"query/": "/photos", "gallery/": "s3://bucket/images"})
    with caplog.at_level(logging.WARNING, "revsearch.stages.copy"):
        copy([manifest], store, bucket)
    assert roots(bucket, manifest) is None  # a part of a note is none
    assert f"{manifest}: its images lie in /photos, a folder of this machine" in caplog.text
    assert f"`manifest s3://… --store {bucket.uri}`" in caplog.text


def test_roots_in_a_bucket_travel(store: LocalStore, bucket: S3Store, by_hand: Any) -> None:
    manifest = by_hand.manifest("ab")
    note_roots(store, manifest.id, {"": "s3://bucket/images"})
    copy([manifest], store, bucket)
    assert roots(bucket, manifest) == {"": "s3://bucket/images"}


def test_weights_and_all_by_way_of_a_bucket(
    store: LocalStore, other: LocalStore, bucket: S3Store, by_hand: Any, space: EmbeddingSpace
) -> None:
    embeddings = by_hand.embeddings(by_hand.manifest("abcd"), VECTORS, encoder_space=space)
    copy([embeddings], store, bucket)
    copy([load(bucket, str(embeddings))], bucket, other)
    assert {info.key: other.read(info.key) for info in other.list("")} == {
        info.key: store.read(info.key) for info in store.list("") if not info.key.startswith("refs/")
    }
