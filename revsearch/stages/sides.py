"""The two sides of a ranking, queries and gallery: the rows that were embedded, and what is known of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors
from revsearch.manifest import INDEXED_ROLES, Manifest, Strings
from revsearch.protocols import ProtocolRules
from revsearch.storage.arrays import create_matrix
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest, concatenate
from revsearch.storage.reject_table import read_rejects
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings

_COPIED_AT_ONCE = 8_192  # vectors


@dataclass(frozen=True)
class Side:
    """Queries or gallery: the rows embedded, and what is known of them.

    Attributes:
        rows: block of the manifest(s), `[n]`.
        keys: str or None `[n]`, what must be equal for two images to match.
        known_ids: ids of the whole manifest(s), rejected ones too.
        manifests: their ids.
        vectors: float32 `[n, dim]`, as the encoder gave them.
    """

    rows: Manifest
    keys: Strings
    known_ids: frozenset[str]
    manifests: frozenset[str]
    vectors: Vectors


def read_side(
    store: Store, embeddings: str, wanted: NDArray[np.int64] | None, protocol: ProtocolRules, folder: Path
) -> Side:
    """Read the embedded rows of embeddings: those wanted `[n]` ascending, else those of the gallery's roles."""
    stored = StoredEmbeddings(store, load(store, embeddings))
    manifest = StoredManifest(store, load(store, stored.manifest))
    whole = concatenate(list(manifest.blocks()))
    wanted = manifest.rows_of_roles(*INDEXED_ROLES) if wanted is None else wanted
    rows, vectors = stored.gather(wanted, folder / f"vectors-{len(list(folder.iterdir()))}")
    rejected = [reject.id for reject in read_rejects(store, manifest.artifact)]
    keys = protocol.keys(whole, rejected)[rows]
    return Side(whole.take(rows), keys, frozenset(whole.ids), frozenset([stored.manifest]), vectors)


def join_sides(sides: list[Side], folder: Path) -> Side:
    """Return several sides as one, in the given order."""
    if len(sides) == 1:
        return sides[0]
    vectors = create_matrix(folder / "joined", (sum(len(side.rows) for side in sides), sides[0].vectors.shape[1]))
    start = 0
    for side in sides:
        _copy(side.vectors, np.arange(len(side.rows)), vectors[start : start + len(side.rows)])
        start += len(side.rows)
    return Side(
        concatenate([side.rows for side in sides]),
        np.concatenate([side.keys for side in sides]),
        frozenset[str]().union(*(side.known_ids for side in sides)),
        frozenset[str]().union(*(side.manifests for side in sides)),
        vectors,
    )


def in_id_order(side: Side, folder: Path) -> Side:
    """Return a side with its rows in the order of their ids: equal scores are ranked by it."""
    order = np.array(sorted(range(len(side.rows)), key=side.rows.ids.__getitem__), np.int64)
    if np.array_equal(order, np.arange(len(order))):
        return side
    vectors = create_matrix(folder / "ordered", (len(order), side.vectors.shape[1]))
    _copy(side.vectors, order, vectors)
    return Side(side.rows.take(order), side.keys[order], side.known_ids, side.manifests, vectors)


def _copy(source: Vectors, order: NDArray[np.int64], target: Vectors) -> None:
    """Copy `source[order]` into `target`, a block at a time: neither need fit into memory."""
    for start in range(0, len(order), _COPIED_AT_ONCE):
        target[start : start + _COPIED_AT_ONCE] = source[order[start : start + _COPIED_AT_ONCE]]
