"""Pictures and spaces for the tests of neural encoders."""

import numpy as np
import pytest
from numpy.typing import NDArray

from revsearch.model.names import parse_encoder_name
from revsearch.model.space import describe
from revsearch.space import EmbeddingSpace


def space_of(name: str, image_size: int | None = None) -> EmbeddingSpace:
    parsed = parse_encoder_name(name)
    return describe(parsed, parsed.weights, pooling=None, fit=None, image_size=image_size)


@pytest.fixture
def small_space() -> EmbeddingSpace:
    """A space of a small network, with random weights."""
    return space_of("squeezenet1_1:random-0", 64)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Five pictures of 64 x 64."""
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
