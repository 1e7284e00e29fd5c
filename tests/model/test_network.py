from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms.functional import normalize, to_tensor

from revsearch.model.names import parse_encoder_name
from revsearch.model.network import Normalise, build_network
from revsearch.model.space import describe
from revsearch.model.values import random
from revsearch.space import EmbeddingSpace


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
