"""Ranking a handful of pictures in this process: no Ray, nothing committed."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import vector_reasons
from revsearch.errors import InvalidSpec
from revsearch.imaging.decode import decode
from revsearch.ranking import Rankings
from revsearch.rejects import Rejection
from revsearch.space import EmbeddingSpace
from revsearch.specs import ImageLimits
from revsearch.stages.encoders import Encoder, open_encoder
from revsearch.stages.gallery import Gallery
from revsearch.storage.artifact import Artifact
from revsearch.storage.catalog import resolve
from revsearch.storage.images import read_image
from revsearch.storage.names import decode_id, encode_id
from revsearch.storage.opening import open_store
from revsearch.storage.sources import list_folder
from revsearch.storage.store import Store

_LOG = logging.getLogger(__name__)

_BATCH = 32  # pictures decoded and embedded at once


def search(
    queries: str | Path | Sequence[str | Path], *, index: str, store: str | Path = "./store", k: int = 10
) -> Rankings:
    """Rank an index's gallery for image files, or for all images of folders, best first.

    The pictures are embedded by the index's own encoder and compared with every vector, so that a few pictures wait
    for no graph to be loaded. For thousands of queries use the `rank` command: it spreads over a cluster.

    Args:
        queries: image files and folders. A file given twice is one query; a file of a folder that is no picture is
            left out with a warning.
        index: id or ref of the index.
        store: where it lies.
        k: gallery images a query.

    Raises:
        InvalidSpec: where a file that is named itself is no picture, naming the reason; or nothing is one.
        MissingArtifact, CorruptArtifact: where the index is not there or not what was committed.
    """
    opened = open_store(str(store))
    paths = [queries] if isinstance(queries, str | Path) else queries
    return search_files(paths, resolve(opened, index, "index"), opened, k)


def search_files(queries: Sequence[str | Path], index: Artifact, store: Store, k: int) -> Rankings:
    """Rank the index's gallery for image files and folders; see `search`."""
    if k < 1:
        raise InvalidSpec(f"k: expected at least 1, found {k}")
    asked = _asked(queries)
    gallery = Gallery(store, index, threads=0, graphs=False)
    space = gallery.facts.space
    encoder = open_encoder(space, store)
    vectors: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(asked), _BATCH):
        vectors |= _embed(asked[start : start + _BATCH], encoder, space)
    names = list(vectors)
    if not names:
        raise InvalidSpec(f"expected pictures to search with, found none among {len(asked)} files")
    return gallery.rank(gallery.searcher([]), names, [None] * len(names), np.stack([*vectors.values()]), k)


@dataclass(frozen=True, slots=True)
class _Query:
    """A file to search with; `named` where the user named it, and not a folder that holds it."""

    file: Path
    named: bool

    def refuse(self, why: str) -> None:
        """Raise where the user named this file; of a folder, the other files are searched with."""
        if self.named:
            raise InvalidSpec(f"{self.file}: {why}")
        _LOG.warning("%s: left out: %s", self.file, why)


def _asked(queries: Sequence[str | Path]) -> list[_Query]:
    """Return every file once, in the order given."""
    named: dict[Path, bool] = {}
    for path in map(Path, queries):
        if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where the name is too long
            named |= {file: named.get(file, False) for file in _files(path)}
        else:
            named[path] = True
    if not named:
        raise InvalidSpec("expected image files to search with, found none")
    return [_Query(*each) for each in named.items()]


def _files(folder: Path) -> Iterator[Path]:
    listing = list_folder(folder, follow_symlinks=False)
    for reject in listing.rejects:
        _LOG.warning("%s: left out: %s: %s", folder / reject.id, reject.reason, reject.message)
    return (folder / os.fsdecode(decode_id(id)) for id in listing.ids)


def _embed(batch: list[_Query], encoder: Encoder, space: EmbeddingSpace) -> dict[str, NDArray[np.float32]]:
    """Return the vector `[dim]` of each picture, by the name of its file."""
    pixels = {query: picture for query in batch if (picture := _picture(query, space)) is not None}
    if not pixels:
        return {}
    found, vectors = {}, encoder(np.stack([*pixels.values()]))
    for query, vector, reason in zip(pixels, vectors, vector_reasons(vectors), strict=True):
        if reason is None:
            found[str(query.file)] = vector
        else:
            query.refuse(f"its vector cannot be compared: {reason}")
    return found


def _picture(query: _Query, space: EmbeddingSpace) -> NDArray[np.uint8] | None:
    limits, file = ImageLimits(), query.file
    try:
        name, folder = encode_id(os.fsencode(file.name)), file.absolute().parent
        data = read_image(name, folder, max_bytes=limits.max_bytes, follow_symlinks=True)
        return decode(data, space.preprocess, limits).pixels
    except Rejection as rejection:
        query.refuse(f"expected a picture, found {rejection.reason}: {rejection}")
        return None
