"""Rows of a manifest to decoded pictures: read once, checked against the manifest, decoded for the encoder."""

import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revsearch.imaging.decode import decode
from revsearch.rejects import TRIES, Reason, Reject, Rejection
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.progress import Stopwatch
from revsearch.storage.artifact import load
from revsearch.storage.images import read_image
from revsearch.storage.manifests import StoredManifest, locate, uri_of
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
        block, size = self.manifest.take(rows), self.work.space.preprocess.size
        pixels = np.zeros((len(rows), size, size, 3), np.uint8)
        rejects: list[Reject | None] = [None] * len(rows)
        flags = [""] * len(rows)
        places = [locate(block, place, self.work.roots) for place in range(len(rows))]
        uris = [uri_of(root, location) for location, root in places]
        todo = list(range(len(rows)))
        for attempt in range(1, TRIES + 1):
            for place in todo:
                try:
                    data = self._bytes(*places[place], block.contents[place].tobytes(), watch)
                    pixels[place], flags[place] = self._picture(data, watch)
                    rejects[place] = None
                except Rejection as rejection:
                    message = str(rejection)
                    rejects[place] = Reject(block.ids[place], uris[place], STAGE, rejection.reason, message, attempt)
            todo = [place for place in todo if (reject := rejects[place]) is not None and reject.reason.transient]
        return Pictures(rows, block.ids, block.contents, pixels, rejects, uris, flags)

    def _bytes(self, location: str, root: Path, content: bytes, watch: Stopwatch) -> bytes:
        work = self.work
        with _deadline(work.image_timeout_s), watch.time("read"):
            data = read_image(location, root, max_bytes=work.limits.max_bytes, follow_symlinks=work.follow_symlinks)
            if hashlib.sha256(data).digest() != content:
                raise Rejection(
                    Reason.CHECKSUM_MISMATCH, "the file changed since its manifest was made; make a new one"
                )
        return data

    def _picture(self, data: bytes, watch: Stopwatch) -> tuple[NDArray[np.uint8], str]:
        work = self.work
        with _deadline(work.image_timeout_s), watch.time("decode"):
            decoded = decode(data, work.space.preprocess, work.limits, allow_truncated=work.allow_truncated)
        return decoded.pixels, " ".join(decoded.flags)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Let the system end this worker if the block takes longer: a decoder that hangs in C is ended in no other way.

    The driver sees a dead worker, finds the row by itself and rejects it.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
