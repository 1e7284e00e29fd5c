"""How sure a mean over queries is: percentile bootstrap intervals."""

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
BLOCK_DRAWS = 2**21  # draws held at once: 16 MiB


def bootstrap_intervals(
    values: NDArray[np.float64], resamples: int, seed: int, clusters: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the 95 % interval of the mean of each column of `values` `[q, m]`: low and high, `[m, 2]`.

    Percentile bootstrap (Efron & Tibshirani 1993, 13.3). Queries of one cluster (one class) are not independent:
    they are drawn together. All columns see the same draws.

    Args:
        values: a row a query, at least one.
        resamples: how often the queries are drawn anew.
        seed: of the draws.
        clusters: int64 `[q]`, codes from 0; None draws every query by itself. A single cluster leaves nothing to
            draw: then too every query is drawn by itself.
    """
    codes = np.arange(len(values)) if clusters is None or not np.any(clusters != clusters[0]) else clusters
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.stack([np.bincount(codes, column) for column in values.T], axis=1)  # [clusters, m]
    means = np.concatenate(list(_resampled_means(sums, sizes, resamples, np.random.default_rng(seed))))
    outside = (1 - CONFIDENCE) / 2
    return np.asarray(np.quantile(means, [outside, 1 - outside], axis=0).T, np.float64)


def _resampled_means(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], resamples: int, draws: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Draw as many clusters as there are, with replacement, `resamples` times; return means `[block, m]`."""
    n, block = len(sizes), max(1, BLOCK_DRAWS // len(sizes))
    means = []
    for start in range(0, resamples, block):
        some = min(block, resamples - start)
        drawn = draws.integers(n, size=(some, n)) + np.arange(some)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n).astype(np.float64)
        means.append((weights @ sums) / (weights @ sizes)[:, None])
    return means
