"""The images an evaluation judges an encoder by, held against those it was trained on."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.manifest import INDEXED_ROLES
from revsearch.overlap import ImageSet, equal_contents, require_disjoint
from revsearch.space import EmbeddingSpace
from revsearch.stages.lineage import image_set, images_seen, trained_on
from revsearch.storage.artifact import Artifact, fetch, load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.rank_lists import read_query_rows
from revsearch.storage.store import Store

_FIX = "rank other images, or say --allow-leakage: the figures are then too good, and the report says so"


@dataclass(frozen=True)
class Judged:
    """Rankings, and the index they come from."""

    store: Store
    rankings: Artifact
    index: Artifact

    def n_seen(self, space: EmbeddingSpace, *, allowed: bool) -> int | None:
        """Return how many of the images the encoder of `space` was trained on, by their bytes.

        None where it was not trained here: what such an encoder has seen is not known.

        Raises:
            InvalidSpec: where there are any and they are not `allowed`, with the first five.
        """
        encoder = trained_on(self.store, space)
        if encoder is None:
            return None
        n_seen = 0
        for images in self._images():
            seen = np.zeros(len(images.ids), bool)
            for trained in images_seen(self.store, encoder):
                if not allowed:
                    require_disjoint(images, trained, asked="--rankings", fix=_FIX)
                seen |= equal_contents(images.contents, trained.contents) >= 0
            n_seen += int(np.count_nonzero(seen))
        return n_seen

    def _images(self) -> Iterator[ImageSet]:
        """Yield, manifest by manifest, the images that are ranked and those that are searched."""
        indexed, ranked = self.index.card.inputs["embeddings"], self.rankings.card.inputs["embeddings"]
        galleries = {self._manifest(name) for name in indexed}
        for name in sorted({*galleries, self._manifest(ranked)}):
            manifest = StoredManifest(self.store, load(self.store, name))
            rows = manifest.rows_of_roles(*INDEXED_ROLES) if name in galleries else np.empty(0, np.int64)
            if name == self._manifest(ranked):
                rows = np.union1d(rows, self._query_rows())
            yield image_set(manifest, rows, f"images of {name} in {self.rankings}")

    def _manifest(self, embeddings: str) -> str:
        return str(load(self.store, embeddings).card.inputs["manifest"])

    def _query_rows(self) -> NDArray[np.int64]:
        with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
            paths = [fetch(self.store, str(self.rankings), part, Path(folder)) for part in self.rankings.parts("part")]
            return np.unique(np.concatenate([np.empty(0, np.int64), *map(read_query_rows, paths)]))
