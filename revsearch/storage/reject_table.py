"""Rejects as a Parquet table: id, uri, stage, reason, message, attempt, role."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from revsearch.rejects import Reason, Reject
from revsearch.storage import parquet
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.store import Store

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("attempt", pa.int32()),
        ("role", pa.string()),
    ]
)


def encode_rejects(rejects: Iterable[Reject]) -> bytes:
    """Serialise rejects, in the given order."""
    rows = [{name: getattr(reject, name) for name in SCHEMA.names} for reject in rejects]
    return parquet.to_bytes(pa.Table.from_pylist(rows, schema=SCHEMA))


def read_rejects(store: Store, artifact: Artifact) -> list[Reject]:
    """Return the rejects of a committed artifact, in order."""
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        path = fetch(store, str(artifact), artifact.part("rejects"), Path(folder))
        rows = parquet.read(path, SCHEMA.names).to_pylist()
    return [Reject(**{**row, "reason": Reason(row["reason"])}) for row in rows]
