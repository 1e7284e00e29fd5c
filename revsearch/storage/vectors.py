"""Embeddings as Parquet parts: each the outcome (vector or reject) of some manifest rows.

A part holds `row, id, content, vector, flags, uri, reason, message, attempt`; `vector` is null exactly where `reason`
is not. Vectors are gathered into a memory-mapped matrix in manifest order, never whole in the driver.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from revsearch.embeddings import Embeddings, Vectors, choose_parts
from revsearch.errors import CorruptArtifact
from revsearch.manifest import Strings
from revsearch.rejects import Reason, Reject
from revsearch.space import EmbeddingSpace
from revsearch.specs import StoreDtype
from revsearch.storage import parquet
from revsearch.storage.arrays import create_matrix
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.card import Part
from revsearch.storage.store import Store

STAGE = "embed"  # the stage that rejects rows of embeddings

_REJECT_COLUMNS = ("uri", "reason", "message", "attempt")


@dataclass(frozen=True)
class PartRows:
    """The outcome of some manifest rows.

    Attributes:
        rows: int64 `[m]`, manifest rows.
        ids: str `[m]`.
        contents: uint8 `[m, 32]`.
        vectors: float32 `[m, dim]`, zero where the row is rejected.
        rejects: the reject of each row, None where it is embedded.
        flags: what to know of an embedded row (`truncated`, `rescaled`), joined by spaces; "" where nothing.
    """

    rows: NDArray[np.int64]
    ids: Strings
    contents: NDArray[np.uint8]
    vectors: Vectors
    rejects: list[Reject | None]
    flags: list[str]


def encode_part(part: PartRows, dtype: StoreDtype) -> bytes:
    """Serialise a part."""
    dim = part.vectors.shape[1]
    rejected = np.array([reject is not None for reject in part.rejects], bool)
    values = pa.array(np.ascontiguousarray(part.vectors, dtype).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(values, dim, mask=pa.array(rejected))
    return parquet.to_bytes(
        pa.table(
            {
                "row": pa.array(part.rows, pa.int64()),
                "id": pa.array(part.ids, pa.string()),
                "content": parquet.contents_array(part.contents),
                "vector": vectors,
                "flags": pa.array(part.flags, pa.string()),
                "uri": pa.array([reject and reject.uri for reject in part.rejects], pa.string()),
                "reason": pa.array([reject and str(reject.reason) for reject in part.rejects], pa.string()),
                "message": pa.array([reject and reject.message for reject in part.rejects], pa.string()),
                "attempt": pa.array([reject and reject.attempt for reject in part.rejects], pa.int32()),
            }
        )
    )


def read_part_rows(path: Path) -> NDArray[np.int64]:
    """Return the manifest rows a part holds, int64 `[m]`."""
    rows: NDArray[np.int64] = parquet.read(path, ["row"])["row"].to_numpy()
    return rows


def read_part(path: Path, dim: int) -> PartRows:
    """Return all that a part holds."""
    table = parquet.read(path)
    embedded = pc.is_null(table["reason"])
    vectors = np.zeros((len(table), dim), np.float32)
    vectors[embedded.to_numpy()] = vector_matrix(table.filter(embedded), dim)
    return PartRows(
        rows=table["row"].to_numpy(),
        ids=parquet.strings(table, "id"),
        contents=parquet.contents(table),
        vectors=vectors,
        rejects=_rejects(table),
        flags=table["flags"].to_pylist(),
    )


def read_part_contents(path: Path) -> tuple[NDArray[np.uint8], list[Reason | None]]:
    """Return the content hashes `[m, 32]` of a part's rows, and why each was rejected, if it was."""
    table = parquet.read(path, ["content", "reason"])
    reasons = [None if reason is None else Reason(reason) for reason in table["reason"].to_pylist()]
    return parquet.contents(table), reasons


def read_part_remarks(path: Path) -> tuple[NDArray[np.int64], list[Reject | None], list[str]]:
    """Return rows, rejects and flags of those rows of a part that have either: few, whatever its size."""
    table = parquet.read(path, ["row", "id", "flags", *_REJECT_COLUMNS])
    table = table.filter(pc.or_(pc.is_valid(table["reason"]), pc.not_equal(table["flags"], "")))
    return table["row"].to_numpy(), _rejects(table), table["flags"].to_pylist()


def concatenate_parts(pieces: list[PartRows]) -> PartRows:
    """Put pieces of one part together."""
    return PartRows(
        rows=np.concatenate([piece.rows for piece in pieces]),
        ids=np.concatenate([piece.ids for piece in pieces]),
        contents=np.concatenate([piece.contents for piece in pieces]),
        vectors=np.concatenate([piece.vectors for piece in pieces]),
        rejects=[reject for piece in pieces for reject in piece.rejects],
        flags=[flags for piece in pieces for flags in piece.flags],
    )


