from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from revsearch.errors import CorruptArtifact
from revsearch.model.embedder import embedder, empty_embedder, fresh_embedder
from revsearch.model.values import random
from revsearch.space import EmbeddingSpace, Preprocess

Zoo = Callable[..., EmbeddingSpace]
OWN = Preprocess("crop", 37, 32, "bilinear", (0.5,) * 3, (0.5,) * 3)
TRAINED = [
    EmbeddingSpace("cnn-w4", "", OWN, "gap", 32),
    EmbeddingSpace("cnn-w4+linear", "", OWN, "max", 5),
    EmbeddingSpace("cnn-w4+mlp", "", OWN, "gem", 5),
    EmbeddingSpace("autoencoder-w4", "", OWN, "native", 5),
]


def of_zoo(zoo_space: Zoo, encoder: str, dim: int) -> EmbeddingSpace:
    return replace(zoo_space(encoder.partition("+")[0], 64), encoder=encoder, dim=dim)


def save(network: torch.nn.Module, path: Path) -> Path:
    safetensors.torch.save_file(network.state_dict(), path)
    return path


@torch.inference_mode()
def test_a_model_as_published_is_its_backbone_pooled(zoo_space: Zoo, tmp_path: Path) -> None:
    space, x = zoo_space("squeezenet1_1", 64), torch.randn(2, 3, 64, 64)
    whole = random("squeezenet1_1", 64, 0)
    expected = whole.features(x).mean((2, 3))
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    for weights in (None, tmp_path / "whole.pth"):
        torch.testing.assert_close(embedder(space, weights)(x), expected)


@pytest.mark.parametrize("space", TRAINED, ids=lambda space: space.encoder)
@torch.inference_mode()
def test_our_own_networks_come_back_from_their_file(space: EmbeddingSpace, tmp_path: Path) -> None:
    network, x = fresh_embedder(space), torch.randn(2, 3, 32, 32)
    assert network(x).shape == (2, space.dim)
    loaded = embedder(space, save(network, tmp_path / "weights.safetensors"))
    assert torch.equal(loaded(x), network(x))
    assert not any(module.training for module in loaded.modules())
    assert {key.partition(".")[0] for key in network.state_dict()} <= {"backbone", "head"}


@pytest.mark.parametrize(
    ("encoder", "dim"),
    [("squeezenet1_1+identity", 512), ("squeezenet1_1+linear", 6), ("mnasnet0_5+mlp", 6), ("googlenet+identity", 1024)],
)
@torch.inference_mode()
def test_trained_backbones_come_back_from_their_file(zoo_space: Zoo, encoder: str, dim: int, tmp_path: Path) -> None:
    space = of_zoo(zoo_space, encoder, dim)
    network, x = fresh_embedder(space), torch.randn(2, 3, 64, 64)
    loaded = embedder(space, save(network, tmp_path / "weights.safetensors"))
    assert loaded(x).shape == (2, dim)
    assert torch.equal(loaded(x), network(x))


def test_an_empty_network_has_shapes_and_no_values(zoo_space: Zoo) -> None:
    for space in (*TRAINED, of_zoo(zoo_space, "regnet_y_400mf+linear", 6), of_zoo(zoo_space, "googlenet+linear", 6)):
        network, full = empty_embedder(space), fresh_embedder(space)
        assert all(value.is_meta for value in network.state_dict().values())
        assert {key: value.shape for key, value in network.state_dict().items()} == {
            key: value.shape for key, value in full.state_dict().items()
        }


@pytest.mark.parametrize(
    ("asked", "saved", "message"),
    [
        ("cnn-w4", "cnn-w8", r"an encoder cnn-w4; \d+ keys do not fit, first:\n  size mismatch for backbone.0.weight"),
        ("cnn-w4+linear", "cnn-w4", r"first:\n  missing head.weight\n"),
        ("cnn-w4", "cnn-w4+linear", r"first:\n  unexpected head.weight\n"),
        (
            "squeezenet1_1+identity",
            "cnn-w4",
            r"an encoder squeezenet1_1\+identity; .*\n  size mismatch for backbone.0.weight",
        ),
        ("autoencoder-w4", "cnn-w4", r"first:\n  missing backbone.26.weight\n"),
    ],
)
def test_weights_of_another_architecture_are_refused_with_their_first_keys(
    zoo_space: Zoo, asked: str, saved: str, message: str, tmp_path: Path
) -> None:
    def space(encoder: str) -> EmbeddingSpace:
        own = {each.encoder: each for each in (*TRAINED, EmbeddingSpace("cnn-w8", "", OWN, "gap", 64))}
        return own.get(encoder) or of_zoo(zoo_space, encoder, 512)

    weights = save(fresh_embedder(space(saved)), tmp_path / "weights.safetensors")
    with pytest.raises(CorruptArtifact, match=message) as caught:
        embedder(space(asked), weights)
    assert caught.value.reason == "weights"
    assert len(str(caught.value).splitlines()) <= 1 + 5 + 1
