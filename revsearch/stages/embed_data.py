"""The Ray Data job of `embed`: units of manifest rows through a pool of actors, in one of two topologies."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray import cloudpickle
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.util.annotations import RayDeprecationWarning

from revsearch.errors import RevsearchError
from revsearch.rejects import Reason, Reject
from revsearch.stages import cluster, meters
from revsearch.stages.decoder import Decoder, Pictures
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import EmbedRows, PartMaker, Summary
from revsearch.stages.meters import Work
from revsearch.stages.progress import Stopwatch
from revsearch.stages.resources import Pool
from revsearch.storage.vectors import STAGE
from revsearch.timeline import Span

Batch = dict[str, NDArray[Any]]

_SPLIT_PART_ROWS = 512  # of the split topology: 77 MB of pixels at 224 px on their way to an encoding actor


def run_units(work: EmbedWork, pool: Pool, units: list[NDArray[np.int64]]) -> Iterator[Summary]:
    """Embed units of rows, each `[m]` ascending, yielding what each part held.

    Units whose worker died are left out, without an error; what is missing can be read off the parts.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    if not units:
        return
    _configure()
    # An actor without a unit would only be started.
    pool = replace(pool, n_actors=min(pool.n_actors, len(units)), n_decoders=min(pool.n_decoders, len(units)))
    source = ray.data.from_items([{"rows": rows.tobytes()} for rows in units], override_num_blocks=len(units))
    with warnings.catch_warnings():
        # Ray 2.60 has no other way to say max_restarts than the one it calls deprecated.
        warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
        dataset = _split(source, work, pool) if pool.n_decoders else _fused(source, work, pool)
    with cluster.own_errors():
        for batch in dataset.iter_batches(batch_size=None):
            for told in map(cloudpickle.loads, batch["told"]):
                if isinstance(told, RevsearchError):
                    raise told
                yield told


class DecodeUnit:
    """CPU actor of the split topology: unit of rows -> decoded pictures."""

    def __init__(self, work: EmbedWork) -> None:
        self.decode = Decoder(work)

    def __call__(self, batch: Batch) -> Batch:
        """Decode one unit."""
        watch = Stopwatch()
        pictures = self.decode(_rows(batch), watch)
        span = watch.span()
        meters.count("embed", Work(n_bytes=watch.n_bytes, seconds=span.seconds))
        return _to_batch(pictures, span)


class EmbedPictures:
    """Encoding actor of the split topology: decoded pictures -> a committed part."""

    def __init__(self, work: EmbedWork) -> None:
        self.part_maker = PartMaker(work)

    def __call__(self, batch: Batch) -> Batch:
        """Embed and commit what was decoded together."""
        return _told(lambda: self._embed(batch))

    def _embed(self, batch: Batch) -> Summary:
        opened, watch = self.part_maker.open(), Stopwatch()
        part = self.part_maker.embed(_to_pictures(batch), watch)
        self.part_maker.commit([part], watch)
        summary = counted(self.part_maker.summary([part], opened, watch))
        return replace(summary, spans=(*_spans(batch), *summary.spans))


class EmbedUnit:
    """Actor of the fused topology: unit of rows -> a committed part."""

    def __init__(self, work: EmbedWork) -> None:
        self.embed = EmbedRows(work)

    def __call__(self, batch: Batch) -> Batch:
        """Decode, embed and commit one unit."""
        return _told(lambda: counted(self.embed(_rows(batch))))


def counted(summary: Summary) -> Summary:
    """Count in Ray's metrics what one worker did, and return it."""
    seconds = Counter[str]()
    for span in summary.spans:
        seconds.update(span.seconds)
    meters.count("embed", Work(summary.done, summary.rejects, summary.n_bytes, seconds))
    return summary


def _fused(source: Dataset, work: EmbedWork, pool: Pool) -> Dataset:
    return source.map_batches(EmbedUnit, batch_size=1, **_actors(work, pool, pool.n_actors, pool.gpus_per_actor))


def _split(source: Dataset, work: EmbedWork, pool: Pool) -> Dataset:
    decoded = source.map_batches(DecodeUnit, batch_size=1, **_actors(work, pool, pool.n_decoders, 0))
    return decoded.map_batches(
        EmbedPictures,
        batch_size=max(work.batch_size, _SPLIT_PART_ROWS),
        **_actors(work, pool, pool.n_actors, pool.gpus_per_actor),
    )


def _actors(work: EmbedWork, pool: Pool, size: int, num_gpus: float) -> dict[str, Any]:
    return {
        "compute": ActorPoolStrategy(size=size),
        "num_cpus": pool.cpus_per_actor,
        "num_gpus": num_gpus or None,
        "fn_constructor_args": (work,),
        # Ray Data would restart without end an actor that one row always kills; what a dead one leaves, `embed` sees.
        "max_restarts": 0,
    }


def _rows(batch: Batch) -> NDArray[np.int64]:
    return np.frombuffer(batch["rows"][0], np.int64)


def _told(embed: Callable[[], Summary]) -> Batch:
    """Return what the driver counts, or our own error: Ray Data is told to go on after errors it sees itself."""
    try:
        told: Summary | RevsearchError = embed()
    except RevsearchError as error:
        told = error
    return {"told": _pickled(told)}


def _pickled(*values: object) -> NDArray[np.object_]:
    pickled = np.empty(len(values), object)
    pickled[:] = [cloudpickle.dumps(value) for value in values]  # type: ignore[no-untyped-call]  # Ray's own
    return pickled


def _spans(batch: Batch) -> Iterator[Span]:
    """Yield the units in which the rows were decoded."""
    return (span for span in map(cloudpickle.loads, batch["span"]) if span is not None)


def _to_batch(pictures: Pictures, span: Span) -> Batch:
    """Return pictures as rows; the first carries the unit of work that they took."""
    rejects = pictures.rejects
    return {
        "row": pictures.rows,
        "id": pictures.ids.astype(str),
        "content": pictures.contents,
        "pixels": pictures.pixels,
        "uri": np.array(pictures.uris, str),
        "flags": np.array(pictures.flags, str),
        "reason": np.array([reject.reason if reject else "" for reject in rejects], str),
        "message": np.array([reject.message if reject else "" for reject in rejects], str),
        "attempt": np.array([reject.attempt if reject else 0 for reject in rejects], np.int64),
        "span": _pickled(span, *[None] * (len(pictures.rows) - 1)),
    }


def _to_pictures(batch: Batch) -> Pictures:
    order = np.argsort(batch["row"])
    batch = {name: np.asarray(column)[order] for name, column in batch.items()}
    details = zip(*(batch[name] for name in ("id", "uri", "reason", "message", "attempt")), strict=True)
    rejects = [
        Reject(str(id), str(uri), STAGE, Reason(reason), str(message), int(attempt)) if reason else None
        for id, uri, reason, message, attempt in details
    ]
    return Pictures(
        rows=batch["row"].astype(np.int64),
        ids=batch["id"].astype(object),
        contents=batch["content"],
        pixels=batch["pixels"],
        rejects=rejects,
        uris=[str(uri) for uri in batch["uri"]],
        flags=[str(flags) for flags in batch["flags"]],
    )


def _configure() -> None:
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.enable_operator_progress_bars = False
    context.max_errored_blocks = -1  # a dead worker costs its unit, which is read off the parts, not the job
    # It logs each unit of a dead worker with its stack, and who keeps such a record keeps the other actors, and CPUs.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
