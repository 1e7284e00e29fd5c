"""The work of one embedding worker, without Ray: rows of a manifest in, committed parts out."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from revsearch.embeddings import Vectors, vector_reasons
from revsearch.rejects import Reason, Reject, count_reasons
from revsearch.stages.decoder import Decoder, Pictures
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.encoders import Encoder, open_encoder
from revsearch.stages.progress import Stopwatch
from revsearch.storage.vectors import STAGE, PartRows, concatenate_parts, encode_part
from revsearch.timeline import Span

PART_SECONDS = 20.0  # after which a part is closed, however few rows it has: what a killed worker loses at most


@dataclass(frozen=True, slots=True)
class Summary:
    """What a worker says of the rows it was given.

    Attributes:
        rejects: rows rejected, by reason.
        spans: the units of work that the rows took: of each worker that had them, and of opening its encoder.
    """

    done: int
    rejects: Mapping[str, int] = field(default_factory=dict)
    halvings: int = 0
    n_bytes: int = 0
    spans: tuple[Span, ...] = ()

    @property
    def n_rejected(self) -> int:
        """Rows rejected, for whatever reason."""
        return sum(self.rejects.values())


class PartMaker:
    """Embeds decoded rows and commits them in parts."""

    def __init__(self, work: EmbedWork) -> None:
        self.work = work

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, opened once a worker."""
        work = self.work
        return open_encoder(work.space, work.store, precision=work.precision, device=work.device, threads=work.threads)

    def open(self) -> Span:
        """Open the encoder, where it is not yet; return that as a unit of work."""
        watch = Stopwatch()
        with watch.time("open"):
            _ = self.encoder
        return watch.span()

    def embed(self, pictures: Pictures, watch: Stopwatch) -> PartRows:
        """Embed `m` decoded rows."""
        with watch.time("embed"):
            vectors = self._vectors(pictures)
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

    def summary(self, pieces: list[PartRows], opened: Span, watch: Stopwatch) -> Summary:
        """Return what the driver counts: of a unit whose encoder was `opened` before."""
        rejects = [reject for piece in pieces for reject in piece.rejects]
        reasons = count_reasons(reject.reason for reject in rejects if reject is not None)
        return Summary(len(rejects), reasons, self.encoder.halvings, watch.n_bytes, (opened, watch.span()))

    def _vectors(self, pictures: Pictures) -> Vectors:
        vectors = np.zeros((len(pictures.rows), self.work.space.dim), np.float32)
        good = np.flatnonzero([reject is None for reject in pictures.rejects])
        for batch in _in_batches(good, self.work.batch_size):
            vectors[batch] = self.encoder(pictures.pixels[batch])
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
        opened = self.part_maker.open()
        watch, pieces, n_committed, began = Stopwatch(), list[PartRows](), 0, time.monotonic()
        for pictures in self.decode.batches(rows, self.work.batch_size, watch):
            pieces.append(self.part_maker.embed(pictures, watch))
            if time.monotonic() - began > PART_SECONDS:
                self.part_maker.commit(pieces[n_committed:], watch)
                n_committed, began = len(pieces), time.monotonic()
        if n_committed < len(pieces):
            self.part_maker.commit(pieces[n_committed:], watch)
        return self.part_maker.summary(pieces, opened, watch)


def _in_batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _vector_reject(pictures: Pictures, place: int, reason: Reason | None) -> Reject | None:
    if reason is None:
        return None
    message = "the encoder's vector has length zero" if reason is Reason.ZERO_NORM else "the vector is not finite"
    return Reject(pictures.ids[place], pictures.uris[place], STAGE, reason, message)
