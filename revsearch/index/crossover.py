"""When a graph is worth having: below a size exact search is fast enough, and never misses."""

from typing import Literal

# Measured on 2 cores, k = 10, batches of 500 queries, M = 16, ef_construction = 200, ef tuned to ann_recall >= .99;
# thousand queries a second of exact search, and how many times that a graph does, on clustered vectors and on
# vectors without structure (a Gaussian of 32 latent dims):
#
#     rows        96 dims           512 dims          1280 dims         2048 dims
#      1,000   97   3.2x  1.3x   53  2.7x  1.0x    27  2.6x  1.0x   6.6  2.9x  1.4x
#      5,000   22  11.4x  2.4x   14  6.4x  1.5x   8.2  3.7x  0.8x   2.3  2.6x  0.6x
#     10,000   14  13.8x  2.9x    9  6.7x  1.3x   (machine shared from here on: ratios only)
#
# So a graph that suits its vectors is faster from 1,000 rows on; but there exact search answers a night's queries in
# seconds, without build, tuning and the hundredth of hits that a graph misses. Up to the bounds below it does at least
# some 8,000 queries a second: a graph would save less than it costs.
CROSSOVER_ROWS = 10_000  # beyond, choosing the top-k of each tile decides, whatever the dim
CROSSOVER_COMPONENTS = 5_000_000  # rows x dim; beyond, the products decide


def choose_kind(n: int, dim: int) -> Literal["exact", "hnsw"]:
    """Return what kind of index `n` vectors of `dim` are served best by: what `--kind auto` takes."""
    return "exact" if n <= CROSSOVER_ROWS and n * dim <= CROSSOVER_COMPONENTS else "hnsw"
