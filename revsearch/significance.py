"""How sure a mean over queries is: percentile bootstrap intervals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
BLOCK_DRAWS = 2**21  # draws held at once: 16 MiB


@dataclass(frozen=True)
class Bootstrap:
    """Percentile bootstrap (Efron & Tibshirani 1993, 13.3): `resamples` seeded draws with replacement."""

    resamples: int
    seed: int

    def intervals(self, values: NDArray[np.float64], clusters: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the 95 % interval of the mean of each column of `values` `[q, m]`: low and high, `[m, 2]`.

        Queries of one cluster (one class) are not independent: they are drawn together. All columns see the same
        draws.

        Args:
            values: a row a query, at least one.
            clusters: int64 `[q]`, codes from 0, each used; None draws every query by itself, and so does a single
                cluster, which leaves nothing to draw.
        """
        codes = np.arange(len(values)) if clusters is None or clusters.max() == 0 else clusters
        sizes = np.bincount(codes).astype(np.float64)
        sums = np.stack([np.bincount(codes, column) for column in values.T], axis=1)  # [clusters, m]
        means = [(weights @ sums) / (weights @ sizes)[:, None] for weights in self._weights(len(sizes))]
        outside = (1 - CONFIDENCE) / 2
        bounds = np.quantile(np.concatenate(means), [outside, 1 - outside], axis=0)
        return np.asarray(bounds.T, np.float64)

    def _weights(self, n: int) -> Iterator[NDArray[np.float64]]:
        """Yield how often each resample draws each of `n` clusters, `[block, n]`, block by block."""
        draws = np.random.default_rng(self.seed)
        block = max(1, BLOCK_DRAWS // n)
        for start in range(0, self.resamples, block):
            some = min(block, self.resamples - start)
            drawn = draws.integers(n, size=(some, n)) + np.arange(some)[:, None] * n
            yield np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n).astype(np.float64)
