"""What must hold in a graph file before hnswlib is given it.

hnswlib trusts every byte: a link to a node that is not there reads outside its memory.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.index.graph_file import HEADER, map_nodes, map_upper_levels, node_dtype, read_header
from revsearch.index.indexable import BLOCK_ROWS, admissible, squared_lengths
from revsearch.specs import Metric

MAX_M = 10_000  # hnswlib's own bound

Links = NDArray[np.unsignedinteger[Any]]


class _Unsound(Exception):
    """What does not hold; turned into CorruptArtifact where the path is known."""


def require_sound_graph(path: Path, *, n: int, dim: int, metric: Metric) -> None:
    """Refuse a graph file that would crash hnswlib, or that is plainly not of `n` vectors of `dim`.

    A second line behind the checksum: it sees every link that leads nowhere, every count, level and label, vectors
    that are not finite or (cosine) not of unit length. It cannot see a link that leads to a wrong node that exists.

    Raises:
        CorruptArtifact: naming the file, what was expected and what was found.
    """
    try:
        _check(path, n, dim, metric)
    except (_Unsound, FileNotFoundError) as unsound:
        raise CorruptArtifact(
            f"{path} is no sound graph of {n} vectors of {dim} dims: {unsound}. Build the index again."
        ) from unsound


def _check(path: Path, n: int, dim: int, metric: Metric) -> None:
    _check_size(path, HEADER.itemsize)
    header = read_header(path)
    M = _check_header(header, n, dim)
    _check_size(path, HEADER.itemsize + n * (node_dtype(M, dim).itemsize + 4))
    _check_nodes(map_nodes(path, n=n, dim=dim), metric)
    words = map_upper_levels(path, n=n, dim=dim)
    _check_upper_levels(words, n, M, int(header["max_level"]), int(header["entry_point"]))


def _check_size(path: Path, least: int) -> None:
    if (size := path.stat().st_size) < least or size % 4:
        raise _Unsound(f"expected at least {least} bytes, in words of 4, found {size}")


def _check_header(header: Any, n: int, dim: int) -> int:
    """Return M, once all that follows from n, dim and M is as it must be."""
    M = int(header["M"])
    if not 2 <= M <= MAX_M:
        raise _Unsound(f"expected M from 2 to {MAX_M}, found {M}")
    offset_data = 4 + 8 * M
    expected = {
        "offset_level0": 0,
        "max_elements": n,
        "cur_element_count": n,
        "size_data_per_element": node_dtype(M, dim).itemsize,
        "label_offset": offset_data + 4 * dim,
        "offset_data": offset_data,
        "max_M": M,
        "max_M0": 2 * M,
    }
    for name, value in expected.items():
        _expect(name, value, header[name])
    if not math.isclose(header["mult"], 1 / math.log(M), rel_tol=1e-12):  # another libm may differ in the last digit
        raise _Unsound(f"expected mult 1 / ln {M}, found {header['mult']}")
    if header["entry_point"] >= n or header["max_level"] < 0 or not M <= header["ef_construction"] < 2**31:
        raise _Unsound(f"entry point, highest level or ef_construction out of range in {header}")
    return M


def _check_nodes(nodes: NDArray[Any], metric: Metric) -> None:
    n = len(nodes)
    seen = np.zeros(n, bool)
    for start in range(0, n, BLOCK_ROWS):
        block = nodes[start : start + BLOCK_ROWS]
        own = np.arange(start, start + len(block))
        _check_links(block["count"], block["links"], own, n)
        if block["mark"].any():
            raise _Unsound("a node is marked deleted; none ever is")
        if not admissible(squared_lengths(block["vector"]), metric).all():
            raise _Unsound(f"a vector near row {start} is not finite, or not of the length {metric} asks for")
        seen[block["label"][block["label"] < n].astype(np.int64)] = True
    if not seen.all():
        raise _Unsound(f"rows {np.flatnonzero(~seen)[:5].tolist()} have no node")


def _check_links(counts: Links, links: Links, own: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Return which places `[m, width]` hold a link, once each leads to another node that is there."""
    width = links.shape[1]
    if (counts > width).any():
        raise _Unsound(f"a node has {counts.max()} links, expected at most {width}")
    used = np.arange(width) < counts[:, None]
    if (used & ((links >= n) | (links == own[:, None]))).any():
        raise _Unsound(f"a link leads to itself or beyond the {n} nodes")
    return np.asarray(used)


def _check_upper_levels(words: Links, n: int, M: int, max_level: int, entry: int) -> None:
    levels, starts = _read_levels(words, n, M)
    _expect("highest level", max_level, int(levels.max()))
    _expect("level of the entry point", max_level, int(levels[entry]))
    nodes = np.repeat(np.arange(n), levels)
    if not len(nodes):
        return
    within = np.arange(len(nodes)) - np.repeat(np.cumsum(levels) - levels, levels)  # 0 for level 1, …
    lists = words[np.repeat(starts, levels[levels > 0]) + within * (1 + M) + np.arange(1 + M)[:, None]].T
    used = _check_links(lists[:, 0], lists[:, 1:], nodes, n)
    if (used & (levels[np.where(used, lists[:, 1:], 0)] <= within[:, None])).any():
        raise _Unsound("a link on an upper level leads to a node that does not reach that level")


def _read_levels(words: Links, n: int, M: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the level of each node `[n]`, and where the links of those above 0 begin, in words.

    Most nodes are one zero word: it goes from one word that is set to the next, skipping the links between.
    """
    levels, starts = np.zeros(n, np.int64), []
    set_words = np.flatnonzero(words)
    node = at = 0
    while (next_set := int(np.searchsorted(set_words, at))) < len(set_words):
        node, at = node + int(set_words[next_set]) - at, int(set_words[next_set])
        level, rest = divmod(int(words[at]), 4 * (1 + M))
        if rest or node >= n or at + 1 + level * (1 + M) > len(words):
            raise _Unsound(f"the upper levels of node {node} take {int(words[at])} bytes, which cannot be")
        levels[node] = level
        starts.append(at + 1)
        node, at = node + 1, at + 1 + level * (1 + M)
    _expect("nodes with a level", n, node + len(words) - at)
    return levels, np.array(starts, np.int64)


def _expect(name: str, expected: object, found: object) -> None:
    if found != expected:
        raise _Unsound(f"expected {name} {expected}, found {found}")
