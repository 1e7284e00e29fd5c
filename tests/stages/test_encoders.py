"""From an encoder's name to its space and back to an encoder, its weights through the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.descriptors.color_histogram import SPACE
from revsearch.errors import CorruptArtifact, InvalidSpec, MissingArtifact
from revsearch.space import EmbeddingSpace
from revsearch.specs import EmbedSpec
from revsearch.stages.encoders import find_encoder, keep_weights, open_encoder
from revsearch.storage.local import LocalStore

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
