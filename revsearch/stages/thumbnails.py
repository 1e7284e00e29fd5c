"""Small pictures of manifest rows, for pages."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.thumbnail import thumbnail
from revsearch.rejects import Rejection
from revsearch.specs import ImageLimits
from revsearch.stages.read_ahead import ReadAhead
from revsearch.stages.row_reader import RowReader
from revsearch.storage.manifests import StoredManifest

_SIDE = 160  # pixels; shown at half that size, so that sharp screens have something to show
_TIMEOUT_S = 60.0  # for the bytes of one


def thumbnails(manifest: StoredManifest, rows: NDArray[np.int64]) -> Iterator[tuple[str, str | None, bytes | None]]:
    """Yield id, label and thumbnail of rows `[m]` (ascending); no thumbnail where the image is gone meanwhile."""
    if not len(rows):
        return
    block, reader = manifest.take(rows), RowReader.of(manifest)
    places, limits = reader.places(block), reader.limits

    def read(row: int) -> bytes:
        return places[row].read(max_bytes=limits.max_bytes, follow_symlinks=reader.follow_symlinks)

    with ReadAhead(places, block.sizes.tolist(), read, timeout_s=_TIMEOUT_S) as ahead:
        for row in range(len(block)):
            yield block.ids[row], block.labels[row], _thumbnail(ahead, row, limits)


def _thumbnail(ahead: ReadAhead, row: int, limits: ImageLimits) -> bytes | None:
    """Return a thumbnail, or None: figures do not depend on it."""
    try:
        return thumbnail(ahead[row], _SIDE, limits, allow_truncated=True)
    except Rejection:
        return None
