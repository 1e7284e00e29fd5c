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
from revsearch.stages.read_ahead import ReadAhead
from revsearch.storage.artifact import Artifact
from revsearch.storage.catalog import resolve
from revsearch.storage.files import kind_at
from revsearch.storage.names import decode_id
from revsearch.storage.opening import open_store
from revsearch.storage.roots import Place, open_root, place_of
from revsearch.storage.s3.address import is_s3
from revsearch.storage.store import Store

_LOG = logging.getLogger(__name__)

_BATCH = 32  # pictures decoded and embedded at once
_TIMEOUT_S = 60.0  # for the bytes of one that comes over a network


def search(
    queries: str | Path | Sequence[str | Path], *, index: str, store: str | Path = "./store", k: int = 10
) -> Rankings:
    """Rank an index's gallery for image files, or for all images of folders, best first.

    A file is a path or the address of an object, a folder a path or the beginning of keys: `s3://bucket/prefix`.

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
    vectors = _vectors(asked, encoder, space)
    names = list(vectors)
    if not names:
        raise InvalidSpec(f"expected pictures to search with, found none among {len(asked)} files")
    return gallery.rank(gallery.searcher([]), names, [None] * len(names), np.stack([*vectors.values()]), k)


@dataclass(frozen=True, slots=True)
class _Query:
    """A file to search with; `named` where the user named it, and not a folder that holds it."""

    name: str
    place: Place
    named: bool

    def refuse(self, why: str) -> None:
        """Raise where the user named this file; of a folder, the other files are searched with."""
        if self.named:
            raise InvalidSpec(f"{self.name}: {why}")
        _LOG.warning("%s: left out: %s", self.name, why)


def _asked(queries: Sequence[str | Path]) -> list[_Query]:
    """Return every file once, in the order given."""
    found: dict[str, _Query] = {}
    for query in map(_address, queries):
        if kind_at(query) == "folder":
            for each in _below(query):
                found.setdefault(each.name, each)
        else:
            found[query] = _Query(query, place_of(query), named=True)
    if not found:
        raise InvalidSpec("expected image files to search with, found none")
    return list(found.values())


def _address(query: str | Path) -> str:
    """Return a path or address in the one form by which it is told from others."""
    return query if isinstance(query, str) and is_s3(query) else str(Path(query))


def _below(folder: str) -> Iterator[_Query]:
    root = open_root(folder)
    listing = root.list(follow_symlinks=False)
    for reject in listing.rejects:
        _LOG.warning("%s: left out: %s: %s", root.uri_of(reject.id), reject.reason, reject.message)
    for id in listing.ids:
        name = root.uri_of(id) if root.is_remote else str(Path(folder) / os.fsdecode(decode_id(id)))
        yield _Query(name, Place(root, id), named=False)


def _vectors(asked: list[_Query], encoder: Encoder, space: EmbeddingSpace) -> dict[str, NDArray[np.float32]]:
    """Return the vector `[dim]` of each picture, by the name of its file."""
    vectors: dict[str, NDArray[np.float32]] = {}

    def read(number: int) -> bytes:
        return asked[number].place.read(max_bytes=ImageLimits().max_bytes, follow_symlinks=True)

    places = [query.place for query in asked]
    with ReadAhead(places, [0] * len(asked), read, timeout_s=_TIMEOUT_S) as ahead:
        for start in range(0, len(asked), _BATCH):
            batch = range(start, min(start + _BATCH, len(asked)))
            pixels = {number: _picture(asked[number], number, ahead, space) for number in batch}
            good = {asked[number]: picture for number, picture in pixels.items() if picture is not None}
            vectors |= _embed(good, encoder)
    return vectors


def _embed(pixels: dict[_Query, NDArray[np.uint8]], encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    if not pixels:
        return {}
    found, vectors = {}, encoder(np.stack([*pixels.values()]))
    for query, vector, reason in zip(pixels, vectors, vector_reasons(vectors), strict=True):
        if reason is None:
            found[query.name] = vector
        else:
            query.refuse(f"its vector cannot be compared: {reason}")
    return found


def _picture(query: _Query, number: int, ahead: ReadAhead, space: EmbeddingSpace) -> NDArray[np.uint8] | None:
    try:
        return decode(ahead[number], space.preprocess, ImageLimits()).pixels
    except Rejection as rejection:
        query.refuse(f"expected a picture, found {rejection.reason}: {rejection}")
        return None