def _rejects(table: pa.Table) -> list[Reject | None]:
    return [
        None
        if row["reason"] is None
        else Reject(row["id"], row["uri"], STAGE, Reason(row["reason"]), row["message"], row["attempt"])
        for row in table.select(["id", *_REJECT_COLUMNS]).to_pylist()
    ]


class StoredEmbeddings:
    """Committed embeddings, read part by part."""

    def __init__(self, store: Store, artifact: Artifact) -> None:
        self.store, self.artifact = store, artifact
        self._scratch = tempfile.TemporaryDirectory(prefix="revsearch-")

    @property
    def space(self) -> EmbeddingSpace:
        """What their vectors may be compared with."""
        try:
            return EmbeddingSpace.from_dict(self.artifact.card.facts["space"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifact(f"{self.artifact}: its card has no embedding space", reason="card") from error

    @property
    def manifest(self) -> str:
        """The manifest they are the embeddings of."""
        return str(self.artifact.card.inputs["manifest"])

    def parts(self) -> list[Part]:
        """Return the parts, in the order in which overlapping ones count."""
        return self.artifact.parts("part")

    def path(self, part: Part) -> Path:
        """Return a local file of a part, checked."""
        return fetch(self.store, str(self.artifact), part, Path(self._scratch.name))

    def rows(self) -> NDArray[np.int64]:
        """Return the embedded manifest rows, int64 `[n_ok]` ascending."""
        return np.sort(np.concatenate([np.empty(0, np.int64), *(rows for _, rows in self._embedded)]))

    def gather(self, wanted: NDArray[np.int64], path: Path) -> tuple[NDArray[np.int64], Vectors]:
        """Write the vectors of manifest rows `[m]` (ascending) into a memory-mapped file, in manifest order.

        Returns:
            The wanted rows that are embedded, int64 `[n]`, and their vectors as given by the encoder, float32
            `[n, dim]`, memory-mapped at `path`.
        """
        rows = np.intersect1d(wanted, self.rows(), assume_unique=True)
        matrix = create_matrix(path, (len(rows), self.space.dim))
        for found, table in self._tables(rows, ["vector"]):
            matrix[np.searchsorted(rows, found)] = vector_matrix(table, self.space.dim)
        return rows, matrix

    def read(self, wanted: NDArray[np.int64], path: Path) -> Embeddings:
        """Return the embeddings of manifest rows `[m]` (ascending), vectors memory-mapped at `path`."""
        rows, vectors = self.gather(wanted, path)
        ids = np.empty(len(rows), object)
        for found, table in self._tables(rows, ["id"]):
            ids[np.searchsorted(rows, found)] = parquet.strings(table, "id")
        return Embeddings(self.space, ids, rows, vectors)

    @cached_property
    def _embedded(self) -> list[tuple[Path, NDArray[np.int64]]]:
        """Each part's file and the embedded rows it counts for; a row that two parts hold counts once."""
        paths = [self.path(part) for part in self.parts()]
        tables = [parquet.read(path, ["row", "reason"]) for path in paths]
        keeps = choose_parts(self.artifact.card.counts.n_in, [table["row"].to_numpy() for table in tables])
        return [
            (path, table["row"].to_numpy()[keep & pc.is_null(table["reason"]).to_numpy()])
            for path, table, keep in zip(paths, tables, keeps, strict=True)
        ]

    def _tables(self, rows: NDArray[np.int64], columns: list[str]) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Yield columns of the given rows part by part; parts that hold none are not read."""
        for path, embedded in self._embedded:
            wanted = np.intersect1d(embedded, rows, assume_unique=True)
            if len(wanted):
                table = parquet.read(path, ["row", *columns])
                table = table.filter(pa.array(np.isin(table["row"].to_numpy(), wanted)))
                yield table["row"].to_numpy(), table


def vector_matrix(table: pa.Table, dim: int) -> NDArray[np.generic]:
    """Return the vectors of a table without rejected rows, `[m, dim]` in their stored type.

    Raises:
        CorruptArtifact: where they have another dimension.
    """
    column = table["vector"].combine_chunks()
    pieces = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    flat = np.concatenate([np.empty(0, np.float32), *(piece.flatten().to_numpy() for piece in pieces)])
    if len(flat) != len(table) * dim:
        raise CorruptArtifact(f"expected {len(table)} vectors of {dim} dims, found {len(flat)} numbers", reason="dim")
    return flat.reshape(-1, dim)
