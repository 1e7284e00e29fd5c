"""The Ray Data job of `embed`: units of manifest rows through a pool of actors, in one of two topologies."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
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
from revsearch.stages import cluster
from revsearch.stages.decoder import Decoder, Pictures
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import STEPS, EmbedRows, PartMaker, Summary
from revsearch.stages.progress import Stopwatch
from revsearch.stages.resources import Pool
from revsearch.storage.vectors import STAGE

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
            for error in filter(None, batch["error"]):
                raise cloudpickle.loads(error)
            yield from _summaries(batch)


class DecodeUnit:
    """CPU actor of the split topology: unit of rows -> decoded pictures."""

    def __init__(self, work: EmbedWork) -> None:
        self.decode = Decoder(work)

    def __call__(self, batch: Batch) -> Batch:
        """Decode one unit."""
        watch = Stopwatch()
        return _to_batch(self.decode(_rows(batch), watch), watch)


class EmbedPictures:
    """Encoding actor of the split topology: decoded pictures -> a committed part."""

    def __init__(self, work: EmbedWork) -> None:
        self.part_maker = PartMaker(work)

    def __call__(self, batch: Batch) -> Batch:
        """Embed and commit what was decoded together."""
        return _told(lambda: self._embed(batch))

    def _embed(self, batch: Batch) -> Summary:
        watch = Stopwatch()
        for step in ("read", "decode"):
            watch.seconds[step] = float(batch[f"seconds_{step}"].sum())
        part = self.part_maker.embed(_to_pictures(batch), watch)
        self.part_maker.commit([part], watch)
        return self.part_maker.summary([part], watch)


class EmbedUnit:
    """Actor of the fused topology: unit of rows -> a committed part."""

    def __init__(self, work: EmbedWork) -> None:
        self.embed = EmbedRows(work)

    def __call__(self, batch: Batch) -> Batch:
        """Decode, embed and commit one unit."""
        return _told(lambda: self.embed(_rows(batch)))


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
        summary, error = embed(), b""
    except RevsearchError as found:
        summary, error = Summary(0, 0, 0, dict.fromkeys(STEPS, 0.0)), cloudpickle.dumps(found)  # type: ignore[no-untyped-call]  # Ray's own
    counts = {"done": summary.done, "rejected": summary.rejected, "halvings": summary.halvings}
    return {
        "error": np.array([error], object),
        **{name: np.array([value]) for name, value in (counts | _prefixed(summary.seconds)).items()},
    }


def _prefixed(seconds: Mapping[str, float]) -> dict[str, float]:
    return {f"seconds_{step}": spent for step, spent in seconds.items()}


def _summaries(batch: Batch) -> Iterator[Summary]:
    for row in range(len(batch["done"])):
        yield Summary(
            done=int(batch["done"][row]),
            rejected=int(batch["rejected"][row]),
            halvings=int(batch["halvings"][row]),
            seconds={step: float(batch[f"seconds_{step}"][row]) for step in STEPS},
        )


def _to_batch(pictures: Pictures, watch: Stopwatch) -> Batch:
    n = len(pictures.rows)
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
        "seconds_read": np.full(n, watch.seconds["read"] / n),
        "seconds_decode": np.full(n, watch.seconds["decode"] / n),
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
