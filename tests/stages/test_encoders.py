"""From an encoder's name to its space and back to an encoder, its weights through the store."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact
from revsearch.imaging.decode import decode
from revsearch.space import EmbeddingSpace, Preprocess
from revsearch.specs import EmbedSpec, ImageLimits, ManifestSpec, Resources
from revsearch.stages.embed import embed
from revsearch.stages.encoders import find_encoder, keep_weights, open_encoder
from revsearch.stages.manifest import make_manifest
from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.refs import move_ref
from revsearch.storage.vectors import StoredEmbeddings

MODEL = "squeezenet1_1"


def space_of(spec: EmbedSpec, store: LocalStore) -> EmbeddingSpace:
    """Find an encoder as `embed` does, and keep its weights."""
    found = find_encoder(spec, store)
    keep_weights(found, store)
    return found.space


def asked(encoder: str, **options: Any) -> EmbedSpec:
    return EmbedSpec("manifest/0123456789ab", encoder=encoder, **options)


@pytest.fixture(scope="module")
def weights(module_path: Path) -> Path:
    """Random weights of a small network, in a file of one's own."""
    import torch
    from torchvision import models

    torch.manual_seed(7)
    path = module_path / "mine.pth"
    torch.save(getattr(models, MODEL)(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def by_file(weights: Path) -> str:
    return f"{MODEL}:IMAGENET1K_V1@{weights}"


@pytest.fixture(scope="module")
def pixels() -> Callable[[EmbeddingSpace], Any]:
    def pixels(space: EmbeddingSpace) -> Any:
        return np.random.default_rng(0).integers(0, 256, (2, *[space.preprocess.size] * 2, 3), np.uint8)

    return pixels


def test_a_handcrafted_encoder_needs_no_store(store: LocalStore, pixels: Any) -> None:
    space = space_of(asked("color-histogram"), store)
    assert space == SPACE
    assert open_encoder(space, store)(pixels(space)).shape == (2, SPACE.dim)
    assert not store.root.exists()


@pytest.mark.parametrize("options", [{"pooling": "gap"}, {"fit": "pad"}, {"image_size": 64}, {"precision": "bf16"}])
def test_choices_a_handcrafted_encoder_does_not_have(store: LocalStore, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=f"--{next(iter(options)).replace('_', '-')}.*color-histogram"):
        space_of(asked("color-histogram", **options), store)


def test_the_encoder_of_embeddings(store: LocalStore, by_hand: Any) -> None:
    made = by_hand.embeddings(by_hand.manifest(["a"]), np.ones((1, SPACE.dim), np.float32), encoder_space=SPACE)
    assert space_of(asked(str(made)), store) == SPACE
    with pytest.raises(InvalidSpec, match="--fit"):
        space_of(asked(str(made), fit="pad"), store)
    with pytest.raises(MissingArtifact):
        space_of(asked("index/0123456789ab"), store)


def test_random_weights_are_named_by_their_seed(store: LocalStore, pixels: Any) -> None:
    spaces = [space_of(asked(f"{MODEL}:random-{seed}", image_size=64), store) for seed in (0, 1)]
    assert [space.weights for space in spaces] == ["random-0", "random-1"]
    first, again, other = (
        open_encoder(space, store, threads=1)(pixels(space)) for space in (spaces[0], spaces[0], spaces[1])
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)
    assert not store.root.exists()


def test_weights_are_kept_by_their_hash_wherever_they_lay(
    store: LocalStore, weights: Path, by_file: str, tmp_path: Path, pixels: Any
) -> None:
    space = space_of(asked(by_file, image_size=64), store)
    moved = tmp_path / "renamed.pth"
    moved.write_bytes(weights.read_bytes())
    assert space_of(asked(f"{MODEL}:IMAGENET1K_V1@{moved}", image_size=64), store) == space
    moved.unlink()
    (kept,) = store.list("weights/")
    assert kept.key == f"weights/{space.weights.removeprefix('sha256:')}.pth"
    assert open_encoder(space, store, threads=1)(pixels(space)).shape == (2, space.dim)


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_weights_that_are_not_what_was_kept(store: LocalStore, by_file: str, damage: str) -> None:
    space = space_of(asked(by_file), store)
    (kept,) = store.list("weights/")
    path = store.root / kept.key
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data) if damage == "flipped" else bytes(data[:-1]))
    with pytest.raises(CorruptArtifact, match=r"checksum .* remove it") as caught:
        open_encoder(space, store)
    assert caught.value.reason == "checksum"
    path.unlink()
    space_of(asked(by_file), store)  # as the message says: removed, they are kept anew
    open_encoder(space, store)


def test_weights_that_are_gone(store: LocalStore, by_file: str) -> None:
    space = space_of(asked(by_file), store)
    (kept,) = store.list("weights/")
    store.delete(kept.key)
    with pytest.raises(MissingArtifact, match="weights/"):
        open_encoder(space, store)


def test_weights_of_another_network(store: LocalStore, weights: Path) -> None:
    space = space_of(asked(f"resnet18:IMAGENET1K_V1@{weights}"), store)
    with pytest.raises(CorruptArtifact, match="conv1"):
        open_encoder(space, store)


@pytest.mark.parametrize("name", ["no-such-encoder", "resnet18", "resnet18:NO_SUCH_WEIGHTS", "color-histgram"])
def test_names_that_are_none(store: LocalStore, name: str) -> None:
    with pytest.raises(InvalidSpec):
        space_of(asked(name), store)


