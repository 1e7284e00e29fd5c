"""How fast our index builds and answers beside hnswlib alone, and exact search beside numpy, in turns.

    python -m tests.benchmarks.search_throughput [VECTORS.npy] [--n 20000] [--dim 512] [--rounds 3]

Without a file (float32 `[n, dim]`, as `revsearch export` writes it) vectors are drawn: a few latent directions,
clusters, and noise. Both sides get the same vectors, M, ef_construction, ef and threads. Prints one JSON line: seconds
of the build, queries a second, `ann_recall_at_k`, and ratios (above 1: ours is faster).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, normalise
from revsearch.index.exact import ExactIndex
from revsearch.index.hnsw import HnswGraph

M, EF_CONSTRUCTION, EF, K = 16, 200, 64, 10
THREADS = os.cpu_count() or 1

Rows = NDArray[np.int64]


def main() -> None:
    """Measure in turns, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, nargs="?")
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    every = np.load(asked.vectors) if asked.vectors else _drawn(asked.n + asked.queries, asked.dim)
    every = normalise(np.random.default_rng(0).permutation(every, axis=0))
    queries, gallery = every[: asked.queries], every[asked.queries :]
    sides: dict[str, Callable[[Vectors, Vectors], dict[str, Any]]] = {"ours": _ours, "plain": _plain}
    rounds = [{side: measure(gallery, queries) for side, measure in sides.items()} for _ in range(asked.rounds)]
    medians = {side: {name: median(each[side][name] for each in rounds) for name in rounds[0][side]} for side in sides}
    ours, plain = medians["ours"], medians["plain"]
    times = {name: ours[name] / plain[name] for name in ("queries_per_s", "exact_queries_per_s")}
    times["build_s"] = plain["build_s"] / ours["build_s"]
    told = {"n": len(gallery), "dim": gallery.shape[1], "medians": medians, "times_faster": times, "load_before": load}
    sys.stdout.write(json.dumps(told, default=float) + "\n")


def _ours(gallery: Vectors, queries: Vectors) -> dict[str, float]:
    exact = ExactIndex(gallery, "cosine")
    best, exact_s = _timed(lambda: exact.search(queries, K)[0])
    graph, build_s = _timed(
        lambda: HnswGraph.build(gallery, "cosine", M=M, ef_construction=EF_CONSTRUCTION, seed=0, threads=THREADS)
    )
    found, search_s = _timed(lambda: graph.search(queries, K, ef=EF).rows)
    return _figures(found, best, build_s, search_s, exact_s)


def _plain(gallery: Vectors, queries: Vectors) -> dict[str, float]:
    best, exact_s = _timed(lambda: _nearest(gallery, queries))

    def build() -> Any:
        graph = hnswlib.Index("cosine", gallery.shape[1])
        graph.init_index(len(gallery), M=M, ef_construction=EF_CONSTRUCTION, random_seed=0)
        graph.add_items(gallery, num_threads=THREADS)
        graph.set_ef(EF)
        return graph

    graph, build_s = _timed(build)
    found, search_s = _timed(lambda: graph.knn_query(queries, k=K, num_threads=THREADS)[0].astype(np.int64))
    return _figures(found, best, build_s, search_s, exact_s)


def _nearest(gallery: Vectors, queries: Vectors) -> Rows:
    """Return the nearest K of each query, sorted, by one matrix product."""
    scores = queries @ gallery.T
    some = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _figures(found: Rows, best: Rows, build_s: float, search_s: float, exact_s: float) -> dict[str, float]:
    overlap = sum(len(np.intersect1d(*pair)) for pair in zip(found, best, strict=True))
    return {
        "build_s": round(build_s, 3),
        "queries_per_s": round(len(found) / search_s),
        "exact_queries_per_s": round(len(found) / exact_s),
        "ann_recall_at_k": round(overlap / best.size, 4),
    }


def _drawn(n: int, dim: int) -> Vectors:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(5, n // 50), 24))
    latent = centres[rng.integers(len(centres), size=n)] + 0.6 * rng.normal(size=(n, 24))
    return (latent @ rng.normal(size=(24, dim)) + 0.5 * rng.normal(size=(n, dim))).astype(np.float32)


if __name__ == "__main__":
    main()
