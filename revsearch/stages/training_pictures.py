"""Pictures of a manifest by row, as training and validation ask for them: in any order, again and again."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.decode import decode
from revsearch.imaging.reduced import decode_reduced
from revsearch.manifest import Manifest
from revsearch.rejects import Rejection
from revsearch.space import Preprocess
from revsearch.stages.deadline import deadline
from revsearch.stages.read_ahead import ReadAhead
from revsearch.stages.row_reader import RowReader
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.store import Store


@dataclass(frozen=True)
class RowPictures(ABC):
    """Reads, checks and decodes rows.

    A copy goes to each process that reads: what it holds of the manifest is read there, when it is first needed.

    Attributes:
        store: where the manifest is.
        manifest: its id.
        rows: int64 `[n]` ascending, those that may be asked for; their places are kept in memory.
        reader: where their bytes lie.
        image_timeout_s: seconds that reading or decoding one may take, until the process is ended.
    """

    store: Store
    manifest: str
    rows: NDArray[np.int64]
    reader: RowReader
    image_timeout_s: float

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """Return the picture of a manifest row, uint8 `[h, w, 3]`; what may pass is tried twice.

        Raises:
            Rejection: where it cannot be read, is not what the manifest says, or cannot be decoded.
            KeyError: for a row that is not of `rows`.
        """
        (found,) = self.of([row])
        if isinstance(found, Rejection):
            raise found
        return found

    def of(self, rows: Sequence[int]) -> Iterator[NDArray[np.uint8] | Rejection]:
        """Yield what becomes of each of some manifest rows, as `[row]` does: its picture, or why there is none.

        Bytes that come over a network are asked for at once.
        """
        places = np.array([self._place_of(row) for row in rows], np.int64)
        with self.reader.ahead(self._places.take(places), self.image_timeout_s) as ahead:
            for number in range(len(places)):
                yield self._outcome(ahead, number)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_places"}

    @abstractmethod
    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return the pixels of a file, uint8 `[h, w, 3]`; raises Rejection."""

    def _place_of(self, row: int) -> int:
        place = int(np.searchsorted(self.rows, row))
        if place == len(self.rows) or self.rows[place] != row:
            raise KeyError(f"row {row} of {self.manifest}: expected one of the {len(self.rows)} rows named before")
        return place

    def _outcome(self, ahead: ReadAhead, number: int) -> NDArray[np.uint8] | Rejection:
        try:
            return self._picture(ahead, number)
        except Rejection as rejection:
            if not rejection.reason.transient:
                return rejection
        try:
            return self._picture(ahead, number)
        except Rejection as rejection:
            return rejection

    def _picture(self, ahead: ReadAhead, number: int) -> NDArray[np.uint8]:
        data = ahead[number]
        with deadline(self.image_timeout_s):
            return self.decode(data)

    @cached_property
    def _places(self) -> Manifest:
        return StoredManifest(self.store, load(self.store, self.manifest)).take(self.rows)


@dataclass(frozen=True)
class TrainingPictures(RowPictures):
    """Pictures to make views of.

    Attributes:
        side: the shorter side is resized to this, where it is longer.
    """

    side: int

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return the picture upright, with its own aspect."""
        return decode_reduced(data, self.side, self.reader.limits)


@dataclass(frozen=True)
class EncoderPictures(RowPictures):
    """Pictures as an encoder sees them.

    Attributes:
        preprocess: of its space.
    """

    preprocess: Preprocess

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return the square `[size, size, 3]`, the same pixels as for embedding."""
        return decode(data, self.preprocess, self.reader.limits).pixels