def commit_encoder(store: LocalStore, encoder: str = "cnn-w4+linear", id: str = "00aa11bb22cc") -> Artifact:
    """Commit an encoder as training does: a network's weights, and the space they belong to."""
    import safetensors.torch

    from revsearch.model.embedder import fresh_embedder
    from revsearch.model.seeding import seeded

    preprocess = Preprocess("crop", 37, 32, "bilinear", (0.5,) * 3, (0.5,) * 3)
    space = EmbeddingSpace(encoder, "", preprocess, "gap", 5)
    with seeded(0):
        weights = safetensors.torch.save(fresh_embedder(space).state_dict())
    draft = Draft(store, "encoder", id, {}, {})
    parts = [draft.put("weights", ".safetensors", weights), draft.put("history", ".json", b"{}")]
    return draft.commit(Counts(0, 0), parts, facts={"space": space.to_dict()})


def test_a_trained_encoder_by_its_id_and_by_its_ref(store: LocalStore, pixels: Any) -> None:
    artifact = commit_encoder(store)
    move_ref(store, "mine", str(artifact))
    spaces = [space_of(asked(text), store) for text in (str(artifact), "encoder/00aa", "00aa11", "mine")]
    assert spaces == [spaces[0]] * 4
    space = spaces[0]
    assert (space.encoder, space.dim) == ("cnn-w4+linear", 5)
    assert space.weights == f"sha256:{artifact.part('weights').sha256}"
    assert not list(store.list("weights/"))  # they lie in the encoder already
    first, again = (open_encoder(space, store, threads=1)(pixels(space)) for _ in range(2))
    assert first.shape == (2, 5)
    assert np.array_equal(first, again)


def test_embeddings_of_a_trained_encoder_know_it(store: LocalStore, by_hand: Any, pixels: Any) -> None:
    space = space_of(asked(str(commit_encoder(store))), store)
    vectors = open_encoder(space, store, threads=1)(pixels(space))
    made = by_hand.embeddings(by_hand.manifest(["a", "b"]), vectors, encoder_space=space)
    assert space_of(asked(str(made)), store) == space


@pytest.mark.parametrize("options", [{"pooling": "gap"}, {"fit": "pad"}, {"image_size": 64}])
def test_choices_were_made_when_an_encoder_was_trained(store: LocalStore, options: dict[str, Any]) -> None:
    artifact = commit_encoder(store)
    with pytest.raises(InvalidSpec, match=f"--{next(iter(options)).replace('_', '-')}: {artifact} has no such choice"):
        space_of(asked(str(artifact), **options), store)


def test_trained_weights_of_another_architecture(store: LocalStore) -> None:
    space = space_of(asked(str(commit_encoder(store))), store)
    with pytest.raises(CorruptArtifact, match=r"first:\n  size mismatch for backbone.0.weight") as caught:
        open_encoder(replace(space, encoder="cnn-w8+linear"), store)
    assert caught.value.reason == "weights"


def test_a_ref_may_not_stand_for_a_model_too(store: LocalStore) -> None:
    move_ref(store, MODEL, str(commit_encoder(store)))
    with pytest.raises(InvalidSpec, match=f"--encoder: {MODEL} is a ref of this store and a torchvision model; write"):
        space_of(asked(MODEL), store)
    assert space_of(asked(f"{MODEL}:random-0"), store).encoder == MODEL


def test_a_ref_of_something_else_is_no_encoder(store: LocalStore, by_hand: Any) -> None:
    move_ref(store, "mine", str(by_hand.manifest(["a"])))
    with pytest.raises(InvalidSpec, match="--encoder: expected color-histogram or one of torchvision's"):
        space_of(asked("mine"), store)


@pytest.mark.parametrize("text", ["encoder/0123456789ab", "encoder/", "0123456789ab"])
def test_encoders_that_are_not_there(store: LocalStore, text: str) -> None:
    with pytest.raises(MissingArtifact):
        space_of(asked(text), store)


def test_two_encoders_that_begin_alike(store: LocalStore) -> None:
    commit_encoder(store)
    commit_encoder(store, "cnn-w8+linear", "00aa11bb22dd")
    with pytest.raises(InvalidSpec, match="'encoder/00aa' is the beginning of 2 ids"):
        space_of(asked("encoder/00aa"), store)
    assert space_of(asked("encoder/00aa11bb22d"), store).encoder == "cnn-w8+linear"


@pytest.mark.ray
def test_a_folder_is_embedded_by_a_trained_encoder(
    local_ray: None, store: LocalStore, write_files: Any, make_picture: Any, tmp_path: Path
) -> None:
    files = {f"{seed}.png": make_picture(seed) for seed in range(3)}
    manifest = make_manifest(ManifestSpec((str(write_files(tmp_path / "pictures", files)),)), store, Resources())
    encoder = commit_encoder(store)
    move_ref(store, "mine", str(encoder))
    made = embed(EmbedSpec(str(manifest), encoder="mine"), store, Resources())
    assert made.card.counts.n_ok == 3
    stored = StoredEmbeddings(store, made)
    space = space_of(asked(str(encoder)), store)
    pictures = np.stack([decode(data, space.preprocess, ImageLimits()).pixels for data in files.values()])
    found = stored.read(stored.rows(), tmp_path / "vectors").vectors
    np.testing.assert_allclose(found, open_encoder(space, store, threads=1)(pictures), rtol=1e-4, atol=1e-5)
