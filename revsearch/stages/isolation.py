"""Finding the rows that kill their worker: units that died are halved until one row is left, and rejected."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.rejects import Reason, Reject
from revsearch.stages import cluster
from revsearch.stages.embed_work import EmbedWork
from revsearch.stages.embedder import EmbedRows, Summary
from revsearch.stages.progress import Progress
from revsearch.stages.resources import Pool
from revsearch.storage.artifact import load
from revsearch.storage.manifests import StoredManifest, locate, uri_of
from revsearch.storage.vectors import STAGE, PartRows, encode_part

_UNIT_ROWS = 128  # few enough that half a unit is soon done, enough that start-up does not count


def isolate(work: EmbedWork, pool: Pool, rows: NDArray[np.int64], progress: Progress) -> None:
    """Embed rows `[m]` in tasks of their own; a row that kills its worker by itself becomes a reject.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    reference = ray.put(work)
    embed = _embed.options(num_cpus=pool.cpus_per_actor, num_gpus=pool.gpus_per_actor)
    units = np.array_split(rows, -(-len(rows) // _UNIT_ROWS))
    pending = {embed.remote(reference, unit): unit for unit in units}
    while pending:
        (task,), _ = ray.wait(list(pending), num_returns=1)
        unit = pending.pop(task)
        if (summary := _result(task)) is not None:
            progress.add(summary.done, summary.rejected)
        elif len(unit) > 1:
            pending |= {embed.remote(reference, half): half for half in np.array_split(unit, 2)}
        else:
            _try_alone(work, lambda row: embed.remote(reference, row), unit, progress)


def _try_alone(
    work: EmbedWork, embed: Callable[[NDArray[np.int64]], Any], row: NDArray[np.int64], progress: Progress
) -> None:
    """Try a killer once more, timed: what ends later than an image may take was a hang."""
    begin = time.monotonic()
    if (summary := _result(embed(row))) is not None:
        progress.add(summary.done, summary.rejected)
        return
    _reject(work, row, time.monotonic() - begin)
    progress.add(1, 1)


def _result(task: Any) -> Summary | None:
    try:
        with cluster.own_errors():
            found: Summary = ray.get(task)
            return found
    except cluster.WORKER_DEATHS:
        return None


@ray.remote(max_retries=0)
def _embed(work: EmbedWork, rows: NDArray[np.int64]) -> Summary:
    return EmbedRows(work)(rows)


def _reject(work: EmbedWork, row: NDArray[np.int64], seconds: float) -> None:
    block = StoredManifest(work.store, load(work.store, work.manifest)).take(row)
    location, root = locate(block, 0, work.roots)
    reason, message = Reason.WORKER_CRASH, "this image ended the process that read it, each time it was tried"
    if seconds >= work.image_timeout_s:
        reason, message = Reason.TIMEOUT, f"this image took more than {work.image_timeout_s:g} s"
    reject = Reject(block.ids[0], uri_of(root, location), STAGE, reason, message, attempt=2)
    vectors = np.zeros((1, work.space.dim), np.float32)
    part = PartRows(row, block.ids, block.contents, vectors, [reject], [""])
    work.draft.put("part", ".parquet", encode_part(part, work.store_dtype))
