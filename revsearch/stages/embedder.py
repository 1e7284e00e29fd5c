"""The work of one embedding worker, without Ray: rows of a manifest in, committed parts out."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, vector_reasons
from revsearch.rejects import Reason, Reject
from revsearch.stages.decoder import Decoder, Pictures
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.encoders import Encoder, open_encoder
from revsearch.stages.progress import Stopwatch
from revsearch.storage.vectors import STAGE, PartRows, concatenate_parts, encode_part

STEPS = ("read", "decode", "open", "embed", "write")  # that a worker's seconds are told by; open is the encoder
PART_SECONDS = 20.0  # after which a part is closed, however few rows it has: what a killed worker loses at most


@dataclass(frozen=True, slots=True)
class Summary:
    """What a worker says of the rows it was given."""

    done: int
    rejected: int
    halvings: int
    seconds: Mapping[str, float]


class PartMaker:
    """Embeds decoded rows and commits them in parts."""

    def __init__(self, work: EmbedWork) -> None:
        self.work = work

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, opened once a worker."""
        work = self.work
        return open_encoder(work.space, work.store, precision=work.precision, device=work.device, threads=work.threads)

    def embed(self, pictures: Pictures, watch: Stopwatch) -> PartRows:
        """Embed `m` decoded rows."""
        with watch.time("open"):
            encoder = self.encoder
        with watch.time("embed"):
            vectors = self._vectors(encoder, pictures)
        rejects = [
            reject or _vector_reject(pictures, place, reason)
            for place, (reject, reason) in enumerate(zip(pictures.rejects, vector_reasons(vectors), strict=True))
        ]
        vectors[[reject is not None for reject in rejects]] = 0
        return PartRows(pictures.rows, pictures.ids, pictures.contents, vectors, rejects, pictures.flags)

    def commit(self, pieces: list[PartRows], watch: Stopwatch) -> None:
        """Write what was embedded as one part."""
        with watch.time("write"):
            self.work.draft.put("part", ".parquet", encode_part(concatenate_parts(pieces), self.work.store_dtype))

    def summary(self, pieces: list[PartRows], watch: Stopwatch) -> Summary:
        """Return what the driver counts."""
        rejects = [reject for piece in pieces for reject in piece.rejects]
        n_rejected = sum(reject is not None for reject in rejects)
        return Summary(len(rejects), n_rejected, self.encoder.halvings, {step: watch.seconds[step] for step in STEPS})

    def _vectors(self, encoder: Encoder, pictures: Pictures) -> Vectors:
        vectors = np.zeros((len(pictures.rows), self.work.space.dim), np.float32)
        good = np.flatnonzero([reject is None for reject in pictures.rejects])
        for batch in _in_batches(good, self.work.batch_size):
            vectors[batch] = encoder(pictures.pixels[batch])
        if self.work.store_dtype == "float16":
            with np.errstate(over="ignore"):  # an overflow becomes infinite, and so a reject
                return vectors.astype(np.float16).astype(np.float32)
        return vectors


class EmbedRows:
    """Decodes and embeds in one worker, a batch at a time: what a CPU actor does."""

    def __init__(self, work: EmbedWork) -> None:
        self.work, self.decode, self.part_maker = work, Decoder(work), PartMaker(work)

    def __call__(self, rows: NDArray[np.int64]) -> Summary:
        """Commit the outcome of rows `[m]`, ascending, in one part, or in several where they take long."""
        watch, pieces, n_committed, began = Stopwatch(), list[PartRows](), 0, time.monotonic()
        for pictures in self.decode.batches(rows, self.work.batch_size, watch):
            pieces.append(self.part_maker.embed(pictures, watch))
            if time.monotonic() - began > PART_SECONDS:
                self.part_maker.commit(pieces[n_committed:], watch)
                n_committed, began = len(pieces), time.monotonic()
        if n_committed < len(pieces):
            self.part_maker.commit(pieces[n_committed:], watch)
        return self.part_maker.summary(pieces, watch)


def _in_batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _vector_reject(pictures: Pictures, place: int, reason: Reason | None) -> Reject | None:
    if reason is None:
        return None
    message = "the encoder's vector has length zero" if reason is Reason.ZERO_NORM else "the vector is not finite"
    return Reject(pictures.ids[place], pictures.uris[place], STAGE, reason, message)
