"""Ranking a handful of pictures in this process: no Ray, nothing committed."""

import os
from collections.abc import Sequence
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
from revsearch.stages.encoders import open_encoder
from revsearch.stages.gallery import Gallery
from revsearch.storage.artifact import Artifact
from revsearch.storage.catalog import resolve
from revsearch.storage.images import read_image
from revsearch.storage.names import decode_id, encode_id
from revsearch.storage.sources import list_folder
from revsearch.storage.store import Store, open_store

_BATCH = 32  # pictures a forward pass


def search(
    queries: str | Path | Sequence[str | Path], *, index: str, store: str | Path = "./store", k: int = 10
) -> Rankings:
    """Rank an index's gallery for image files, or for all images of folders, best first.

    The pictures are embedded by the index's own encoder and compared with every vector, so that a few pictures wait
    for no graph to be loaded. For thousands of queries use the `rank` command: it spreads over a cluster.

    Args:
        queries: image files and folders.
        index: id or ref of the index.
        store: where it lies.
        k: gallery images a query.

    Raises:
        InvalidSpec: where a query is no picture, naming the reason.
        MissingArtifact, CorruptArtifact: where the index is not there or not what was committed.
    """
    paths = [queries] if isinstance(queries, str | Path) else list(queries)
    opened = open_store(str(store))
    artifact = resolve(opened, index, "index")
    return search_files(_files(paths), artifact, opened, k)


def search_files(files: list[Path], index: Artifact, store: Store, k: int) -> Rankings:
    """Rank the index's gallery for image files; see `search`."""
    if k < 1:
        raise InvalidSpec(f"k: expected at least 1, found {k}")
    gallery = Gallery(store, index, threads=0, graphs=False)
    space = gallery.facts.space
    pixels = np.stack([_picture(file, space) for file in files])
    encoder = open_encoder(space, store, optimise=False)
    vectors = np.concatenate([encoder(pixels[start : start + _BATCH]) for start in range(0, len(files), _BATCH)])
    for file, reason in zip(files, vector_reasons(vectors), strict=True):
        if reason is not None:
            raise InvalidSpec(f"{file}: its vector cannot be compared: {reason}")
    names = [str(file) for file in files]
    return gallery.rank(gallery.searcher([]), names, [None] * len(names), vectors, k)


def _files(paths: list[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where the name is too long
            files += [path / os.fsdecode(decode_id(id)) for id in list_folder(path, follow_symlinks=False).ids]
        else:
            files.append(path)
    if not files:
        raise InvalidSpec("expected image files to search with, found none")
    return files


def _picture(file: Path, space: EmbeddingSpace) -> NDArray[np.uint8]:
    limits = ImageLimits()
    try:
        data = read_image(
            encode_id(os.fsencode(file.name)), file.absolute().parent, max_bytes=limits.max_bytes, follow_symlinks=True
        )
        return decode(data, space.preprocess, limits).pixels
    except Rejection as rejection:
        raise InvalidSpec(f"{file}: expected a picture, found {rejection.reason}: {rejection}") from rejection
