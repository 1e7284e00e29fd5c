"""Weights in the store: by their hash, or as a part of a trained encoder."""

import hashlib
from pathlib import Path

import pytest

from revsearch.errors import CorruptArtifact, MissingArtifact
from revsearch.space import EmbeddingSpace, Preprocess
from revsearch.stages.kept_weights import fetch, keep, trained_parts
from revsearch.storage.local import LocalStore

DATA = b"some weights"
SHA = hashlib.sha256(DATA).hexdigest()
TRAINED = f"encoder/0123456789ab/weights-{SHA}.safetensors"


def space(weights: str = f"sha256:{SHA}") -> EmbeddingSpace:
    return EmbeddingSpace("cnn-w4", weights, Preprocess("crop", 37, 32, "bilinear", (0.5,) * 3, (0.5,) * 3), "gap", 32)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_was_kept_comes_back(store: LocalStore, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(DATA)
    keep(space(), path, store)
    keep(space(), tmp_path / f"gone{suffix}", store)  # is there: not read again
    found = fetch(space(), store, tmp_path)
    assert found is not None
    assert (found.read_bytes(), found.suffix) == (DATA, suffix)


def test_a_trained_encoder_has_them_as_a_part(store: LocalStore, tmp_path: Path) -> None:
    store.write("encoder/0000000000aa/weights-1234.safetensors", b"of another")
    store.write(TRAINED, DATA)
    found = fetch(space(), store, tmp_path)
    assert found is not None
    assert (found.read_bytes(), found.suffix) == (DATA, ".safetensors")


def test_all_trainings_that_gave_the_same_weights(store: LocalStore) -> None:
    other = TRAINED.replace("0123456789ab", "0123456789aa")
    for key in (TRAINED, other, f"{TRAINED}.tmp", f"weights/{SHA}.safetensors", "encoder/0123456789ab/card.json"):
        store.write(key, DATA)
    assert list(trained_parts(SHA, store)) == [other, TRAINED]
    assert not list(trained_parts("0" * 64, store))


def test_a_seed_has_no_file(store: LocalStore, tmp_path: Path) -> None:
    assert fetch(space("random-0"), store, tmp_path) is None


def test_weights_that_are_gone(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match=f"weights/{SHA}"):
        fetch(space(), store, tmp_path)


@pytest.mark.parametrize("key", [TRAINED, f"weights/{SHA}.pth"])
def test_weights_that_changed(store: LocalStore, tmp_path: Path, key: str) -> None:
    store.write(key, DATA + b"!")
    with pytest.raises(CorruptArtifact, match=f"{key}: checksum of the weights of cnn-w4 is not {SHA[:12]}; remove it"):
        fetch(space(), store, tmp_path)
