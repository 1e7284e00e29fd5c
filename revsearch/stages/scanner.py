"""The work of one scanning worker, without Ray: rows read, checked, decoded whole and hashed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.dhash import dhash
from revsearch.rejects import Reason, Reject
from revsearch.stages.attempts import attempt_rows
from revsearch.stages.deadline import deadline
from revsearch.stages.progress import Stopwatch
from revsearch.stages.row_reader import RowReader
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.scan_table import STAGE, ScannedRows
from revsearch.storage.store import Store


@dataclass(frozen=True)
class Scanner:
    """Looks at rows of a manifest. Small, and picklable.

    Attributes:
        manifest: its id.
        image_timeout_s: an image that takes longer ends the process, or is a reject where its bytes do.
    """

    store: Store
    manifest: str
    reader: RowReader
    image_timeout_s: float

    @cached_property
    def _stored(self) -> StoredManifest:
        return StoredManifest(self.store, load(self.store, self.manifest))

    def __call__(self, rows: NDArray[np.int64], watch: Stopwatch) -> ScannedRows:
        """Return what rows `[m]`, ascending, are; transient rejects are tried once more at the end."""
        block, hashes = self._stored.take(rows), np.zeros(len(rows), np.uint64)
        with self.reader.ahead(block, self.image_timeout_s) as ahead:

            def look(place: int) -> None:
                data = ahead.fetch(place, watch)
                with deadline(self.image_timeout_s), watch.time("scan"):
                    hashes[place] = dhash(data, self.reader.limits)

            failures = attempt_rows(len(rows), look)
        rejects = [
            failure and Reject(id, place.uri, STAGE, failure[0].reason, str(failure[0]), failure[1])
            for failure, id, place in zip(failures, block.ids, ahead.places, strict=True)
        ]
        return ScannedRows(rows, hashes, rejects)

    def lost(self, row: NDArray[np.int64], reason: Reason, message: str) -> ScannedRows:
        """Return the outcome of a row `[1]` that ended its worker twice."""
        block = self._stored.take(row)
        (place,) = self.reader.places(block)
        reject = Reject(block.ids[0], place.uri, STAGE, reason, message, attempt=2)
        return ScannedRows(row, np.zeros(1, np.uint64), [reject])
