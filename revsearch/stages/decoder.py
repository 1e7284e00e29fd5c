"""Rows of a manifest to decoded pictures: read once, checked against the manifest, decoded for the encoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.decode import decode
from revsearch.manifest import Manifest
from revsearch.rejects import Reject
from revsearch.stages.attempts import attempt_rows
from revsearch.stages.deadline import deadline
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.progress import Stopwatch
from revsearch.stages.read_ahead import ReadAhead
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.vectors import STAGE


@dataclass(frozen=True)
class Pictures:
    """Decoded rows on their way to the encoder.

    Attributes:
        rows: int64 `[m]`, manifest rows.
        ids: str `[m]`.
        contents: uint8 `[m, 32]`.
        pixels: uint8 `[m, size, size, 3]`, zero where the row is rejected.
        rejects: the reject of each row, or None.
        uris: where each row's bytes lie.
        flags: what to know of each picture, joined by spaces.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.object_]
    contents: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    rejects: list[Reject | None]
    uris: list[str]
    flags: list[str]


class Decoder:
    """Reads, checks and decodes rows of the manifest."""

    def __init__(self, work: EmbedWork) -> None:
        self.work = work

    @cached_property
    def manifest(self) -> StoredManifest:
        """The manifest, its blocks read as they are needed."""
        return StoredManifest(self.work.store, load(self.work.store, self.work.manifest))

    def __call__(self, rows: NDArray[np.int64], watch: Stopwatch) -> Pictures:
        """Decode rows `[m]` (ascending); transient rejects are tried once more at the end."""
        (pictures,) = self.batches(rows, len(rows), watch)
        return pictures

    def batches(self, rows: NDArray[np.int64], size: int, watch: Stopwatch) -> Iterator[Pictures]:
        """Decode rows `[m]` in batches, each as a call would; bytes are asked for ahead of all of them."""
        block = self.manifest.take(rows)
        with self.work.reader.ahead(block, self.work.image_timeout_s) as ahead:
            for start in range(0, len(rows), size):
                mine = slice(start, start + size)
                yield self._decoded(rows[mine], block.take(mine), start, ahead, watch)

    def _decoded(
        self, rows: NDArray[np.int64], block: Manifest, start: int, ahead: ReadAhead, watch: Stopwatch
    ) -> Pictures:
        """Decode rows `[m]`, a block that begins at `start` of what is read ahead."""
        size = self.work.space.preprocess.size
        pixels = np.zeros((len(rows), size, size, 3), np.uint8)
        flags = [""] * len(rows)
        uris = [place.uri for place in ahead.places[start : start + len(rows)]]

        def decode_row(place: int) -> None:
            data = ahead.fetch(start + place, watch)
            pixels[place], flags[place] = self._picture(data, watch)

        rejects = [
            failure and Reject(id, uri, STAGE, failure[0].reason, str(failure[0]), failure[1])
            for failure, id, uri in zip(attempt_rows(len(rows), decode_row), block.ids, uris, strict=True)
        ]
        return Pictures(rows, block.ids, block.contents, pixels, rejects, uris, flags)

    def _picture(self, data: bytes, watch: Stopwatch) -> tuple[NDArray[np.uint8], str]:
        work = self.work
        with deadline(work.image_timeout_s), watch.time("decode"):
            decoded = decode(data, work.space.preprocess, work.reader.limits, allow_truncated=work.allow_truncated)
        return decoded.pixels, " ".join(decoded.flags)
