"""The work of one embedding worker, without Ray: rows of a manifest in, one committed part out."""

import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, vector_reasons
from revsearch.imaging.decode import decode
from revsearch.rejects import Reason, Reject, Rejection
from revsearch.space import EmbeddingSpace
from revsearch.specs import ImageLimits, Precision, StoreDtype
from revsearch.stages.encoders import Encoder, open_encoder
from revsearch.stages.progress import Stopwatch
from revsearch.storage.artifact import Draft, load
from revsearch.storage.images import read_image
from revsearch.storage.manifests import StoredManifest, locate
from revsearch.storage.store import Store
from revsearch.storage.vectors import STAGE, PartRows, encode_part

STEPS = ("read", "decode", "open", "embed", "write")  # that a worker's seconds are told by; open is the encoder
_TRIES = 2  # of a row whose reject may pass


@dataclass(frozen=True)
class EmbedWork:
    """All a worker must know; small, and the same for every worker of a job."""

    store: Store
    draft: Draft
    manifest: str
    roots: dict[str, str]
    limits: ImageLimits
    follow_symlinks: bool
    space: EmbeddingSpace
    precision: Precision
    store_dtype: StoreDtype
    allow_truncated: bool
    batch_size: int
    device: str
    threads: int
    image_timeout_s: float


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
        uris = [f"{root}/{location}" for location, root in places]
        todo = list(range(len(rows)))
        for attempt in range(1, _TRIES + 1):
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


class PartMaker:
    """Embeds decoded rows and commits them as one part."""

    def __init__(self, work: EmbedWork) -> None:
        self.work = work

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, opened once a worker."""
        work = self.work
        return open_encoder(work.space, work.store, precision=work.precision, device=work.device, threads=work.threads)

    def __call__(self, pictures: Pictures, watch: Stopwatch) -> dict[str, Any]:
        """Embed `m` rows, write their part, and return what the driver counts."""
        with watch.time("open"):
            encoder = self.encoder
        with watch.time("embed"):
            vectors = self._vectors(encoder, pictures)
        rejects = [
            reject or _vector_reject(pictures, place, reason)
            for place, (reject, reason) in enumerate(zip(pictures.rejects, vector_reasons(vectors), strict=True))
        ]
        vectors[[reject is not None for reject in rejects]] = 0
        with watch.time("write"):
            part = PartRows(pictures.rows, pictures.ids, pictures.contents, vectors, rejects, pictures.flags)
            self.work.draft.put("part", ".parquet", encode_part(part, self.work.store_dtype))
        n_rejected = sum(reject is not None for reject in rejects)
        return {
            "done": len(rejects),
            "rejected": n_rejected,
            "halvings": encoder.halvings,
            **{f"seconds_{step}": watch.seconds[step] for step in STEPS},
        }

    def _vectors(self, encoder: Encoder, pictures: Pictures) -> Vectors:
        vectors = np.zeros((len(pictures.rows), self.work.space.dim), np.float32)
        good = np.flatnonzero([reject is None for reject in pictures.rejects])
        for start in range(0, len(good), self.work.batch_size):
            batch = good[start : start + self.work.batch_size]
            vectors[batch] = encoder(pictures.pixels[batch])
        if self.work.store_dtype == "float16":
            with np.errstate(over="ignore"):  # an overflow becomes infinite, and so a reject
                return vectors.astype(np.float16).astype(np.float32)
        return vectors


class EmbedRows:
    """Decodes and embeds in one worker: what a CPU actor does."""

    def __init__(self, work: EmbedWork) -> None:
        self.decode, self.make_part = Decoder(work), PartMaker(work)

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Commit the part of rows `[m]`, ascending; return what the driver counts."""
        watch = Stopwatch()
        return self.make_part(self.decode(rows, watch), watch)


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


def _vector_reject(pictures: Pictures, place: int, reason: Reason | None) -> Reject | None:
    if reason is None:
        return None
    message = "the encoder's vector has length zero" if reason is Reason.ZERO_NORM else "the vector is not finite"
    return Reject(pictures.ids[place], pictures.uris[place], STAGE, reason, message)
