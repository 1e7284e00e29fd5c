"""How the file lies that hnswlib 0.8 writes.

All little-endian: a header of 96 bytes; then n nodes of links on level 0, vector and label; then for each node the
byte size of its upper levels (0 for most) and the links there, lowest level first.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = np.dtype(
    [
        ("offset_level0", "<u8"),
        ("max_elements", "<u8"),
        ("cur_element_count", "<u8"),
        ("size_data_per_element", "<u8"),
        ("label_offset", "<u8"),
        ("offset_data", "<u8"),
        ("max_level", "<i4"),
        ("entry_point", "<u4"),
        ("max_M", "<u8"),
        ("max_M0", "<u8"),
        ("M", "<u8"),
        ("mult", "<f8"),
        ("ef_construction", "<u8"),
    ]
)


def node_dtype(M: int, dim: int) -> np.dtype[Any]:
    """Return how a node lies on level 0: number of links, mark of a deleted one, 2 M links, vector, label."""
    return np.dtype(
        [("count", "<u2"), ("mark", "<u2"), ("links", "<u4", (2 * M,)), ("vector", "<f4", (dim,)), ("label", "<u8")]
    )


def read_header(path: Path) -> Any:
    """Return the header of a file that is long enough for one, as a record of `HEADER`."""
    return np.fromfile(path, HEADER, count=1)[0]


def map_nodes(path: Path, *, n: int, dim: int) -> NDArray[Any]:
    """Return the `n` nodes of level 0 of a sound graph file, as a read-only memory map of `node_dtype`."""
    return np.memmap(path, node_dtype(int(read_header(path)["M"]), dim), mode="r", offset=HEADER.itemsize, shape=(n,))


def map_upper_levels(path: Path, *, n: int, dim: int) -> NDArray[np.uint32]:
    """Return what follows the nodes, as a read-only memory map of words: for each node a byte size, then links."""
    end = HEADER.itemsize + n * node_dtype(int(read_header(path)["M"]), dim).itemsize
    return np.memmap(path, "<u4", mode="r", offset=end)
