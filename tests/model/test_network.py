from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torchvision.transforms.functional import normalize, to_tensor

from revsearch.model.embedder import fresh_embedder
from revsearch.model.names import parse_encoder_name
from revsearch.model.network import Normalise, build_network
from revsearch.model.seeding import seeded
from revsearch.model.space import describe
from revsearch.model.values import random
from revsearch.space import EmbeddingSpace, Preprocess


def test_normalises_as_torchvision_does(small_space: EmbeddingSpace, pixels: NDArray[np.uint8]) -> None:
    preprocess = small_space.preprocess
    expected = torch.stack([normalize(to_tensor(row), preprocess.mean, preprocess.std) for row in pixels])
    found = Normalise(preprocess)(torch.from_numpy(pixels))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("pooling", ["gap", "max", "gem"])
@torch.inference_mode()
def test_is_normalised_then_features_then_pooled(pooling, pixels: NDArray[np.uint8]) -> None:
    name = parse_encoder_name("squeezenet1_1:random-5")
    space = describe(name, name.weights, pooling=pooling, fit=None, image_size=64)
    features = random("squeezenet1_1", 64, 5).features(Normalise(space.preprocess)(torch.from_numpy(pixels)))
    expected = {
        "gap": features.mean((2, 3)),
        "max": features.amax((2, 3)),
        "gem": features.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3),
    }[pooling]
    found = build_network(space, None, "fp32", "cpu", optimise=True)(torch.from_numpy(pixels))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_takes_the_values_of_a_file(tmp_path: Path, small_space: EmbeddingSpace, pixels: NDArray[np.uint8]) -> None:
    torch.save(random("squeezenet1_1", 64, 0).state_dict(), tmp_path / "weights.pth")
    batch = torch.from_numpy(pixels)
    from_file = build_network(small_space, tmp_path / "weights.pth", "fp32", "cpu", optimise=True)(batch)
    torch.testing.assert_close(from_file, build_network(small_space, None, "fp32", "cpu", optimise=True)(batch))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("encoder", "pooling", "dim"),
    [("cnn-w8+mlp", "gap", 9), ("autoencoder-w8", "native", 9), ("squeezenet1_1+linear", "gap", 9)],
)
@torch.inference_mode()
def test_runs_what_was_trained(
    tmp_path: Path, pixels: NDArray[np.uint8], encoder: str, pooling, dim: int, precision
) -> None:
    preprocess = Preprocess("crop", 73, 64, "bilinear", (0.5,) * 3, (0.5,) * 3)
    space = EmbeddingSpace(encoder, "sha256:" + "0" * 64, preprocess, pooling, dim)
    with seeded(0):
        trained = fresh_embedder(space)
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    batch = torch.from_numpy(pixels)
    expected = trained(Normalise(preprocess)(batch))
    for optimise in (True, False):
        network = build_network(space, tmp_path / "weights.safetensors", precision, "cpu", optimise=optimise)
        found = network(batch)
        assert found.dtype == torch.float32
        if precision == "fp32":
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert torch.cosine_similarity(found, expected).min() > 0.999
