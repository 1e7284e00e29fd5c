"""Vectors that are there already: rows of equal content are embedded once, whichever run embedded them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from revsearch.manifest import content_keys
from revsearch.stages import cluster
from revsearch.stages.embed_work import EmbedWork
from revsearch.storage.artifact import Artifact, fetch, load
from revsearch.storage.card import Part
from revsearch.storage.catalog import list_artifacts
from revsearch.storage.manifests import StoredManifest
from revsearch.storage.vectors import PartRows, encode_part, read_part, read_part_contents

Source = tuple[str, Part]  # artifact (committed or in the making) and its part


def find_sources(work: EmbedWork) -> list[Source]:
    """Return the parts whose vectors may be taken: of this job, and of committed Embeddings of the same kind."""
    own = [(work.draft.prefix, part) for part in work.draft.found_parts("part")]
    others = [
        (str(artifact), part)
        for name in list_artifacts(work.store, "embeddings")
        if (artifact := load(work.store, name)) and _interchangeable(artifact, work)
        for part in artifact.parts("part")
    ]
    return own + others


def take_over(
    work: EmbedWork, sources: list[Source], wanted: NDArray[np.int64], contents: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """Commit, source by source, parts with the wanted rows `[m]` whose content `[m, 32]` is there; yield those rows.

    Sources are read side by side; a row that two of them hold is put twice, and counts once.

    Raises:
        RevsearchError: an error of our own that a worker raised.
    """
    if not sources or not len(wanted):
        return
    shared = ray.put((work, wanted, contents))
    yield from cluster.stream(_take_from.remote, ((shared, source) for source in sources), ahead=2 * cluster.n_cpus())


@ray.remote(num_cpus=1, max_retries=3)
def _take_from(shared: tuple[EmbedWork, NDArray[np.int64], NDArray[np.uint8]], source: Source) -> NDArray[np.int64]:
    work, wanted, contents = shared
    prefix, part = source
    with tempfile.TemporaryDirectory(prefix="revsearch-") as folder:
        path = fetch(work.store, prefix, part, Path(folder))
        taken, hit = _matches(path, contents)
        rows: NDArray[np.int64] = wanted[hit]
        if len(rows):
            _put(work, read_part(path, work.space.dim), taken, rows)
    return rows


def _matches(path: Path, contents: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which wanted contents `[m, 32]` a part has vectors of, bool `[m]`, and the part's row for each of those.

    A reject is never taken over: it tells of a file in its place as much as of a content.
    """
    found, reasons = read_part_contents(path)
    usable = np.flatnonzero([reason is None for reason in reasons])
    keys, first = np.unique(content_keys(found[usable]), return_index=True)
    asked = content_keys(contents)
    hit = np.isin(asked, keys)
    return usable[first[np.searchsorted(keys, asked[hit])]], hit


def _put(work: EmbedWork, found: PartRows, taken: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    ids = StoredManifest(work.store, load(work.store, work.manifest)).take(rows).ids
    part = PartRows(
        rows=rows,
        ids=ids,
        contents=found.contents[taken],
        vectors=found.vectors[taken],
        rejects=[None] * len(rows),
        flags=[found.flags[place] for place in taken],
    )
    work.draft.put("part", ".parquet", encode_part(part, work.store_dtype))


def _interchangeable(artifact: Artifact, work: EmbedWork) -> bool:
    facts, space = artifact.card.facts, work.space.fingerprint
    theirs = (facts["space_fingerprint"], facts["precision"], facts["store_dtype"], facts["allow_truncated"])
    return theirs == (space, work.precision, work.store_dtype, work.allow_truncated)
