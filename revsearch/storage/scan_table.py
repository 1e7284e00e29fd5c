"""What looking at rows gave, as Parquet: `row, hash, id, uri, reason, message, attempt`; `hash` is null exactly where
`reason` is not.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from revsearch.overlap import Hashes
from revsearch.rejects import Reason, Reject
from revsearch.storage import parquet

STAGE = "scan"  # the stage that rejects these rows

_COLUMNS = ("row", "hash", "id", "uri", "reason", "message", "attempt")


@dataclass(frozen=True)
class ScannedRows:
    """The outcome of some manifest rows.

    Attributes:
        rows: int64 `[m]`, manifest rows.
        hashes: uint64 `[m]`, difference hashes; 0 where the row is rejected.
        rejects: the reject of each row, None where it can be read.
    """

    rows: NDArray[np.int64]
    hashes: Hashes
    rejects: list[Reject | None]

    def take(self, places: NDArray[np.integer]) -> "ScannedRows":
        """Return the outcomes at `places`, in that order."""
        return ScannedRows(self.rows[places], self.hashes[places], [self.rejects[place] for place in places])


def encode_scan(scanned: ScannedRows) -> bytes:
    """Serialise outcomes, in the given order."""
    rejects = scanned.rejects
    rejected = np.array([reject is not None for reject in rejects], bool)
    return parquet.to_bytes(
        pa.table(
            {
                "row": pa.array(scanned.rows, pa.int64()),
                "hash": pa.array(scanned.hashes, pa.uint64(), mask=rejected),
                "id": pa.array([reject and reject.id for reject in rejects], pa.string()),
                "uri": pa.array([reject and reject.uri for reject in rejects], pa.string()),
                "reason": pa.array([reject and str(reject.reason) for reject in rejects], pa.string()),
                "message": pa.array([reject and reject.message for reject in rejects], pa.string()),
                "attempt": pa.array([reject and reject.attempt for reject in rejects], pa.int32()),
            }
        )
    )


def decode_scan(path: Path) -> ScannedRows:
    """Read outcomes.

    Raises:
        CorruptArtifact: where the file is none of these.
    """
    table = parquet.read(path, _COLUMNS)
    rejects = [
        None
        if row["reason"] is None
        else Reject(row["id"], row["uri"], STAGE, Reason(row["reason"]), row["message"], row["attempt"])
        for row in table.select(["id", "uri", "reason", "message", "attempt"]).to_pylist()
    ]
    return ScannedRows(table["row"].to_numpy(), table["hash"].fill_null(0).to_numpy(), rejects)


def concatenate_scans(pieces: list[ScannedRows]) -> ScannedRows:
    """Put outcomes together, ordered by row; of a row that is there twice, the first counts."""
    rows = np.concatenate([np.empty(0, np.int64), *(piece.rows for piece in pieces)])
    hashes = np.concatenate([np.empty(0, np.uint64), *(piece.hashes for piece in pieces)])
    whole = ScannedRows(rows, hashes, [reject for piece in pieces for reject in piece.rejects])
    return whole.take(np.unique(rows, return_index=True)[1])
