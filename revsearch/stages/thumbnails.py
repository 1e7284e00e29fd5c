"""Small pictures of manifest rows, for pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.thumbnail import thumbnail
from revsearch.rejects import Rejection
from revsearch.stages.row_reader import RowReader
from revsearch.storage.images import read_image
from revsearch.storage.manifests import StoredManifest, locate

_SIDE = 160  # pixels; shown at half that size, so that sharp screens have something to show


def thumbnails(manifest: StoredManifest, rows: NDArray[np.int64]) -> Iterator[tuple[str, str | None, bytes | None]]:
    """Yield id, label and thumbnail of rows `[m]` (ascending); no thumbnail where the image is gone meanwhile."""
    if not len(rows):
        return
    block, reader = manifest.take(rows), RowReader.of(manifest)
    for row in range(len(block)):
        location, root = locate(block, row, reader.roots)
        yield block.ids[row], block.labels[row], _thumbnail(location, root, reader)


def _thumbnail(location: str, root: Path, reader: RowReader) -> bytes | None:
    """Return a thumbnail, or None: figures do not depend on it."""
    limits = reader.limits
    try:
        data = read_image(location, root, max_bytes=limits.max_bytes, follow_symlinks=reader.follow_symlinks)
        return thumbnail(data, _SIDE, limits, allow_truncated=True)
    except Rejection:
        return None
