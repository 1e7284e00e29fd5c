"""Writing a graph so that a failure is seen: hnswlib says nothing of a missing folder or a full disk."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from revsearch.errors import CorruptArtifact, DiskFull, InvalidSpec
from revsearch.index.graph_check import require_sound_graph
from revsearch.index.graph_file import map_nodes
from revsearch.specs import Metric

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SAMPLE = 256  # nodes compared with memory, spread over the file


def save_verified(graph: Any, path: Path, metric: Metric) -> None:
    """Write an hnswlib graph to `path`, and check that the file is there, whole, sound and of this graph.

    What a failure leaves at `path` is the caller's to remove.

    Raises:
        DiskFull: where the file cannot take all of its bytes.
        InvalidSpec: where the folder is missing or may not be written.
        CorruptArtifact: where the bytes read back are not the graph's.
    """
    expected = int(graph.index_file_size())
    try:
        path.open("wb").close()  # says why it cannot be written, which hnswlib does not
        graph.save_index(str(path))
        _require_size(path, expected)
        _flush(path)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull(f"{path}: no room for a graph of {expected} bytes ({error.strerror}); make room") from error
        raise InvalidSpec(f"{path}: cannot write a graph there: {error.strerror}") from error
    require_sound_graph(path, n=graph.element_count, dim=graph.dim, metric=metric)
    _require_same(graph, path)


def _require_size(path: Path, expected: int) -> None:
    if (found := path.stat().st_size) != expected:
        raise DiskFull(f"{path}: wrote {found} of {expected} bytes of a graph; make room and build again")


def _flush(path: Path) -> None:
    """Bring the bytes to the disk: file systems that allocate late report a full one only here."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_same(graph: Any, path: Path) -> None:
    """Compare a sample of the vectors in the file with those in memory, bit for bit.

    No second graph is loaded for it: that would double the memory a build needs.
    """
    nodes = map_nodes(path, n=graph.element_count, dim=graph.dim)
    sample = nodes[:: max(1, len(nodes) // SAMPLE)]
    if not np.array_equal(sample["vector"], graph.get_items(sample["label"])):
        raise CorruptArtifact(f"{path}: the graph read back differs from the one written; check the disk")
