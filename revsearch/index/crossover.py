"""When a graph is worth having: below a size exact search is fast enough, and never misses."""

from typing import Literal

# Measured on 2 cores, k = 10, batches of 500 queries, M = 16, ef_construction = 200, ef tuned to ann_recall >= .99:
# exact search in thousand queries a second, and how many times that a graph does, on clustered vectors (64 latent
# dims) and on vectors without any structure (a Gaussian of 32 latent dims).
#
#     rows        96 dims             512 dims           1280 dims          2048 dims (beside other load)
#      1,000   97   3.2x  1.3x     53  2.7x  1.0x     27  2.6x  1.0x     4-8  2.2x  1.3x
#      5,000   22  11.4x  2.4x     14  6.4x  1.5x      8  3.7x  0.8x     2-6  2.6x  0.6x
#     10,000   14  13.8x  2.9x      9  6.7x  1.3x         4.5x  0.6x     1-3  2.4x  0.4x
#
# So in query time alone a graph that suits its vectors wins from 1,000 rows on, and one that does not never wins at
# high dims. But up to the bounds below exact search does thousands of queries a second, without build and tuning and
# without the hundredth of hits that a graph misses: there a graph saves less than it costs.
CROSSOVER_ROWS = 10_000  # beyond, choosing the top-k of each tile decides, whatever the dim
CROSSOVER_COMPONENTS = 5_000_000  # rows x dim; beyond, the products decide


def choose_kind(n: int, dim: int) -> Literal["exact", "hnsw"]:
    """Return what kind of index `n` vectors of `dim` are served best by: what `--kind auto` takes."""
    return "exact" if n <= CROSSOVER_ROWS and n * dim <= CROSSOVER_COMPONENTS else "hnsw"
