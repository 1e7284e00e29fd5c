"""Rejects as a Parquet table: id, uri, stage, reason, message, attempt."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from revsearch.rejects import Reason, Reject
from revsearch.storage import parquet

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("attempt", pa.int32()),
    ]
)


def encode_rejects(rejects: Iterable[Reject]) -> bytes:
    """Serialise rejects, in the given order."""
    rows = [{name: getattr(reject, name) for name in SCHEMA.names} for reject in rejects]
    return parquet.to_bytes(pa.Table.from_pylist(rows, schema=SCHEMA))


def decode_rejects(path: Path) -> Iterator[Reject]:
    """Yield the rejects of a file."""
    for row in parquet.read(path, SCHEMA.names).to_pylist():
        yield Reject(**{**row, "reason": Reason(row["reason"])})
