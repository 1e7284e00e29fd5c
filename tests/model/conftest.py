"""A small network and pictures for it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.model.names import parse_encoder_name
from revsearch.model.space import describe
from revsearch.space import EmbeddingSpace


@pytest.fixture
def small_space() -> EmbeddingSpace:
    """The space of squeezenet1_1 with random weights, at 64 pixels."""
    name = parse_encoder_name("squeezenet1_1:random-0")
    return describe(name, name.weights, pooling=None, fit=None, image_size=64)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Five pictures, `[5, 64, 64, 3]`."""
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def zoo_space() -> Callable[..., EmbeddingSpace]:
    """The space of a model of the zoo with random weights."""

    def zoo_space(model: str, size: int | None = None) -> EmbeddingSpace:
        name = parse_encoder_name(f"{model}:random-0")
        return describe(name, name.weights, pooling=None, fit=None, image_size=size)

    return zoo_space
