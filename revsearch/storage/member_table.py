"""Which ids share which vector of an index, as a Parquet part."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from revsearch.errors import CorruptArtifact
from revsearch.manifest import Strings
from revsearch.ranking import Members
from revsearch.storage import parquet


def encode_members(vectors: NDArray[np.int64], ids: Strings) -> bytes:
    """Serialise `[m]` ids and the vector of each, in any order."""
    table = pa.table({"vector": pa.array(vectors, pa.int64()), "id": pa.array(ids, pa.string())})
    return parquet.to_bytes(table.sort_by([("vector", "ascending"), ("id", "ascending")]))


def decode_members(path: Path, n_vectors: int) -> Members:
    """Read what `encode_members` wrote for `n_vectors` vectors."""
    table = parquet.read(path, ["vector", "id"])
    vectors = table["vector"].to_numpy()
    if len(vectors) and (np.any(np.diff(vectors) < 0) or vectors[0] < 0 or vectors[-1] >= n_vectors):
        raise CorruptArtifact(f"{path}: expected the members of {n_vectors} vectors in order", reason="members")
    return Members(parquet.strings(table, "id"), np.searchsorted(vectors, np.arange(n_vectors + 1)))
