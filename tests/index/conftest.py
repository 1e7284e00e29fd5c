"""Vectors like an encoder's: a few latent directions, clusters, and some noise on top."""

import numpy as np
import pytest

from revsearch.embeddings import Vectors, normalise


class Clustered:
    """Seeded gallery and query vectors of one distribution."""

    def __init__(self, n: int, dim: int, n_queries: int = 100, *, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(max(5, n // 50), 24))
        latent = centres[rng.integers(len(centres), size=n + n_queries)] + 0.6 * rng.normal(size=(n + n_queries, 24))
        vectors = latent @ rng.normal(size=(24, dim)) + 0.5 * rng.normal(size=(n + n_queries, dim))
        self.raw: Vectors = vectors[:n].astype(np.float32)
        self.queries: Vectors = vectors[n:].astype(np.float32)

    def gallery(self, metric: str) -> Vectors:
        """The gallery as an index of that metric takes it."""
        return normalise(self.raw) if metric == "cosine" else self.raw


@pytest.fixture(scope="session")
def clustered() -> type[Clustered]:
    return Clustered


@pytest.fixture(params=["cosine", "l2"])
def metric(request: pytest.FixtureRequest) -> str:
    return request.param
