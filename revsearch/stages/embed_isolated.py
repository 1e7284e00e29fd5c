"""Embedding the rows whose workers died: in tasks of their own, until the one that kills them is found."""

from collections.abc import Callable

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.rejects import Reason, Reject
from revsearch.stages.embed_data import counted
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import EmbedRows, Summary
from revsearch.stages.isolation import isolate
from revsearch.stages.resources import Pool
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.vectors import STAGE, PartRows, encode_part

_UNIT_ROWS = 128  # few enough that half a unit is soon done, enough that start-up does not count


def embed_isolated(work: EmbedWork, pool: Pool, rows: NDArray[np.int64], done: Callable[[Summary], None]) -> None:
    """Embed rows `[m]` in tasks of their own; a row that kills its worker by itself becomes a reject.

    Args:
        work: what workers are told.
        pool: what a task may use.
        rows: the rows.
        done: takes what became of some of them.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    reference = ray.put(work)
    embed = _embed.options(num_cpus=pool.cpus_per_actor, num_gpus=pool.gpus_per_actor)

    def reject(row: NDArray[np.int64], reason: Reason, message: str) -> None:
        _reject(work, row, reason, message)
        done(counted(Summary(1, {reason: 1})))

    isolate(
        lambda unit: embed.remote(reference, unit),
        np.array_split(rows, -(-len(rows) // _UNIT_ROWS)),
        done=done,
        lost=reject,
        image_timeout_s=work.image_timeout_s,
    )


@ray.remote(max_retries=0, scheduling_strategy="SPREAD")
def _embed(work: EmbedWork, rows: NDArray[np.int64]) -> Summary:
    return counted(EmbedRows(work)(rows))


def _reject(work: EmbedWork, row: NDArray[np.int64], reason: Reason, message: str) -> None:
    block = StoredManifest(work.store, load(work.store, work.manifest)).take(row)
    (place,) = work.reader.places(block)
    reject = Reject(block.ids[0], place.uri, STAGE, reason, message, attempt=2)
    vectors = np.zeros((1, work.space.dim), np.float32)
    part = PartRows(row, block.ids, block.contents, vectors, [reject], [""])
    work.draft.put("part", ".parquet", encode_part(part, work.store_dtype))
